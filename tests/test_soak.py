"""Soak test in small: each request accounted for, the queue free at the end, no resource lost."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench.mixture import KINDS
from bench.record import write
from bench.soak import Sizes, SoakResult, report, soak
from tests.servers.doors import ROOT, serving


def test_short_soak_loses_nothing(tmp_path: Path) -> None:
    with serving(tmp_path, CLIENT_TIMEOUT="2") as function:
        function.wait("ready")
        outcome = soak(function, 3 * len(KINDS), warm_up=3 * len(KINDS), samples=1)
    # Three requests of each kind are too few for a bound of two per cent; the long soak has it.
    assert outcome.complaints(growth=0.2) == [], report(outcome)
    assert sum(outcome.ended.values()) == 6 * len(KINDS)


@pytest.mark.slow
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("command", [["bench.soak"], ["bench.faults"]])
def test_long_soak_and_faults_find_nothing(command: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_complaints_name_growth_and_loss() -> None:
    outcome = SoakResult(sizes=[Sizes(1000, 10, 20), Sizes(1030, 11, 20)], wrong=["short: 500"])
    found = outcome.complaints()
    assert len(found) == 3
    assert "memory grew by 3.0%" in found[1]
    assert SoakResult(sizes=[Sizes(1000, 10, 20), Sizes(1019, 10, 20)]).complaints() == []


def test_write_replaces_the_section_of_a_command(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Page\n")
    write(page, "one", "first")
    write(page, "two", "second")
    write(page, "one", r"third \1")
    text = page.read_text()
    assert text.index("# Page") < text.index(r"third \1") < text.index("second")
    assert "first" not in text
