"""The llama.cpp model and its one context. Every method belongs to the thread that loads it; none is safe elsewhere."""

import ctypes
import logging
import math
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from function.engine.llama.library import library, recent_errors
from function.engine.llama.load import first, load
from function.engine.llama.placeholder_file import PlaceholderFile
from function.engine.llama.state_io import StateIO
from function.engine.llama.threadpool import ThreadPool
from function.engine.llama.vocabulary import Vocabulary
from function.errors import EngineError, ModelError
from function.gguf.memory import DEFAULT_CONTEXT, KVType, flash_attention
from function.gguf.types import TENSOR_TYPES

log = logging.getLogger(__name__)

CPU_CHUNK, GPU_CHUNK = 64, 512
"""Tokens that one call prefills. More would hold progress and neighbours back and, on a CPU, bring 2 % at best."""
_LARGE_MODEL = 10_000_000_000
_METADATA_LIMIT = 1 << 20
_TYPES = {kind.name: number for number, kind in TENSOR_TYPES.items()}

ABORTED = 2


class Model:
    """A loaded file, ready to decode: sequence 0 from position 0. ``further`` are a split model's other files.

    Raises ModelError for a file that llama.cpp refuses or that is no chat model, EngineError when it fails otherwise,
    Stopping when ``cancel`` is set meanwhile. ``on_progress`` is called with 0 … 1 from the loading thread.

    Unless ``repack`` copies the weights into a layout that prefills faster, or layers go to a GPU, no weight is read
    before the first ``decode``. With ``repack`` each is copied when the PlaceholderFile has it.
    Raises HeaderMismatch where it turned out to be another file.
    """

    def __init__(
        self,
        source: Path | PlaceholderFile,
        *,
        n_ctx: int | None,
        n_threads: int,
        n_gpu_layers: int,
        kv_type: KVType = "f16",
        repack: bool = False,
        further: Sequence[Path] = (),
        lora: Path | None = None,
        on_progress: Callable[[float], None] | None = None,
        cancel: threading.Event | None = None,
    ) -> None:
        self._lib = library()
        self._context: Any = None
        self._threads: ThreadPool | None = None
        self._proven = False
        self._model = load(
            source,
            further=further,
            n_gpu_layers=n_gpu_layers,
            repack=repack,
            on_progress=on_progress,
            cancel=cancel or threading.Event(),
        )
        try:
            self._check()
            self.vocabulary = Vocabulary(self._model)
            self.n_ctx_train: int = self._lib.llama_model_n_ctx_train(self._model)
            self.n_ctx = self._fit(n_ctx)
            self.chunk = GPU_CHUNK if n_gpu_layers else CPU_CHUNK
            self._params = self._context_params(n_threads, kv_type)
            self._context = self._new_context(self._params)
            self._threads = ThreadPool(n_threads)
            self._threads.attach(self._context)
            if lora is not None:
                self._lay_over(lora)
            self._memory = self._lib.llama_get_memory(self._context)
            if not self._memory:
                raise ModelError("The model keeps no memory of what it read; it is not one that generates text.")
            self.states = StateIO(self._model, self._context)
            self._tokens = (ctypes.c_int32 * self.chunk)()
            self._is_set = ctypes.cast(ctypes.CDLL(None).strlen, self._lib.ggml_abort_callback)
            self._one = self._lib.llama_batch_get_one(self._tokens, 1)
            self._every = (ctypes.c_int8 * self.chunk)(*(1,) * self.chunk)
        except BaseException:
            self.free()
            raise

    @property
    def context(self) -> Any:
        """The handle a sampler reads logits from."""
        return self._context

    def free(self) -> None:
        """Give all memory back. Idempotent."""
        if self._context:
            self._lib.llama_free(self._context)
        if self._threads:
            self._threads.free()
        if self._model:
            self._lib.llama_model_free(self._model)
        self._context = self._model = None

    def metadata(self, key: str) -> str | None:
        """A value of the file's header as text; None when the key is missing."""
        size = 256
        while size <= _METADATA_LIMIT:
            buffer = ctypes.create_string_buffer(size)
            length = int(self._lib.llama_model_meta_val_str(self._model, key.encode(), buffer, size))
            if length < 0:
                return None
            if length < size:
                return buffer.raw[:length].decode(errors="replace")
            size = length + 1
        return None

    def decode(self, tokens: Sequence[int], *, every: bool = False) -> int:
        """Compute ``tokens``, at most a chunk, after what the memory holds. 0, or ABORTED when the flag was set.

        There are logits for the last one afterwards, or for ``every`` one. Raises EngineError for anything else. After
        ABORTED, ``settle``.
        """
        count = len(tokens)
        self._tokens[:count] = list(tokens)
        batch = self._one if count == 1 else self._lib.llama_batch_get_one(self._tokens, count)
        if every:
            batch = self._lib.llama_batch_get_one(self._tokens, count)
            batch.logits = self._every
        code = int(self._lib.llama_decode(self._context, batch))
        if code not in (0, ABORTED):
            raise EngineError("llama.cpp failed to compute the next tokens.", code=code, log=recent_errors())
        return code

    def settle(self) -> int:
        """After ABORTED: how many tokens the memory still holds.

        llama.cpp forgets the graph that was interrupted and keeps those before it. A recurrent state cannot go back.
        """
        lib = self._lib
        if lib.llama_model_is_recurrent(self._model) or lib.llama_model_is_hybrid(self._model):
            return self.cut(0)
        return int(lib.llama_memory_seq_pos_max(self._memory, 0)) + 1

    def cut(self, length: int) -> int:
        """Forget all but the first ``length`` tokens; returns how many are left.

        Memory that cannot be cut, a recurrent model's, is emptied.
        """
        if length > 0 and self._lib.llama_memory_seq_rm(self._memory, 0, length, -1):
            return length
        self._lib.llama_memory_clear(self._memory, False)
        return 0

    def watch(self, flag: Any) -> None:
        """Let ``decode`` return ABORTED within one graph node once ``flag``, a two-byte buffer, is not ``b"\\0\\0"``.

        llama.cpp asks hundreds of times a token whether to go on. A Python callback would take the GIL each time, and
        wait for it when another thread is busy. ``strlen`` answers as well: of an empty string it returns 0, false, and
        of the set flag 1, true, in the register that a bool comes back in; and no Python runs. Beside a Python thread
        that never rests, decode is three times as fast for it (bench/README.md).
        """
        self._flag = flag  # llama.cpp keeps only the address
        self._lib.llama_set_abort_callback(self._context, self._is_set, ctypes.addressof(flag))

    def _check(self) -> None:
        lib, model = self._lib, self._model
        if not lib.llama_model_has_decoder(model) or lib.llama_model_has_encoder(model):
            raise ModelError("The model has an encoder, as translation or embedding models do; it cannot chat.")
        if lib.llama_model_is_diffusion(model):
            raise ModelError("The model is a diffusion model; it does not generate token by token.")

    def _fit(self, n_ctx: int | None) -> int:
        train = self.n_ctx_train or DEFAULT_CONTEXT
        if n_ctx is None:
            return min(train, DEFAULT_CONTEXT)
        if n_ctx > train:
            log.warning("N_CTX=%d is lowered to %d, what the model was trained for", n_ctx, train)
        return min(n_ctx, train)

    def _context_params(self, n_threads: int, kv_type: KVType) -> Any:
        params = self._lib.llama_context_default_params()
        params.n_ctx = self.n_ctx
        params.n_batch = self.chunk
        params.n_ubatch = _ubatch(self.chunk, int(self._lib.llama_model_n_params(self._model)))
        params.n_threads = params.n_threads_batch = n_threads
        params.flash_attn_type = self._flash_attention(kv_type)
        params.type_k = params.type_v = _TYPES[kv_type.upper()]
        params.no_perf = True
        return params

    def _new_context(self, params: Any) -> Any:
        recent_errors()
        context = self._lib.llama_init_from_model(self._model, params)
        if not context:
            kv_type = TENSOR_TYPES[params.type_k].name.lower()
            raise EngineError(
                f"llama.cpp cannot make a context of {params.n_ctx} tokens with keys and values in {kv_type}: "
                f"{first(recent_errors())}. A smaller N_CTX needs less memory; KV_TYPE=f16 suits every model.",
                n_ctx=params.n_ctx,
                kv_type=kv_type,
            )
        return context

    def _flash_attention(self, kv_type: KVType) -> int:
        lib = self._lib
        needed = flash_attention(int(lib.llama_model_n_head(self._model)), self.n_ctx, kv_type, self.chunk)
        on_gpu = self.chunk == GPU_CHUNK
        return int(lib.LLAMA_FLASH_ATTN_TYPE_AUTO if needed or on_gpu else lib.LLAMA_FLASH_ATTN_TYPE_DISABLED)

    def _lay_over(self, lora: Path) -> None:
        """Add an adapter, at its full strength; the model owns its memory."""
        recent_errors()
        adapter = self._lib.llama_adapter_lora_init(self._model, str(lora).encode())
        if not adapter:
            raise ModelError(f"llama.cpp cannot lay the adapter over the model: {first(recent_errors())}")
        adapters = (self._lib.llama_adapter_lora_p_ctypes * 1)(adapter)
        if self._lib.llama_set_adapters_lora(self._context, adapters, 1, (ctypes.c_float * 1)(1.0)):
            raise EngineError("llama.cpp cannot use the adapter.", log=recent_errors())

    def warm_up(self) -> None:
        """Compute one token, so that the first request does not pay for what happens once. Raises as ``prove``."""
        self.decode([self.vocabulary.bos or 0])
        self.prove()
        self.states.learn(1)
        self.cut(0)

    def prove(self) -> None:
        """Look at what was just computed. Raises ModelError when it is no numbers. Once is enough."""
        if self._proven:
            return
        logits = self._lib.llama_get_logits_ith(self.context, -1)
        if not logits or math.isnan(sum(logits[: self.vocabulary.size])):
            raise ModelError("The model computes no numbers (NaN): its weights are damaged.")
        self._proven = True


def _ubatch(chunk: int, n_params: int) -> int:
    """Tokens per graph: few enough that one node of it, which cannot be interrupted, stays below 100 ms on a CPU."""
    return chunk // 2 if chunk == CPU_CHUNK and n_params > _LARGE_MODEL else chunk
