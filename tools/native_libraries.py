"""Compile the C libraries that the function uses, receive.c, candidates.c and vocabulary.c, into a virtual environment.

    python tools/native_libraries.py .venv

For the installer and the image; the standard library only. A library that is newer than its source is left alone.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

SOURCES = tuple(Path(__file__).with_name(name) for name in ("receive.c", "candidates.c", "vocabulary.c"))
FOLDER = Path("lib", "gguf-chat-function")
COMPILERS = ("cc", "gcc", "clang", "c++", "g++", "clang++")
OPTIONS = ("-x", "c", "-std=gnu11", "-O3", "-Wall", "-shared", "-fPIC", "-pthread")


def compile_libraries(environment: Path) -> int:
    """Compile the libraries into ``environment``; return a failed compiler's exit status, 127 without a compiler."""
    return next(filter(None, (_compile(source, environment) for source in SOURCES)), 0)


def library_path(environment: Path, source: Path) -> Path:
    """Return the path of the library that is compiled from ``source``."""
    return environment / FOLDER / f"lib{source.stem}.so"


def _compile(source: Path, environment: Path) -> int:
    library = library_path(environment, source)
    if library.exists() and library.stat().st_mtime > source.stat().st_mtime:
        return 0
    compiler = os.environ.get("CC") or next(filter(shutil.which, COMPILERS), None)
    if compiler is None:
        return 127
    library.parent.mkdir(parents=True, exist_ok=True)
    unfinished = library.with_suffix(f".{os.getpid()}")  # a running process may have mapped the present one
    status = subprocess.run([*compiler.split(), *OPTIONS, source, "-o", unfinished, "-ldl"], check=False).returncode
    if not status:
        unfinished.rename(library)
    return status


if __name__ == "__main__":
    sys.exit(compile_libraries(Path(sys.argv[1])))
