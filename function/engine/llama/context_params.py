"""Parameters of llama.cpp contexts."""

import logging
from typing import Any

from function.gguf.memory import DEFAULT_CONTEXT, KVType, flash_attention
from function.gguf.types import TENSOR_TYPES

log = logging.getLogger(__name__)

CPU_CHUNK_TOKENS, GPU_CHUNK_TOKENS = 64, 512
"""Tokens per prefill call. Longer calls delay progress and other work and, on a CPU, bring 2 % at best."""
_LARGE_MODEL_PARAMETERS = 10_000_000_000
_TYPES = {kind.name: number for number, kind in TENSOR_TYPES.items()}


def limit_context(n_ctx: int | None, n_ctx_train: int) -> int:
    """Return ``n_ctx``, at most what the model was trained for; None is at most DEFAULT_CONTEXT."""
    train = n_ctx_train or DEFAULT_CONTEXT
    if n_ctx is None:
        return min(train, DEFAULT_CONTEXT)
    if n_ctx > train:
        log.warning("N_CTX=%d is lowered to %d, what the model was trained for", n_ctx, train)
    return min(n_ctx, train)


def context_params(
    lib: Any, model: Any, *, n_ctx: int, chunk: int, on_gpu: bool, n_threads: int, kv_type: KVType
) -> Any:
    """Return the parameters of a context with ``n_ctx`` tokens for ``model``, prefilled ``chunk`` tokens at once."""
    # On a CPU, few enough tokens per graph that one node, which cannot be interrupted, takes less than 100 ms.
    is_slow = not on_gpu and int(lib.llama_model_n_params(model)) > _LARGE_MODEL_PARAMETERS
    needs_flash = on_gpu or flash_attention(int(lib.llama_model_n_head(model)), n_ctx, kv_type, chunk)
    params = lib.llama_context_default_params()
    params.n_ctx = n_ctx
    params.n_batch = chunk
    params.n_ubatch = chunk // 2 if is_slow else chunk
    params.n_threads = params.n_threads_batch = n_threads
    params.flash_attn_type = lib.LLAMA_FLASH_ATTN_TYPE_AUTO if needs_flash else lib.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.type_k = params.type_v = _TYPES[kv_type.upper()]
    params.no_perf = True
    return params
