"""llama.cpp's libraries in an image, one per CPU level, as tools/cpu_levels.py builds them."""

import json
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path

from function.settings import library_path

BASELINE = "baseline"
"""Level of the library that was installed first; the others are in folders below it."""


class CPUVariants:
    """The variants in the folder ``lib``. ``needs``: the CPU flags of each, the best last; may be empty."""

    def __init__(self, lib: Path) -> None:
        self.lib = lib
        self.needs: Mapping[str, Sequence[str]] = _read_index(lib / "levels" / "levels.json")

    def folder(self, name: str) -> Path:
        """Return the folder of the variant's libraries."""
        return self.lib if name == BASELINE else self.lib / "levels" / name

    def missing_flag(self, name: str, flags: Set[str]) -> str | None:
        """Return a sentence about the first flag that a CPU with ``flags`` lacks; None if it has all."""
        return next((f"the CPU has no {flag}" for flag in self.needs[name] if flag not in flags), None)

    def prove(self, name: str, timeout: float) -> str | None:
        """Decode with the variant in a process of its own, for ``timeout`` seconds; return the problem, or None."""
        environment = {"LD_LIBRARY_PATH": library_path(self.folder(name)), "CUDA_VISIBLE_DEVICES": ""}  # the CPU alone
        command = [str(self.lib / "levels" / name) for name in ("proof", "proof.gguf")]
        try:
            done = subprocess.run(command, env=environment, capture_output=True, timeout=timeout, check=False)  # noqa: S603
        except subprocess.TimeoutExpired:
            return f"it did not finish a decode in {timeout:g} s"
        except OSError as e:
            return f"the proof cannot be run ({e.strerror})"
        if done.returncode < 0:
            return f"it died of {_signal_name(-done.returncode)}"
        if done.returncode:
            lines = done.stderr.decode(errors="replace").strip().splitlines()
            return lines[-1] if lines else f"the proof ended with status {done.returncode}"
        return None

    def read_stamps(self) -> Iterator[str]:
        """Yield a line per library that changes with the file."""
        for path in sorted(self.lib.glob("levels/*/libggml-cpu.so*")):
            found = path.stat()
            yield f"{path} {found.st_size} {found.st_mtime_ns}"


def _read_index(index: Path) -> Mapping[str, Sequence[str]]:
    try:
        text = index.read_text()
    except OSError:
        return {}
    return {str(name): [str(flag) for flag in flags] for name, flags in json.loads(text).items()}


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
