"""Compile receive.c, the library that function/source/native.py uses, into a virtual environment.

    python tools/receive.py .venv

For the installer and the image; the standard library only. Does nothing if the library is newer than its source.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).with_suffix(".c")
PLACE = Path("lib", "gguf-chat-function", "libreceive.so")
COMPILERS = ("cc", "gcc", "clang", "c++", "g++", "clang++")
OPTIONS = ("-x", "c", "-std=gnu11", "-O2", "-Wall", "-shared", "-fPIC", "-pthread")


def compile_library(environment: Path) -> int:
    """Compile the library into ``environment``; return the compiler's exit status, 127 without a compiler."""
    library = environment / PLACE
    if library.exists() and library.stat().st_mtime > SOURCE.stat().st_mtime:
        return 0
    compiler = os.environ.get("CC") or next(filter(shutil.which, COMPILERS), None)
    if compiler is None:
        return 127
    library.parent.mkdir(parents=True, exist_ok=True)
    unfinished = library.with_suffix(f".{os.getpid()}")  # a running process may have mapped the present one
    status = subprocess.run([*compiler.split(), *OPTIONS, SOURCE, "-o", unfinished, "-ldl"], check=False).returncode
    if not status:
        unfinished.rename(library)
    return status


if __name__ == "__main__":
    sys.exit(compile_library(Path(sys.argv[1])))
