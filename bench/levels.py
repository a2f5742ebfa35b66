"""llama.cpp's libraries as the image has them, in the user's cache: the portable baseline and every level beside it.

python -m bench.levels      build them once (minutes) and print where they are
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
"""What no image has: a level that is worse than the baseline, to see a difference where nothing better runs."""


def portable() -> Path:
    """The folder of the libraries, built if it is not there yet. One process builds, others wait for it."""
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
