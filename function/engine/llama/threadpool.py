"""ggml's compute threads, kept from one token to the next.

Without a thread pool a context starts its threads for every graph, that is for every token: 15 % slower beside busy
neighbours on a machine with 2 CPUs. The Python bindings leave these functions out; the library has them.
"""

import ctypes
from typing import Any

from function.engine.llama.library import bind_function

_PARAMS_BYTES = 4096
"""Space for ggml_threadpool_params; a mask of 512 CPUs is most of it."""


class ThreadPool:
    """``n_threads`` threads for one context, the calling thread among them. They sleep while there is no work."""

    def __init__(self, n_threads: int) -> None:
        self._attach = bind_function("llama_attach_threadpool", None, ctypes.c_void_p, ctypes.c_void_p)
        self._free = bind_function("ggml_threadpool_free", None)
        params = ctypes.create_string_buffer(_PARAMS_BYTES)
        bind_function("ggml_threadpool_params_init", None, ctypes.c_int)(params, n_threads)
        self._pool = bind_function("ggml_threadpool_new", ctypes.c_void_p)(params)
        # Until the first graph: they would look for work for 0.1 s, beside a start that needs the CPUs.
        bind_function("ggml_threadpool_pause", None)(self._pool)

    def attach(self, context: Any) -> None:
        """Let ``context`` compute with these threads."""
        self._attach(context, self._pool, self._pool)

    def free(self) -> None:
        """End the threads; no context may use them any more. Idempotent."""
        pool, self._pool = self._pool, None
        if pool:
            self._free(pool)
