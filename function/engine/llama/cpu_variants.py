"""llama.cpp's CPU libraries as an image holds them, one for each level of instructions: tools/cpu_levels.py."""

import json
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from function.settings import DEMO_MODEL, library_path

BASELINE = "baseline"
"""The level of the library that was installed, which the others stand beside."""


class CPUVariants:
    """The levels in the folder ``lib``. ``needs``: from the least to the best, the CPU flags of each; may be empty."""

    def __init__(self, lib: Path) -> None:
        self.lib = lib
        self.needs: Mapping[str, Sequence[str]] = _read(lib / "levels" / "levels.json")

    def folder(self, name: str) -> Path:
        """The folder of the libraries that belong together."""
        return self.lib if name == BASELINE else self.lib / "levels" / name

    def problem(self, name: str, patience: float) -> str | None:
        """Decode with the level in a process of its own: why it cannot be used, None if it can.

        It hangs when it takes more than ``patience`` seconds.
        """
        environment = {"LD_LIBRARY_PATH": library_path(self.folder(name)), "CUDA_VISIBLE_DEVICES": ""}  # the CPU alone
        command = [str(self.lib / "levels" / "proof"), str(DEMO_MODEL)]
        try:
            done = subprocess.run(command, env=environment, capture_output=True, timeout=patience, check=False)  # noqa: S603
        except subprocess.TimeoutExpired:
            return f"it did not finish a decode in {patience:g} s"
        except OSError as e:
            return f"the proof cannot be run ({e.strerror})"
        if done.returncode < 0:
            return f"it died of {_signal(-done.returncode)}"
        if done.returncode:
            lines = done.stderr.decode(errors="replace").strip().splitlines()
            return lines[-1] if lines else f"the proof ended with status {done.returncode}"
        return None

    def stamps(self) -> Iterator[str]:
        """What changes with the libraries."""
        for path in sorted(self.lib.glob("levels/*/libggml-cpu.so*")):
            found = path.stat()
            yield f"{path} {found.st_size} {found.st_mtime_ns}"


def _read(index: Path) -> Mapping[str, Sequence[str]]:
    try:
        text = index.read_text()
    except OSError:
        return {}
    return {str(name): [str(flag) for flag in flags] for name, flags in json.loads(text).items()}


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
