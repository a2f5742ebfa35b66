"""Unit tests of the page's scripts, in Node. They need no packages, and their modules no browser."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPTS = sorted(Path(__file__).parent.joinpath("scripts").glob("*.test.mjs"))
NODE = shutil.which("node")
MIN_NODE = 20
"""The first version with everything that the scripts use."""


def test_page_scripts_pass_their_unit_tests() -> None:
    if NODE is None or major_version(NODE) < MIN_NODE:
        pytest.skip(f"the unit tests of the page's scripts need Node {MIN_NODE}")
    assert len(SCRIPTS) >= 3
    done = subprocess.run([NODE, "--test", *map(str, SCRIPTS)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]


def major_version(node: str) -> int:
    """Return the major version of ``node``."""
    shown = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.match(r"v(\d+)", shown)
    return int(found[1]) if found else 0
