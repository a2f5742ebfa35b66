"""Candidates for the next token: the few with the largest logits, found by a small C library.

llama.cpp's samplers begin with a list of the whole vocabulary, which most chains sort in part to keep 40 tokens.
Without the library they still do.
"""

import ctypes
import functools
from typing import Any

from function.native.library import load_library

MAX_CANDIDATES = 128
"""More are found faster by llama.cpp, in buckets."""


@functools.cache
def candidate_finder() -> Any | None:
    """Return the function (logits, their number, most candidates, candidates) → number of candidates; None without one.

    It writes the largest logits, sorted, into an array of ``llama_token_data``. A call lets other threads run: the
    reader of a reply has no other chance between two tokens of a draft.
    """
    library = load_library("candidates")
    if library is None:
        return None
    find = library.candidates_find
    find.argtypes = (ctypes.c_void_p, ctypes.c_int32, ctypes.c_int, ctypes.c_void_p)
    return find
