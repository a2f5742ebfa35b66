"""The function with one path more, on which llama.cpp aborts the process as it does when an assertion of its own fails.

Served as ``tests.servers.aborting:app`` instead of ``function.main:app``.
"""

import ctypes
from pathlib import Path

from function.engine.llama.library import library
from function.main import app

__all__ = ["app"]


@app.post("/abort")
def abort() -> str:
    """End in ggml_abort, where GGML_ASSERT ends."""
    folder = Path(library().__file__).parent / "lib"
    ctypes.CDLL(str(folder / "libggml-base.so")).ggml_abort(b"aborting.py", 1, b"an assertion that fails")
    return "still here"
