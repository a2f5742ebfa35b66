"""llama.cpp's C API without the engine: prefill and decode in any configuration."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from function.engine.llama.library import library
from function.engine.llama.threadpool import ThreadPool


@dataclass(frozen=True, slots=True)
class Configuration:
    """Parameters of a computation. ``chunk``: tokens a call; ``flash``: on, off or auto; ``kv_type``: ggml's name;
    ``depth``: tokens that are in the context already; ``room``: tokens that it can hold beside them. A
    measurement ends after ``limit_seconds``: more threads than CPUs would wait for each other without end.
    """

    threads: int
    chunk: int = 64
    flash: str = "auto"
    kv_type: str = "f16"
    depth: int = 0
    room: int = 512
    limit_seconds: float = 2.0


def load(path: Path, *, repack: bool = False) -> Any:
    """Load the model at ``path``."""
    lib = library()
    params = lib.llama_model_default_params()
    params.use_extra_bufts = repack
    loaded = lib.llama_model_load_from_file(str(path).encode(), params)
    assert loaded, path
    return loaded


class BareContext:
    """A context, filled to its depth; each measurement returns to that depth."""

    def __init__(self, model: Any, configuration: Configuration) -> None:
        self._lib = lib = library()
        self._configuration = configuration
        params = lib.llama_context_default_params()
        params.n_ctx = configuration.depth + configuration.room
        params.n_batch = params.n_ubatch = configuration.chunk
        params.n_threads = params.n_threads_batch = configuration.threads
        params.flash_attn_type = getattr(lib, f"LLAMA_FLASH_ATTN_TYPE_{_FLASH[configuration.flash]}")
        params.type_k = params.type_v = getattr(lib, f"GGML_TYPE_{configuration.kv_type.upper()}")
        params.no_perf = True
        self._context = lib.llama_init_from_model(model, params)
        assert self._context, configuration
        self._threads = ThreadPool(configuration.threads)
        self._threads.attach(self._context)
        self._memory = lib.llama_get_memory(self._context)
        self._n_vocab = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(model))
        self._compute(configuration.depth)

    def prefill(self, tokens: int) -> float:
        """Return the tokens per second of reading ``tokens``, chunk by chunk."""
        return self._speed(tokens, self._configuration.chunk)

    def decode(self, tokens: int) -> float:
        """Return the tokens per second of decoding ``tokens``, one by one."""
        self._compute(1)
        return self._speed(tokens, 1)

    def free(self) -> None:
        """Free the context and its threads."""
        self._lib.llama_free(self._context)
        self._threads.free()

    def _speed(self, tokens: int, step: int) -> float:
        began, done = time.perf_counter(), 0
        while done < tokens and time.perf_counter() < began + self._configuration.limit_seconds:
            self._compute(step)
            done += step
        took = time.perf_counter() - began
        assert self._lib.llama_memory_seq_rm(self._memory, 0, self._configuration.depth, -1)
        return done / took

    def _compute(self, count: int) -> None:
        lib, chunk = self._lib, self._configuration.chunk
        tokens = (lib.llama_token * chunk)()
        for start in range(0, count, chunk):
            size = min(chunk, count - start)
            tokens[:size] = [(start + i) * 7919 % self._n_vocab for i in range(size)]
            assert lib.llama_decode(self._context, lib.llama_batch_get_one(tokens, size)) == 0
        lib.llama_get_logits_ith(self._context, -1)


_FLASH = {"on": "ENABLED", "off": "DISABLED", "auto": "AUTO"}
