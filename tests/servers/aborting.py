"""Function with an extra path on which llama.cpp aborts the process, as one of its failed assertions does.

Served as ``tests.servers.aborting:app`` instead of ``function.main:app``.
"""

import ctypes
from pathlib import Path

from function.engine.llama.library import library
from function.main import app

__all__ = ["app"]


@app.post("/abort")
def abort() -> str:
    """Call ggml_abort, as a failed GGML_ASSERT does."""
    folder = Path(library().__file__).parent / "lib"
    ctypes.CDLL(str(folder / "libggml-base.so")).ggml_abort(b"aborting.py", 1, b"an assertion that fails")
    return "still here"
