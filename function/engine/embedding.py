"""Embedding models and rerankers: texts to vectors, and pairs of texts to scores.

A text is computed on its own, so its result depends on nothing else. Encoders and means read a text in one piece;
other models read it chunk by chunk, and its last token has the result.
"""

import math
import re
import time
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from function.engine.engine import Engine
from function.engine.llama.model import Model
from function.engine.loop import GenerationRun, TokenLoop
from function.engine.model_kind import require_kind
from function.engine.types import EmbeddedInput, FinishReason, Job, PrefillProgress
from function.errors import ContextExceeded, EngineError, ModelError, RequestError
from function.gguf import Kind, KVType
from function.gguf.kinds import POOLINGS, reads_whole

_POOLING_NUMBERS = {pooling: number for number, pooling in POOLINGS.items()}
_SOFTMAX_ARCHITECTURES = ("qwen3", "qwen3vl")  # their graphs end with it (build_pooling in llama-graph.cpp)
_PLACEHOLDER = re.compile(r"\{(query|document)\}")


@dataclass(frozen=True, slots=True)
class EmbeddingJob(Job):
    """Job whose reply is one EmbeddedInput for each of ``inputs``; its ``prompt`` is all of them, joined.

    ``scores`` requests scores from a reranker instead of vectors.
    """

    inputs: tuple[tuple[int, ...], ...] = ()
    scores: bool = False

    @property
    def needs(self) -> Kind:
        """See Job."""
        return "reranker" if self.scores else "embedding"

    def check(self, *, n_ctx: int, n_vocab: int) -> None:
        """Raise RequestError for an empty input, ContextExceeded for one that is longer than ``n_ctx`` tokens."""
        for index, tokens in enumerate(self.inputs):
            param = self.param if len(self.inputs) == 1 else f"{self.param}.{index}"
            if not tokens:
                raise RequestError(f"{param}: the input is empty.", param=param)
            if len(tokens) > n_ctx:
                raise ContextExceeded(
                    # Clients find this error by such words of other servers, too.
                    f"{param}: this model's maximum context length is {n_ctx} tokens. However, the input has "
                    f"{len(tokens)} tokens, which is too large to process. Split it, or raise N_CTX if the model was "
                    "trained for more.",
                    param=param,
                    tokens=len(tokens),
                    n_ctx=n_ctx,
                )


