"""Build of llama.cpp's own programs, at the bindings' version, for comparison in benches.

    python -m bench.reference

The source is llama-cpp-python's sdist from the package registry. The build takes some minutes, runs once at low
priority, and is kept in the user's cache directory.
"""

import fcntl
import os
import platform
import shutil
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

from tools.cpu_levels import TILE_CONFIG

PROGRAMS = ("llama-server", "llama-bench")
OPTIONS = (
    "-DCMAKE_BUILD_TYPE=Release",
    f"-DCMAKE_CXX_FLAGS=-include {TILE_CONFIG}",  # without it, AMX crashes
    "-DGGML_OPENMP=OFF",  # like the bindings: the same threads in both
    "-DBUILD_SHARED_LIBS=OFF",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DLLAMA_BUILD_APP=OFF",
    "-DLLAMA_BUILD_UI=OFF",
    "-DLLAMA_USE_PREBUILT_UI=OFF",  # otherwise the build downloads it
    "-DLLAMA_OPENSSL=OFF",
)


def llama_server() -> Path:
    """Return the path of ``llama-server``; build it if necessary."""
    return _built() / "llama-server"


def llama_bench() -> Path:
    """Return the path of ``llama-bench``; build it if necessary."""
    return _built() / "llama-bench"


def _built() -> Path:
    """Return the folder of the programs. One process builds them, others wait for it."""
    release = version("llama-cpp-python")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "gguf-chat-function" / f"llama.cpp-{release}-{platform.machine()}"
    programs = folder / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not programs.exists():
            source = _source(release, folder)
            finished = _build(source, folder / "build")
            finished.rename(programs)
            shutil.rmtree(folder / "build")
            shutil.rmtree(source)
    return programs


def _source(release: str, folder: Path) -> Path:
    """Fetch and unpack the sdist; return its folder."""
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", "llama-cpp-python"]
    subprocess.run([*pip, f"llama-cpp-python=={release}", "--dest", folder], check=True)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    unpacked = folder / archive.name.removesuffix(".tar.gz")
    archive.unlink()
    return unpacked


def _build(source: Path, build: Path) -> Path:
    """Compile the programs; return a folder that contains only them."""
    llama_cpp = source / "vendor" / "llama.cpp"
    generator = ["-G", "Ninja"] if shutil.which("ninja") else []
    subprocess.run(["cmake", "-S", llama_cpp, "-B", build, *generator, *OPTIONS], check=True)
    jobs = str(os.cpu_count() or 1)
    subprocess.run(
        ["nice", "-n", "15", "cmake", "--build", build, "--target", *PROGRAMS, "--parallel", jobs], check=True
    )
    finished = build.with_name("finished")
    finished.mkdir(exist_ok=True)
    for program in PROGRAMS:
        shutil.copy2(build / "bin" / program, finished)
    return finished


if __name__ == "__main__":
    print(llama_server())
    print(llama_bench())
