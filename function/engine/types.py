"""What goes into the engine and what comes out of it: plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from function.errors import FunctionError

if TYPE_CHECKING:
    from function.engine.constraint import Constraint

FinishReason = Literal["stop", "length", "tool_calls", "cancelled", "deadline", "error"]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen. The defaults are llama.cpp's.

    ``temperature`` 0 is greedy. ``seed`` None draws a fresh random one. ``logit_bias`` maps token ids to what is
    added to their logits (−100 … 100, where −100 bans).
    """

    temperature: float = 0.8
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    typical_p: float = 1.0
    repeat_penalty: float = 1.0
    repeat_last_n: int = 64
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    top_n_sigma: float = -1.0
    xtc_probability: float = 0.0
    xtc_threshold: float = 0.1
    dynatemp_range: float = 0.0
    dynatemp_exponent: float = 1.0
    mirostat: int = 0
    mirostat_tau: float = 5.0
    mirostat_eta: float = 0.1
    dry_multiplier: float = 0.0
    dry_base: float = 1.75
    dry_allowed_length: int = 2
    dry_penalty_last_n: int = 64
    dry_sequence_breakers: tuple[str, ...] = ("\n", ":", '"', "*")
    seed: int | None = None
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    ignore_eos: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """One generation. ``deadline`` is on ``time.monotonic()``'s clock, in seconds.

    ``logprobs`` alternatives are told with the logprob of each token; None tells neither. ``echo``, the prompt as text,
    is told before the reply, with the prompt's own logprobs where they are asked for; then ``max_tokens`` may be 0.
    ``param`` is the request's field that errors name when the prompt is at fault.
    A ``constraint`` serves one job; under it ``ignore_eos`` means nothing, the reply ends where the grammar does.
    ``shown`` control tokens are in the text by their names.
    """

    prompt: tuple[int, ...]
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    sampling: Sampling = field(default_factory=Sampling)
    deadline: float | None = None
    logprobs: int | None = None
    echo: str | None = None
    param: str = "messages"
    constraint: "Constraint | None" = None
    shown: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one generation. ``cached_tokens`` of the prompt were in the KV cache already."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds of one generation's phases, from when the engine took the job."""

    prefill: float
    first_token: float | None
    total: float


@dataclass(frozen=True, slots=True)
class PrefillProgress:
    """``done`` of ``total`` prompt tokens are in the KV cache."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class TokenChoice:
    """A token and the natural logarithm of its probability, before any sampling parameter changed it.

    ``data``: the bytes it adds to a reply, or, of a ``control`` token, which adds none, its name. The first token of a
    prompt, which nothing predicted, has no logprob.
    """

    token: int
    data: bytes
    logprob: float | None
    control: bool = False


@dataclass(frozen=True, slots=True)
class Logprob:
    """The token that was taken, and those that were most likely in its place, the likeliest first."""

    chosen: TokenChoice
    top: tuple[TokenChoice, ...] = ()


@dataclass(frozen=True, slots=True)
class TextPiece:
    """The next piece of the reply: whole characters, no part of a stop string. ``tokens``: generated so far.

    ``logprobs``, where the job asks for them, are of the tokens whose text begins in this piece.
    """

    text: str
    tokens: int
    logprobs: tuple[Logprob, ...] = ()

    def __add__(self, later: "TextPiece") -> "TextPiece":
        """Both as one piece."""
        return TextPiece(self.text + later.text, later.tokens, self.logprobs + later.logprobs)


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event of every generation. ``error`` is set if and only if ``reason`` is ``error``."""

    reason: FinishReason
    usage: Usage
    timings: Timings
    error: FunctionError | None = None


Event = PrefillProgress | TextPiece | Finished
