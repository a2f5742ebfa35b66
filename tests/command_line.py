"""The command line as a user runs it."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]


def function(
    *arguments: str | Path, env: Mapping[str, str] | None = None, typed: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``python -m function …`` with ``env`` for an environment and ``typed`` for input."""
    command = [sys.executable, "-m", "function", *map(str, arguments)]
    home = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "N_THREADS": "1"}
    return subprocess.run(
        command, env=home | dict(env or {}), input=typed, capture_output=True, text=True, timeout=240, cwd=ROOT
    )
