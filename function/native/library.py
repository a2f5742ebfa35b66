"""Small C libraries that ``tools/native_libraries.py`` compiles into the virtual environment; there may be none."""

import ctypes
import functools
import sys
from pathlib import Path

INTERFACES = {"candidates": 1, "receive": 1, "vocabulary": 1}
"""Number of each library's interface; one that was compiled from other sources is not used."""


def native_library(name: str) -> Path:
    """Return the path of the library that is compiled from ``tools/NAME.c``."""
    return Path(sys.prefix) / "lib" / "gguf-chat-function" / f"lib{name}.so"


@functools.cache
def load_library(name: str) -> ctypes.CDLL | None:
    """Load a library; return None if there is none that can be used."""
    try:
        return open_library(native_library(name), name)
    except OSError:
        return None


def open_library(path: Path, name: str) -> ctypes.CDLL:
    """Load the library at ``path``. Raises OSError if it is missing, no library, or of another interface."""
    library = ctypes.CDLL(str(path))
    interface = getattr(library, f"{name}_interface", None)
    if interface is None or interface() != INTERFACES[name]:
        raise OSError(f"{path} has another interface")
    return library
