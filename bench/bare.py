"""llama.cpp's C API with nothing around it: prefill and decode in whatever way a bench wants to try."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from function.engine.llama.library import library
from function.engine.llama.threadpool import ThreadPool

SPARE = 512  # tokens of context beyond the depth
PATIENCE = 2.0  # seconds after which a measurement is cut short: more threads than CPUs wait for each other for ever


@dataclass(frozen=True, slots=True)
class Way:
    """How to compute. ``chunk``: tokens a call; ``flash``: on, off or auto; ``kv_type``: as ggml names it; ``depth``:
    tokens that are there already."""

    threads: int
    chunk: int = 64
    flash: str = "auto"
    kv_type: str = "f16"
    depth: int = 0


def load(path: Path, *, repack: bool = False) -> Any:
    """The model at ``path``."""
    lib = library()
    params = lib.llama_model_default_params()
    params.use_extra_bufts = repack
    loaded = lib.llama_model_load_from_file(str(path).encode(), params)
    assert loaded, path
    return loaded


class BareServer:
    """A context, filled to its depth; each measurement goes back there."""

    def __init__(self, model: Any, way: Way) -> None:
        self._lib = lib = library()
        self._way = way
        params = lib.llama_context_default_params()
        params.n_ctx = way.depth + SPARE
        params.n_batch = params.n_ubatch = way.chunk
        params.n_threads = params.n_threads_batch = way.threads
        params.flash_attn_type = getattr(lib, f"LLAMA_FLASH_ATTN_TYPE_{_FLASH[way.flash]}")
        params.type_k = params.type_v = getattr(lib, f"GGML_TYPE_{way.kv_type.upper()}")
        params.no_perf = True
        self._context = lib.llama_init_from_model(model, params)
        assert self._context, way
        self._threads = ThreadPool(way.threads)
        self._threads.attach(self._context)
        self._memory = lib.llama_get_memory(self._context)
        self._n_vocab = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(model))
        self._compute(way.depth)

    def prefill(self, tokens: int) -> float:
        """Tokens per second of reading ``tokens``, chunk by chunk."""
        return self._speed(tokens, self._way.chunk)

    def decode(self, tokens: int) -> float:
        """Tokens per second of ``tokens``, one by one."""
        self._compute(1)
        return self._speed(tokens, 1)

    def free(self) -> None:
        """Give the memory back."""
        self._lib.llama_free(self._context)
        self._threads.free()

    def _speed(self, tokens: int, step: int) -> float:
        began, done = time.perf_counter(), 0
        while done < tokens and time.perf_counter() < began + PATIENCE:
            self._compute(step)
            done += step
        took = time.perf_counter() - began
        assert self._lib.llama_memory_seq_rm(self._memory, 0, self._way.depth, -1)
        return done / took

    def _compute(self, count: int) -> None:
        lib, chunk = self._lib, self._way.chunk
        tokens = (lib.llama_token * chunk)()
        for start in range(0, count, chunk):
            size = min(chunk, count - start)
            tokens[:size] = [(start + i) * 7919 % self._n_vocab for i in range(size)]
            assert lib.llama_decode(self._context, lib.llama_batch_get_one(tokens, size)) == 0
        lib.llama_get_logits_ith(self._context, -1)


_FLASH = {"on": "ENABLED", "off": "DISABLED", "auto": "AUTO"}
