"""ggml's compute threads, kept from one token to the next.

Without a pool of its own, a context starts its threads anew for every graph, that is for every token: 15 % slower
beside busy neighbours, on a machine with 2 CPUs. The Python bindings leave these functions out; the library has them.
"""

import ctypes
from typing import Any

from function.engine.llama.library import function

_PARAMS_ROOM = 4096
"""Bytes for ggml_threadpool_params, of which a mask of 512 CPUs is most."""


class ThreadPool:
    """``n_threads`` threads for one context, the calling one among them. They sleep while there is nothing to do."""

    def __init__(self, n_threads: int) -> None:
        self._attach = function("llama_attach_threadpool", None, ctypes.c_void_p, ctypes.c_void_p)
        self._free = function("ggml_threadpool_free", None)
        params = ctypes.create_string_buffer(_PARAMS_ROOM)
        function("ggml_threadpool_params_init", None, ctypes.c_int)(params, n_threads)
        self._pool = function("ggml_threadpool_new", ctypes.c_void_p)(params)

    def attach(self, context: Any) -> None:
        """Let ``context`` compute with these threads."""
        self._attach(context, self._pool, self._pool)

    def free(self) -> None:
        """End the threads; no context may use them any more. Idempotent."""
        pool, self._pool = self._pool, None
        if pool:
            self._free(pool)