class EmbeddingModel(Model):
    """A model that pools its output. ``prefix`` and ``suffix``: special tokens around a text, as in training."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        lib, vocabulary = self._lib, self.vocabulary
        separator = int(lib.llama_vocab_sep(vocabulary.handle))
        self.separators = [separator] if 0 <= separator < vocabulary.size else []
        ends = [vocabulary.eos] if lib.llama_vocab_get_add_eos(vocabulary.handle) and vocabulary.eos is not None else []
        begins = vocabulary.adds_bos or vocabulary.is_wordpiece
        self.prefix = [vocabulary.bos] if begins and vocabulary.bos is not None else []
        self.suffix = self.separators if vocabulary.is_wordpiece else ends
        self.adds_separator: bool = lib.llama_vocab_get_add_sep(vocabulary.handle) or vocabulary.is_wordpiece
        self.n_embd = int(lib.llama_model_n_embd_out(self._model))
        self._values = int(lib.llama_model_n_cls_out(self._model)) if self.pooling == "rank" else self.n_embd

    def embed(self, tokens: Sequence[int]) -> "array[float] | None":
        """Return the vector of ``tokens``, or their score; None if the abort flag was set. Raises EngineError."""
        lib, last = self._lib, (len(tokens) - 1) // self.chunk
        self.truncate(0)
        for number in range(last + 1):
            # Only the last chunk is pooled: the others' logits, a quarter of a small model's work, are left out.
            lib.llama_set_embeddings(self.context, number == last)
            if not self.decode(tokens[number * self.chunk : (number + 1) * self.chunk]):
                return None
        values = lib.llama_get_embeddings_seq(self.context, 0)
        result = array("f", values[: self._values] if values else ())
        if not result or not all(map(math.isfinite, result)):
            raise EngineError("The model computed no numbers for an input (NaN).")
        return result

    def truncate(self, length: int) -> int:
        """See Model. An encoder keeps nothing."""
        return super().truncate(length) if self._memory else 0

    def warm_up(self) -> None:
        """Embed one token, so that the first request does not pay for one-time work. Raises ModelError."""
        try:
            self.embed([self.vocabulary.bos or 0])
        except EngineError as e:
            raise ModelError(f"The model cannot embed a text: {e.message}") from e

    def _check_kind(self) -> None:
        """Accept every model that passed the check of its header."""

    def _check_memory(self) -> None:
        """Accept encoders, which have no KV cache."""

    def _count_chunk_tokens(self) -> int:
        architecture = self.metadata("general.architecture") or ""
        causal = self.metadata(f"{architecture}.attention.causal") != "false"
        whole = reads_whole(architecture, self.pooling, causal=causal)
        return self.n_ctx if whole else super()._count_chunk_tokens()

    def _context_params(self, n_threads: int, kv_type: KVType) -> Any:
        params = super()._context_params(n_threads, kv_type)
        params.embeddings = True
        params.n_ubatch = params.n_batch
        params.pooling_type = _POOLING_NUMBERS[self.pooling] if self.pooling else 0
        return params


class EmbeddingLoop(TokenLoop):
    """Runs embedding jobs, one input after the other."""

    def _generate(self, run: GenerationRun) -> FinishReason:
        generation, job, model = run.generation, run.generation.job, self._model
        assert isinstance(job, EmbeddingJob)
        assert isinstance(model, EmbeddingModel)
        model.set_abort_flag(generation.abort_flag)
        done = 0
        for index, tokens in enumerate(job.inputs):
            values = None if generation.end_reason else model.embed(tokens)
            if values is None:
                return generation.end_reason or "cancelled"
            done += len(tokens)
            generation.put(EmbeddedInput(index, values))
            generation.put(PrefillProgress(done, len(job.prompt)))
        run.prefilled = time.monotonic()
        return "stop"


class EmbeddingEngine(Engine):
    """Engine of an embedding model or a reranker. It rejects jobs that generate text."""

    MODEL = EmbeddingModel
    LOOP = EmbeddingLoop

    n_embd: int
    """Length of a vector."""
    scores_are_probabilities: bool
    """True if a reranker's scores are from 0 to 1 already."""
    _reader: EmbeddingModel
    _pair_template: str | None

    def tokenize(self, text: str, *, add_special: bool, parse_special: bool) -> list[int]:
        """Return the tokens of ``text``; with ``add_special`` between the special tokens that the model expects."""
        tokens = super().tokenize(text, add_special=False, parse_special=parse_special)
        return list(self.frame(tokens)) if add_special else tokens

    def frame(self, tokens: Sequence[int]) -> tuple[int, ...]:
        """Return ``tokens`` between the special tokens that the model expects around a text."""
        return (*self._reader.prefix, *tokens, *self._reader.suffix)

    def tokenize_pair(self, query: str, document: str) -> tuple[int, ...]:
        """Return the input by which a reranker scores ``document`` for ``query``: its template, or both texts."""
        model = self._reader
        if self._pair_template:
            texts = {"query": query, "document": document}
            text = _PLACEHOLDER.sub(lambda found: texts[found[1]], self._pair_template)
            return tuple(self.tokenize(text, add_special=False, parse_special=True))
        first, second = (self.tokenize(text, add_special=False, parse_special=False) for text in (query, document))
        middle = model.suffix
        if model.adds_separator and not model.vocabulary.is_wordpiece:
            middle = [*middle, *model.separators]
        return (*model.prefix, *first, *middle, *second, *model.suffix)

    def render(self, messages: Sequence[Mapping[str, Any]], **template_kwargs: Any) -> NoReturn:
        """Raise WrongModelKind: the model does not chat."""
        require_kind(self.kind, "chat")
        raise AssertionError("an embedding model is not of the kind that chats")

    def _describe_use(self, model: Model) -> None:
        """See Engine. A chat template in the settings is without effect."""
        assert isinstance(model, EmbeddingModel)
        self.chat_template, self.template_source = None, ""
        self._reader, self.n_embd = model, model.n_embd
        self.scores_are_probabilities = model.metadata("general.architecture") in _SOFTMAX_ARCHITECTURES
        self._pair_template = model.metadata("tokenizer.chat_template.rerank")
