"""Deployment plans from a header alone: memory, sizes that fit, cold start."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from function.gguf import Header, fit, largest_context, read_header
from function.gguf.header import FIRST_READ
from function.gguf.memory import REPACKED
from function.sizing.deployment import CLOUD_RUN_MIB, plan_deployment
from tests.gguf_files import STRING, File
from tools.models import write_model
from tools.shapes import SHAPES

ROOT = Path(__file__).parents[1]
GB = 10**9


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for name in ("tiny", "tiny-gqa", "tiny-window", "tiny-recurrent", "tiny-qwen35"):
        write_model(folder / f"{name}.gguf", SHAPES[name])
    return folder


def header(folder: Path, name: str) -> Header:
    return read_header(folder / f"{name}.gguf")


def run_plan(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "function", "plan", *map(str, arguments)], capture_output=True, text=True, cwd=ROOT
    )


def test_kv_cache_grows_with_the_context_and_shrinks_with_its_type(folder: Path) -> None:
    tiny = header(folder, "tiny")  # 2 layers of 2 heads, each with 32 elements of key and value
    assert fit(tiny, 1024).kv_cache == 1024 * 2 * 2 * 64 * 2
    assert fit(tiny, 1000).kv_cache == fit(tiny, 1024).kv_cache  # rounded up to 256
    assert fit(tiny, 1024, "f32").kv_cache == 2 * fit(tiny, 1024).kv_cache
    assert fit(tiny, 1024, "q8_0").kv_cache * 16 == fit(tiny, 1024).kv_cache * 8.5


def test_grouped_heads_share_a_kv_cache(folder: Path) -> None:
    assert fit(header(folder, "tiny-gqa"), 1024).kv_cache == 1024 * 2 * 1 * 64 * 2


def test_sliding_window_bounds_five_of_six_layers(folder: Path) -> None:
    window = header(folder, "tiny-window")
    token = 64 * 2
    assert fit(window, 2048).kv_cache == 2048 * 6 * token
    assert fit(window, 2048, whole_window=False).kv_cache == (2048 + 5 * 256) * token


def test_recurrent_state_does_not_grow_with_the_context(folder: Path) -> None:
    recurrent = header(folder, "tiny-recurrent")
    assert fit(recurrent, 256).kv_cache == fit(recurrent, 2048).kv_cache == 2 * (3 * 128 + 128 * 16) * 4


def test_repacking_adds_a_copy_of_the_matrices(tmp_path: Path) -> None:
    packed = read_header(write_model(tmp_path / "q4.gguf", SHAPES["tiny"], quant="Q4_0"))
    matrices = sum(tensor.size for tensor in packed.tensors if tensor.type.name == "Q4_0")
    assert fit(packed, 1024, repack=REPACKED).repacked == matrices
    assert fit(packed, 1024).repacked == 0


def test_largest_context_is_the_largest_that_fits(folder: Path) -> None:
    tiny = header(folder, "tiny")
    exact = fit(tiny, 1024, prefixes=0)
    assert largest_context(tiny, replace(exact, limit=exact.total)) == 1024
    assert largest_context(tiny, replace(exact, limit=None)) == 2048
    assert largest_context(tiny, replace(exact, limit=1 << 30)) == 2048
    assert largest_context(tiny, replace(exact, limit=1 << 20)) is None


def test_prefix_cache_has_two_contexts_or_the_memory_left(folder: Path) -> None:
    tiny = header(folder, "tiny")
    needs = fit(tiny, 1024)
    assert needs.prefix_cache == needs.prefix_room == 2 * needs.kv_cache
    assert needs.total - fit(tiny, 1024, prefixes=0).total == needs.prefix_cache
    assert fit(tiny, 1024, prefixes=5).prefix_cache == 5
    bare = needs.total - needs.prefix_cache
    tight, over = replace(needs, limit=bare + 100), replace(needs, limit=bare - 1)
    assert (tight.fits, tight.prefix_room) == (True, 100)
    assert (over.fits, over.prefix_room) == (False, 0)


def test_prefix_cache_of_a_recurrent_model_has_eight_more_states(folder: Path) -> None:
    recurrent, hybrid = fit(header(folder, "tiny-recurrent"), 1024), fit(header(folder, "tiny-qwen35"), 1024)
    assert recurrent.prefix_cache == 10 * recurrent.kv_cache, "its context is one state, whatever its length"
    keys_and_values = 1024 * 2 * 32 * 2
    state = hybrid.kv_cache - keys_and_values
    assert state == 3 * 4 * (128 * 16 + 3 * 3 * 128), "three recurrent layers"
    assert hybrid.prefix_cache == 2 * keys_and_values + 10 * state
    assert fit(header(folder, "tiny-qwen35"), 1024, prefixes=0).least == hybrid.least


@pytest.mark.parametrize(
    ("size", "smallest", "on_lambda"), [(GB // 2, 1, True), (7 * GB, 2, True), (14 * GB, 4, False), (30 * GB, 8, False)]
)
def test_sizes_fit_or_have_a_reason(folder: Path, size: int, smallest: int, on_lambda: bool) -> None:
    made = plan_deployment("x", header(folder, "tiny"), size=size, n_ctx=None, kv_type="f16", rate=5e8)
    *run, function = made.sizes
    assert next(item.cpus for item in run if item.problem is None) == smallest
    for item in run:
        assert (item.problem is None) == (item.cpus >= smallest)
        assert CLOUD_RUN_MIB[int(item.cpus)][0] <= item.memory_mib <= CLOUD_RUN_MIB[int(item.cpus)][1]
        if item.problem:
            assert f"at most {item.memory_mib}" in item.problem
    assert (function.problem is None) == on_lambda


def test_file_larger_than_lambdas_disk_does_not_fit(folder: Path) -> None:
    made = plan_deployment("x", header(folder, "tiny"), size=11 * GB, n_ctx=None, kv_type="f16", rate=5e8)
    assert "/tmp holds at most 10240" in str(made.sizes[-1].problem)


def test_cold_start_is_later_with_a_slower_store(folder: Path) -> None:
    fast, slow = (
        plan_deployment("x", header(folder, "tiny"), size=GB, n_ctx=None, kv_type="f16", rate=rate)
        for rate in (1e9, 1e8)
    )
    assert slow.cold_start - fast.cold_start == pytest.approx(9)


def test_plan_command_prints_text(folder: Path) -> None:
    done = run_plan(folder / "tiny.gguf", "--n-ctx", "512")
    assert (done.returncode, done.stderr) == (0, "")
    for word in ("random-tiny", "Q8_0", "512 tokens", "q8_0", "Cloud Run", "Lambda", "cold start"):
        assert word in done.stdout


def test_plan_command_prints_json(folder: Path) -> None:
    report = json.loads(run_plan(folder / "tiny.gguf", "--json", "--kv-type", "q8_0").stdout)
    expected = fit(header(folder, "tiny"), 2048, "q8_0")  # the model's own context is below the default
    assert report["chosen"]["total"] == expected.total
    assert report["model"]["context_length"] == report["chosen"]["n_ctx"] == 2048
    assert len(report["sizes"]) == len(CLOUD_RUN_MIB) + 1


def test_tfvars_are_variables_of_terraform(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "model.auto.tfvars"
    assert run_plan(folder / "tiny.gguf", "--tfvars", file).returncode == 0
    assert run_plan(folder / "tiny.gguf", "--tfvars").stdout == file.read_text()
    figures = dict(line.split(" = ") for line in file.read_text().splitlines())
    expected = fit(header(folder, "tiny"), 2048)
    assert figures == {"model_bytes": str(expected.weights), "model_memory_bytes": str(expected.beside)}
    for cloud in ("gcp", "aws"):
        variables = (ROOT / "terraform" / cloud / "variables.tf").read_text()
        assert figures.keys() <= set(re.findall(r'variable "(\w+)"', variables))


def test_plan_command_rejects_a_file_that_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "page.gguf").write_text("<!DOCTYPE html>")
    done = run_plan(tmp_path / "page.gguf")
    assert (done.returncode, done.stdout) == (1, "")
    assert "not a GGUF" in done.stderr


def test_plan_command_reads_a_header_longer_than_the_first_read(folder: Path, tmp_path: Path) -> None:
    file = File.load(folder / "tiny.gguf").set("general.description", STRING, "x" * (FIRST_READ + 1))
    (tmp_path / "long.gguf").write_bytes(file.dump())
    assert json.loads(run_plan(tmp_path / "long.gguf", "--json").stdout)["model"]["name"] == "random-tiny"
