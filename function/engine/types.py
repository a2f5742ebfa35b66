"""Plain values that go into the engine and come out of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from function.engine.llama.sampling import Sampling
from function.errors import ContextExceeded, FunctionError, RequestError
from function.gguf import Kind, KVType, Pooling

if TYPE_CHECKING:
    from array import array

    from function.engine.grammar.constraint import Constraint

FinishReason = Literal["stop", "length", "tool_calls", "cancelled", "deadline", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """Options of loading a model.

    ``n_ctx`` in tokens; None is the model's own, at most 4096. ``chat_template`` is a name that llama.cpp knows or the
    text of a Jinja template; ``chat_template_kwargs`` are defaults for its variables. ``repack`` copies weights into a
    layout that prefills faster. ``lora`` is an adapter that is applied to the whole model. ``further`` are the files of
    a split model after the first, in order; without them llama.cpp looks for them by name. ``pooling``: of an embedding
    model or reranker. ``prefix_cache``: bytes for displaced conversations and checkpoints. With
    ``speculates``, drafts of a reply's next tokens are computed; with ``speculates_seeded`` also of replies with a
    seed. A reader that takes no event for ``reader_timeout`` seconds loses its generation.
    """

    n_ctx: int | None = None
    n_threads: int = 1
    n_gpu_layers: int = 0
    kv_type: KVType = "f16"
    repack: bool = False
    chat_template: str | None = None
    chat_template_kwargs: Mapping[str, Any] = field(default_factory=dict)
    lora: Path | None = None
    further: tuple[Path, ...] = ()
    pooling: Pooling | None = None
    prefix_cache: int = 0
    speculates: bool = True
    speculates_seeded: bool = False
    reader_timeout: float = 60.0


class TokenWatch(Protocol):
    """Observer of one reply, in the engine's thread."""

    @property
    def stopped(self) -> bool:
        """True when the reply has to end."""

    def on_token(self, text: str) -> None:
        """Take the text that became certain with the next token; often empty."""

    def closing_tokens(self) -> Sequence[int]:
        """Return the tokens that must follow now; usually none."""

    def on_closing(self) -> None:
        """Note that the closing tokens follow."""

    def count_thought_tokens(self, *, cut: bool) -> int:
        """Return the number of tokens in thoughts, after the last token. ``cut``: the reply did not end by itself."""


@dataclass(frozen=True, slots=True)
class Job:
    """One generation. ``deadline`` is a time of ``time.monotonic()``, in seconds.

    ``logprobs``: number of alternatives reported with each token's logprob; None reports neither. With
    ``post_sampling`` they are those after all sampling parameters. ``echo``: the prompt
    as text, reported before the reply, with the prompt's own logprobs if requested; then ``max_tokens`` may be 0.
    ``param``: the request's field that errors name when the prompt is at fault.
    ``constraint`` serves one job; it makes ``ignore_eos`` void, because the reply ends where the grammar does.
    ``visible_tokens``: control tokens whose names are in the text. ``watch`` serves one job, too.
    """

    prompt: tuple[int, ...]
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    sampling: Sampling = field(default_factory=Sampling)
    deadline: float | None = None
    logprobs: int | None = None
    post_sampling: bool = False
    echo: str | None = None
    param: str = "messages"
    constraint: "Constraint | None" = None
    visible_tokens: frozenset[int] = frozenset()
    watch: TokenWatch | None = None

    @property
    def needs(self) -> Kind:
        """Kind of the model that can run the job."""
        return "chat"

    def check(self, *, n_ctx: int, n_vocab: int) -> None:
        """Raise RequestError for a job that cannot run: an empty prompt, sampling parameters out of range.

        Raises ContextExceeded for a prompt that leaves no room for a reply in ``n_ctx`` tokens.
        """
        if not self.prompt:
            raise RequestError("The prompt is empty.", param=self.param)
        if len(self.prompt) >= n_ctx:
            raise context_error(len(self.prompt), n_ctx, self.param)
        if self.max_tokens is not None and self.max_tokens < (1 if self.echo is None else 0):
            raise RequestError(f"max_tokens is {self.max_tokens}; it must be at least 1.", param="max_tokens")
        self.sampling.check(n_vocab)


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts of one generation.

    ``cached_tokens`` of the prompt were in the KV cache already; ``reasoning_tokens`` of the reply are thoughts.
    ``drafted_tokens`` were computed before they were chosen; ``accepted_tokens`` of them are in the reply.
    """

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    reasoning_tokens: int = 0
    drafted_tokens: int = 0
    accepted_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds from the start of the job to the end of each phase."""

    prefill: float
    first_token: float | None
    total: float


@dataclass(frozen=True, slots=True)
class PrefillProgress:
    """``done`` of ``total`` prompt tokens are in the KV cache; ``cached`` of them were before the job."""

    done: int
    total: int
    cached: int = 0


@dataclass(frozen=True, slots=True)
class TokenChoice:
    """A token and the natural logarithm of its probability, before any sampling parameter changed it.

    ``data``: the bytes it adds to a reply, or the name of a ``control`` token, which adds none. The first token of a
    prompt has no logprob.
    """

    token: int
    data: bytes
    logprob: float | None
    control: bool = False


@dataclass(frozen=True, slots=True)
class Logprob:
    """The chosen token and the ``top`` most likely ones, the likeliest first."""

    chosen: TokenChoice
    top: tuple[TokenChoice, ...] = ()


@dataclass(frozen=True, slots=True)
class TextPiece:
    """The next piece of the reply: whole characters, no part of a stop string. ``tokens``: generated so far.

    ``logprobs``, if the job requests them: of the tokens whose text begins in this piece. ``token_ids``: those
    generated since the piece before.
    """

    text: str
    tokens: int
    logprobs: tuple[Logprob, ...] = ()
    token_ids: tuple[int, ...] = ()

    def __add__(self, later: "TextPiece") -> "TextPiece":
        """Join two consecutive pieces."""
        logprobs, ids = self.logprobs + later.logprobs, self.token_ids + later.token_ids
        return TextPiece(self.text + later.text, later.tokens, logprobs, ids)


@dataclass(frozen=True, slots=True)
class EmbeddedInput:
    """Result of the input at ``index`` of an EmbeddingJob: its vector, or the one value of a score."""

    index: int
    values: "array[float]"


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event of every generation. ``error`` is set if and only if ``reason`` is ``error``.

    ``stop_word`` is the stop string of the job that ended the text, if one did.
    """

    reason: FinishReason
    usage: Usage
    timings: Timings
    error: FunctionError | None = None
    stop_word: str = ""


Event = PrefillProgress | TextPiece | EmbeddedInput | Finished


def context_error(tokens: int, n_ctx: int, param: str | None, *, counted: bool = True) -> ContextExceeded:
    """Return the error for a prompt of ``tokens`` tokens; of so many at least if they were not ``counted``."""
    return ContextExceeded(
        # Clients find this error by such words of other servers, too.
        f"This model's maximum context length is {n_ctx} tokens, the reply included. However, the prompt has "
        f"{'' if counted else 'at least '}{tokens} tokens, which exceeds the available context size. Shorten the "
        "conversation, or raise N_CTX.",
        param=param,
        tokens=tokens,
        n_ctx=n_ctx,
    )
