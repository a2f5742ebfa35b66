"""docs/choosing-a-model.md: its speeds are those that the program estimates, its instances those that exist."""

import re
from pathlib import Path

import pytest

from function.capacity.estimates import estimate_speeds
from function.sizing.deployment import CLOUD_RUN_MIB, LAMBDA_DISK_MIB, LAMBDA_MEMORY_MIB
from function.sizing.load_plan import INSTANCE_STEP_MIB
from function.system.limits import LAMBDA_MIB_PER_CPU

PAGE = (Path(__file__).parents[1] / "docs" / "choosing-a-model.md").read_text()
ROWS = re.findall(r"(?m)^\| [\d.]+[MB], \w+ \| ([\d,]+) M \| ([\d,]+) MB \| ([\d,]+) MiB \| (.+?) \|$", PAGE)


def number(text: str) -> float:
    return float(text.replace(",", ""))


def test_page_has_models_of_all_sizes() -> None:
    assert len(ROWS) >= 8


@pytest.mark.parametrize(("parameters", "size", "memory", "speeds"), ROWS)
def test_speeds_are_the_estimates(parameters: str, size: str, memory: str, speeds: str) -> None:
    for cpus, shown in zip((2, 4, 8), speeds.split(" | "), strict=True):
        prefill, decode = map(float, shown.split(", "))
        estimate = estimate_speeds(number(parameters) * 1e6, number(size) * 1e6, cpus, 0)
        assert prefill == pytest.approx(estimate.prefill_per_second, abs=0.51)
        assert decode == pytest.approx(estimate.decode_per_second, abs=0.51 if decode >= 10 else 0.051)


@pytest.mark.parametrize(("parameters", "size", "memory", "speeds"), ROWS)
def test_memory_is_an_instance_size_that_holds_the_file(parameters: str, size: str, memory: str, speeds: str) -> None:
    assert number(memory) % INSTANCE_STEP_MIB == 0
    assert number(memory) * (1 << 20) > number(size) * 1e6
    assert number(memory) <= LAMBDA_MEMORY_MIB[1]


def test_instances_are_those_of_the_platforms() -> None:
    largest = max(CLOUD_RUN_MIB)
    assert f"up to {largest} vCPUs and {CLOUD_RUN_MIB[largest][1] // 1024} GiB" in PAGE
    assert (
        f"one for each {LAMBDA_MIB_PER_CPU:,} MB: the largest has {LAMBDA_MEMORY_MIB[1] / LAMBDA_MIB_PER_CPU:.1f}"
        in PAGE
    )
    assert f"{LAMBDA_DISK_MIB[1]:,} MB" in PAGE
