"""Builds llama.cpp's own programs, at the version the bindings carry, for benches to stand beside.

    python -m bench.reference

The source is llama-cpp-python's sdist from the package registry; the build (some minutes, at low priority) happens
once and is remembered in the user's cache directory.
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
    f"-DCMAKE_CXX_FLAGS=-include {TILE_CONFIG}",  # without it AMX crashes
    "-DGGML_OPENMP=OFF",  # as the bindings are built: the same threads under both
    "-DBUILD_SHARED_LIBS=OFF",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DLLAMA_BUILD_APP=OFF",
    "-DLLAMA_BUILD_UI=OFF",
    "-DLLAMA_USE_PREBUILT_UI=OFF",  # would be downloaded while building
    "-DLLAMA_OPENSSL=OFF",
)


def llama_server() -> Path:
    """The path of ``llama-server``, built if it is not there yet."""
    return _built() / "llama-server"


def llama_bench() -> Path:
    """The path of ``llama-bench``, built if it is not there yet."""
    return _built() / "llama-bench"


def _built() -> Path:
    """The folder of the finished programs. One process builds, others wait for it."""
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
    """Fetch the sdist and unpack it; returns the folder that holds llama.cpp's sources."""
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", "llama-cpp-python"]
    subprocess.run([*pip, f"llama-cpp-python=={release}", "--dest", folder], check=True)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    unpacked = folder / archive.name.removesuffix(".tar.gz")
    archive.unlink()
    return unpacked


def _build(source: Path, build: Path) -> Path:
    """Compile; returns a folder with the programs alone."""
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
