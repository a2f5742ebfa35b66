"""A llama.cpp model and its context. All methods belong to the thread that loads it."""

import ctypes
import math
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from function.engine.llama.candidates import candidate_finder
from function.engine.llama.context_params import CPU_CHUNK_TOKENS, GPU_CHUNK_TOKENS, context_params, limit_context
from function.engine.llama.library import has_openmp, library, read_system_info, take_errors, take_first_error
from function.engine.llama.load import ModelSource as ModelSource  # for those who load a Model
from function.engine.llama.load import load_model
from function.engine.llama.sampling import Sampler, Sampling
from function.engine.llama.state_io import StateIO
from function.engine.llama.threadpool import ThreadPool
from function.engine.llama.vocabulary import Vocabulary
from function.errors import EngineError, ModelError
from function.gguf.kinds import Pooling
from function.gguf.memory import KVType

_MAX_METADATA_BYTES = 1 << 20
_ABORTED = 2  # llama_decode's code once the abort flag is set


class Model:
    """A loaded model, ready to decode sequence 0 from position 0. ``further``: a split model's other files.

    Raises ModelError for a file that llama.cpp refuses or that is no chat model, EngineError when llama.cpp fails
    otherwise, and as ``load_model`` does. ``on_progress`` is called with 0 … 1 from the loading thread.

    Without ``repack`` or GPU layers no weight is read before the first ``decode``.
    """

    def __init__(
        self,
        source: ModelSource,
        *,
        n_ctx: int | None,
        n_threads: int,
        n_gpu_layers: int,
        kv_type: KVType = "f16",
        repack: bool = False,
        further: Sequence[Path] = (),
        lora: Path | None = None,
        pooling: Pooling | None = None,
        on_progress: Callable[[float], None] | None = None,
        cancel: threading.Event | None = None,
    ) -> None:
        self._lib = library()
        self.pooling = pooling
        """Pooling of an EmbeddingModel; None for a model that chats."""
        self._on_gpu = n_gpu_layers != 0
        self.system_info, self.openmp = read_system_info(), has_openmp()
        self.context: Any = None
        """llama.cpp's handle of the context."""
        self._threads: ThreadPool | None = None
        self._logits_checked = False
        self._source = source
        self._model = load_model(
            source,
            further=further,
            n_gpu_layers=n_gpu_layers,
            repack=repack,
            on_progress=on_progress,
            cancel=cancel or threading.Event(),
        )
        try:
            self._check_kind()
            self.vocabulary = Vocabulary(self._lib, self._model)
            self.n_ctx_train: int = self._lib.llama_model_n_ctx_train(self._model)
            self.n_ctx = limit_context(n_ctx, self.n_ctx_train)
            self.chunk = self._count_chunk_tokens()
            self.context = self._create_context(n_threads, kv_type)
            self._threads = ThreadPool(n_threads)
            self._threads.attach(self.context)
            if lora is not None:
                self._apply_adapter(lora)
            self._memory = self._lib.llama_get_memory(self.context)
            self._check_memory()
            self.states = StateIO(self._lib, self._model, self.context)
            self._tokens = (ctypes.c_int32 * self.chunk)()
            self._is_set = ctypes.cast(ctypes.CDLL(None).strlen, self._lib.ggml_abort_callback)
            self._one = self._lib.llama_batch_get_one(self._tokens, 1)
            self._outputs = (ctypes.c_int8 * self.chunk)()
        except BaseException:
            self.free()
            raise

    def free(self) -> None:
        """Free all memory. Idempotent."""
        if self.context:
            self._lib.llama_free(self.context)
        if self._threads:
            self._threads.free()
        if self._model:
            self._lib.llama_model_free(self._model)
        self.context = self._model = None

    def metadata(self, key: str) -> str | None:
        """Return a value of the file's header as text; None if the key is missing."""
        size = 256
        while size <= _MAX_METADATA_BYTES:
            buffer = ctypes.create_string_buffer(size)
            length = int(self._lib.llama_model_meta_val_str(self._model, key.encode(), buffer, size))
            if length < 0:
                return None
            if length < size:
                return buffer.raw[:length].decode(errors="replace")
            size = length + 1
        return None

    def decode(self, tokens: Sequence[int], *, outputs: int = 1) -> bool:
        """Compute ``tokens``, at most a chunk, after those in the context; return false if the abort flag was set.

        Then logits exist for the last ``outputs`` tokens. After false call ``count_after_abort``. Raises EngineError.
        """
        count = len(tokens)
        self._tokens[:count] = list(tokens)
        batch = self._one if count == 1 else self._lib.llama_batch_get_one(self._tokens, count)
        if outputs > 1:
            self._outputs[:count] = [*(0,) * (count - outputs), *(1,) * outputs]
            batch = self._lib.llama_batch_get_one(self._tokens, count)
            batch.logits = self._outputs
        code = int(self._lib.llama_decode(self.context, batch))
        if code not in (0, _ABORTED):
            raise EngineError("llama.cpp failed to compute the next tokens.", code=code, log=take_errors())
        return code == 0

    def count_after_abort(self) -> int:
        """Return how many tokens the context still holds after an interrupted ``decode``.

        llama.cpp drops the interrupted graph and keeps those before it. Only for a model that is not recurrent.
        """
        return int(self._lib.llama_memory_seq_pos_max(self._memory, 0)) + 1

    def truncate(self, length: int) -> int:
        """Remove all but the first ``length`` tokens from the context; return how many are left.

        A recurrent state cannot be cut: then the context is cleared, unless a checkpoint of ``length`` was restored.
        """
        if length > 0 and self._lib.llama_memory_seq_rm(self._memory, 0, length, -1):
            return length
        self._lib.llama_memory_clear(self._memory, False)
        return 0

    def logits(self, position: int = -1) -> Any:
        """Return a pointer to the logits, one for each token of the vocabulary, at ``position`` of the last ``decode``.

        Position 0 is the first of its tokens, −1 the last one. None without logits.
        """
        return self._lib.llama_get_logits_ith(self.context, position)

    def new_sampler(self, sampling: Sampling, prompt: Sequence[int], banned: Sequence[int]) -> Sampler:
        """Return a sampler over this context's logits that never samples a ``banned`` token; the caller frees it."""
        vocabulary = self.vocabulary
        return Sampler(
            self._lib,
            self.context,
            sampling,
            n_vocab=vocabulary.size,
            n_ctx=self.n_ctx,
            banned=banned,
            prompt=prompt,
            vocabulary=vocabulary.handle,
            find_candidates=candidate_finder(),
        )

    def set_abort_flag(self, flag: Any) -> None:
        """Let ``decode`` return false within one graph node once ``flag``, a two-byte buffer, is not ``b"\\0\\0"``.

        llama.cpp asks hundreds of times a token whether to abort. A Python callback would take the GIL each time, and
        wait for it while another thread is busy. ``strlen`` can answer instead: it returns 0, false, for an empty
        string and 1, true, for the set flag, in the register of a bool result; and no Python runs. Beside a Python
        thread that never rests, this makes decode three times as fast (bench/README.md).
        """
        self._flag = flag  # llama.cpp keeps only the address
        self._lib.llama_set_abort_callback(self.context, self._is_set, ctypes.addressof(flag))

    def map_complete_file(self) -> None:
        """Wait for the complete file if the model was loaded from a placeholder. Raises as PlaceholderFile does."""
        if not isinstance(self._source, Path):
            self._source.map_complete_file()

    def warm_up(self) -> None:
        """Compute one token, so that the first request does not pay for one-time work. Raises as ``check_logits``."""
        tokens = [self.vocabulary.bos or 0]
        self.decode(tokens)
        self.check_logits()
        self.states.learn_layout(tokens)
        self.truncate(0)

    def check_logits(self) -> None:
        """Raise ModelError if the last logits contain NaN. Checks only once."""
        if self._logits_checked:
            return
        logits = self.logits()
        if not logits or math.isnan(sum(logits[: self.vocabulary.size])):
            raise ModelError("The model computes no numbers (NaN): its weights are damaged.")
        self._logits_checked = True

    def _check_kind(self) -> None:
        lib, model = self._lib, self._model
        if not lib.llama_model_has_decoder(model) or lib.llama_model_has_encoder(model):
            raise ModelError("The model has an encoder, as translation or embedding models do; it cannot chat.")
        if lib.llama_model_is_diffusion(model):
            raise ModelError("The model is a diffusion model; it does not generate token by token.")

    def _check_memory(self) -> None:
        if not self._memory:
            raise ModelError("The model keeps no memory of what it read; it is not one that generates text.")

    def _count_chunk_tokens(self) -> int:
        return GPU_CHUNK_TOKENS if self._on_gpu else CPU_CHUNK_TOKENS

    def _context_params(self, n_threads: int, kv_type: KVType) -> Any:
        return context_params(
            self._lib,
            self._model,
            n_ctx=self.n_ctx,
            chunk=self.chunk,
            on_gpu=self._on_gpu,
            n_threads=n_threads,
            kv_type=kv_type,
        )

    def _create_context(self, n_threads: int, kv_type: KVType) -> Any:
        lib, n_ctx = self._lib, self.n_ctx
        params = self._context_params(n_threads, kv_type)
        take_errors()
        context = lib.llama_init_from_model(self._model, params)
        if not context:
            raise EngineError(
                f"llama.cpp cannot make a context of {n_ctx} tokens with keys and values in {kv_type}: "
                f"{take_first_error()}. A smaller N_CTX needs less memory; KV_TYPE=f16 suits every model.",
                n_ctx=n_ctx,
                kv_type=kv_type,
            )
        return context

    def _apply_adapter(self, lora: Path) -> None:
        """Add a LoRA adapter at full strength; the model owns its memory."""
        take_errors()
        adapter = self._lib.llama_adapter_lora_init(self._model, str(lora).encode())
        if not adapter:
            raise ModelError(f"llama.cpp cannot lay the adapter over the model: {take_first_error()}")
        adapters = (self._lib.llama_adapter_lora_p_ctypes * 1)(adapter)
        if self._lib.llama_set_adapters_lora(self.context, adapters, 1, (ctypes.c_float * 1)(1.0)):
            raise EngineError("llama.cpp cannot use the adapter.", log=take_errors())
