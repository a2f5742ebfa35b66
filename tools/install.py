"""Makes .venv and installs the locked packages into it, telling how far the compile of llama.cpp is.

    python3 tools/install.py requirements.txt [requirements-dev.txt …]

Runs on the system's Python before anything is installed: the standard library only. Names what is missing on the
machine. Does nothing when the locks have not changed since the last time.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
OLDEST = (3, 11)
COMPILERS = ("c++", "g++", "clang++")
STEP = re.compile(r"\[(\d+)/(\d+)\]")
"""How ninja counts its steps, which uv passes on when it is verbose."""


def missing() -> list[str]:
    """What this machine lacks, each with the way to get it on Debian."""
    lacks = []
    if sys.version_info < OLDEST:
        lacks.append(f"Python {OLDEST[0]}.{OLDEST[1]} or newer; this is {sys.version.split()[0]}")
    try:
        import ensurepip  # noqa: F401  Debian splits it off, and a venv without it has no pip
    except ImportError:
        lacks.append("Python's venv: apt-get install python3-venv")
    if os.environ.get("CXX") is None and not any(map(shutil.which, COMPILERS)):
        lacks.append("a C++ compiler, which llama.cpp is compiled with: apt-get install g++")
    return lacks


def install(locks: Sequence[Path]) -> int:
    """Bring .venv to what ``locks`` say; returns the exit status."""
    stamp = VENV / f".installed-{'-'.join(lock.stem for lock in locks)}"
    key = hashlib.sha256(b"".join(path.read_bytes() for path in (*locks, ROOT / "pyproject.toml"))).hexdigest()
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
    compiled, options = VENV / ".compiled-with", _compile_options()
    if compiled.exists() and compiled.read_text() != options:
        # A package that is there satisfies the lock, whatever it was compiled with.
        uv = [str(VENV / "bin" / "uv"), "pip", "uninstall", "--quiet", "llama-cpp-python"]
        subprocess.run(uv, env=os.environ | {"VIRTUAL_ENV": str(VENV)}, check=True)
    print("Installing packages. The first time llama.cpp is compiled, which takes some minutes.", flush=True)
    arguments = [argument for lock in locks for argument in ("-r", str(lock))]
    command = [str(VENV / "bin" / "uv"), "pip", "install", "--verbose", "--require-hashes", *arguments]
    # From the cache alone first: a package index that asks for its files to be checked anew would have llama.cpp
    # compiled anew as well, though nothing has changed.
    status = _follow([*command, "--offline"], quiet=True) and _follow(command)
    if status == 0:
        stamp.write_text(key)
        compiled.write_text(options)
    return status


def _compile_options() -> str:
    """What pyproject.toml has llama.cpp compiled with."""
    import tomllib  # here, where the Python is known to be new enough

    table = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["config-settings-package"]
    return json.dumps(table, sort_keys=True)


def _follow(command: Sequence[str], *, quiet: bool = False) -> int:
    """Run ``command``, turn its compile steps into progress, and show its last lines if it fails, unless ``quiet``."""
    began, told, last = time.monotonic(), -1, ""
    log = VENV / "install.log"
    environment = os.environ | {"VIRTUAL_ENV": str(VENV)}
    terminal = sys.stdout.isatty()
    with (
        log.open("w") as file,
        subprocess.Popen(
            command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            file.write(line)
            if (step := STEP.search(line)) is None:
                continue
            percent = 100 * int(step[1]) // int(step[2])
            if percent >= told + (1 if terminal else 10):
                told = percent
                last = f"  compiling llama.cpp {percent:3d}%  {time.monotonic() - began:4.0f} s"
                print(last, end="\r" if terminal else "\n", flush=True)
    if terminal and last:
        print()
    if process.returncode and not quiet:
        print(*log.read_text().splitlines()[-30:], f"The whole log: {log}", sep="\n", file=sys.stderr)
    return process.returncode


if __name__ == "__main__":
    sys.exit(install([Path(argument).resolve() for argument in sys.argv[1:]]))
