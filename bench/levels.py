"""llama.cpp's libraries as in the image, in the user's cache: the portable baseline and every level.

    python -m bench.levels

The build takes minutes and runs once. The command prints the folder.
"""

import fcntl
import os
import platform
import shutil
import sysconfig
import tempfile
from importlib.metadata import version
from pathlib import Path

from tools.cpu_levels import BASELINE, CPU_LIBRARY, LEVELS, CPULevel, build, compile_level, download, unpacked

INSTALLED = Path(sysconfig.get_path("platlib")) / "llama_cpp" / "lib"
_OLD = dict.fromkeys(("GGML_AVX", "GGML_AVX2", "GGML_FMA", "GGML_F16C", "GGML_BMI2"), "OFF")
BELOW = {"x86_64": (CPULevel("sse42", ("sse4_2",), _OLD),)}
"""Level below the baseline, which no image contains: it shows a difference on machines without a better level."""


def portable() -> Path:
    """Return the folder of the libraries; build them if necessary. One process builds, others wait for it."""
    release, machine = version("llama-cpp-python"), platform.machine()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "gguf-chat-function" / f"levels-{release}-{machine}"
    lib = folder / "lib"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not lib.exists():
            with tempfile.TemporaryDirectory(dir=folder) as name:
                work = Path(name)
                _build(work, release, (*BELOW.get(machine, ()), *LEVELS[machine]))
                (work / "lib").rename(lib)
    return lib


def _build(work: Path, release: str, levels: tuple[CPULevel, ...]) -> None:
    lib = work / "lib"
    shutil.copytree(INSTALLED, lib)
    sources = unpacked(download(release, work), work)
    baseline = next(level for level in levels if level.name == BASELINE)
    library = compile_level(baseline, sources, work / "build")
    for path in lib.glob("libggml-cpu.so*"):
        path.unlink()
    shutil.copy(library, lib / CPU_LIBRARY)
    build(lib, levels, sources, work / "build")


if __name__ == "__main__":
    print(portable())
