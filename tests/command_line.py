"""Command line, run as by a user."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]


def function(
    *arguments: str | Path, env: Mapping[str, str] | None = None, typed: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``python -m function …`` with the environment ``env`` and the input ``typed``."""
    command = [sys.executable, "-m", "function", *map(str, arguments)]
    home = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "N_THREADS": "1"}
    return subprocess.run(
        command, env=home | dict(env or {}), input=typed, capture_output=True, text=True, timeout=240, cwd=ROOT
    )
