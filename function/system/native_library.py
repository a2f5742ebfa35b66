"""Places of the small C libraries that ``tools/native_libraries.py`` compiles into the virtual environment."""

import sys
from pathlib import Path


def native_library(name: str) -> Path:
    """Return the path of the library that is compiled from ``tools/NAME.c``; there may be none."""
    return Path(sys.prefix) / "lib" / "gguf-chat-function" / f"lib{name}.so"
