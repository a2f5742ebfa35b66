"""Receipt of one reply, and the outcome of its exchange. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from function.errors import FunctionError
from function.lifecycle.provenance import Provenance
from function.observability.trace_context import TraceContext

MAX_LISTED_BYTES = 1000
"""Longest list in a header: servers and proxies reject larger ones than a few kilobytes."""
PhaseSeconds = Mapping[str, float]
"""Seconds by phase, to the millisecond. Only a cold request has ``wait``, for the model, and the phases of the cold
start (``fetch``, ``load`` and others). ``queued``: until its turn; ``prefill``: reading the prompt; ``first_token`` and
``total``: from the request's arrival."""
Intervals = Mapping[str, tuple[float, float]]
"""Begin and end of each phase, in seconds since the epoch."""

EndEvent = Literal["reply", "failure", "refusal", "cancelled"]


@dataclass(frozen=True, slots=True)
class Receipt:
    """Account of one reply. ``cold``: its request arrived before the model was loaded. ``tokens_per_second`` is the
    decode's. ``accepted_tokens`` of the ``drafted_tokens`` are in the reply (see Usage)."""

    request_id: str
    cold: bool
    seconds: PhaseSeconds
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    reasoning_tokens: int
    drafted_tokens: int
    accepted_tokens: int
    tokens_per_second: float | None
    finish_reason: str
    provenance: Provenance
    ignored_fields: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the block that a reply ends with."""
        made = self.provenance
        return {
            "request_id": self.request_id,
            "cold": self.cold,
            "seconds": dict(self.seconds),
            "tokens": {
                "prompt": self.prompt_tokens,
                "cached": self.cached_tokens,
                "completion": self.completion_tokens,
                "reasoning": self.reasoning_tokens,
                "drafted": self.drafted_tokens,
                "accepted": self.accepted_tokens,
                "per_second": self.tokens_per_second,
            },
            "finish_reason": self.finish_reason,
            "model": {"name": made.model, "kind": made.kind, "version": made.version, "digest": made.digest},
            "engine": {"build": made.build, "cpu": made.cpu},
            "system_fingerprint": made.fingerprint,
            **({"ignored_fields": list(self.ignored_fields)} if self.ignored_fields else {}),
        }

    def log_fields(self) -> dict[str, Any]:
        """Return the fields of the log line; alerts use these names."""
        fields = {
            "finish_reason": self.finish_reason,
            "cold": self.cold,
            **log_seconds(self.seconds),
            "prompt_tokens": self.prompt_tokens,
            "cached_tokens": self.cached_tokens,
            "completion_tokens": self.completion_tokens,
            "reasoning_tokens": self.reasoning_tokens,
            "drafted_tokens": self.drafted_tokens,
            "accepted_tokens": self.accepted_tokens,
            "tokens_per_second": self.tokens_per_second,
            "model": self.provenance.model,
            "kind": self.provenance.kind,
            "system_fingerprint": self.provenance.fingerprint,
        }
        return {name: value for name, value in fields.items() if value is not None}

    def __str__(self) -> str:
        """Return it for people: ``24 tokens, stop; cold, first token after 0.912 s, 81.9 tokens/s, 1.205 s in all``."""
        words = ["cold" if self.cold else "warm"]
        if "first_token" in self.seconds:
            words.append(f"first token after {self.seconds['first_token']:.3f} s")
        if self.tokens_per_second is not None:
            words.append(f"{self.tokens_per_second:.1f} tokens/s")
        words.append(f"{self.seconds['total']:.3f} s in all")
        tokens = f"{self.completion_tokens}" if self.provenance.kind == "chat" else f"{self.prompt_tokens} input"
        return f"{tokens} tokens, {self.finish_reason}; {', '.join(words)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeOutcome:
    """End of an exchange.

    ``event``: a complete reply, a reply that failed after it began, a refused request, or a client that left.
    ``code``: the reply's finish reason, the error's code, or ``cancelled``. ``cold`` is None for an exchange that
    never asked for the model. ``cold_start`` has the phases of the instance's start, if the request waited for it.
    """

    event: EndEvent
    code: str
    name: str
    request_id: str
    trace: TraceContext | None
    cold: bool | None
    seconds: PhaseSeconds
    began: float
    ended: float
    phases: Intervals
    cold_start: Intervals
    error: FunctionError | None = None
    receipt: Receipt | None = None


def log_seconds(phases: PhaseSeconds) -> dict[str, float]:
    """Return the phases under the names of log fields: the total is ``seconds``."""
    return {"seconds" if phase == "total" else phase: seconds for phase, seconds in phases.items()}


def server_timing(cold: bool | None, phases: PhaseSeconds) -> str:
    """Return a ``Server-Timing`` header, in milliseconds: ``warm, queued;dur=0, total;dur=204``."""
    start = [] if cold is None else ["cold" if cold else "warm"]
    return ", ".join([*start, *(f"{phase};dur={round(seconds * 1000)}" for phase, seconds in phases.items())])


def header_list(names: Sequence[str]) -> str:
    """Return ``names`` as a header value: in ASCII, without control characters, cut at MAX_LISTED_BYTES."""
    text = ", ".join(name.encode("ascii", "backslashreplace").decode() for name in names)
    return "".join(filter(str.isprintable, text))[:MAX_LISTED_BYTES]
