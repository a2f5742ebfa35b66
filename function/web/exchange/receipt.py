"""What one reply was: made once when it ends, told alike in its body, its header, the log, metrics and traces. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from function.lifecycle.provenance import Provenance

PhaseDurations = Mapping[str, float]
"""Seconds by phase, to the millisecond. ``fetch``, ``load`` and what else the instance's cold start consisted of, and
``wait``, for the model, are a cold request's only. ``queued``: until its turn; ``prefill``: reading the prompt;
``first_token`` and ``total``: from the request's arrival."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """One reply. ``cold``: its request came before the model was there. ``tokens_per_second`` is that of the decode."""

    request_id: str
    cold: bool
    seconds: PhaseDurations
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    tokens_per_second: float | None
    finish_reason: str
    made: Provenance

    def as_json(self) -> dict[str, Any]:
        """The block that a reply ends with."""
        return {
            "request_id": self.request_id,
            "cold": self.cold,
            "seconds": dict(self.seconds),
            "tokens": {
                "prompt": self.prompt_tokens,
                "cached": self.cached_tokens,
                "completion": self.completion_tokens,
                "per_second": self.tokens_per_second,
            },
            "finish_reason": self.finish_reason,
            "model": {"name": self.made.model, "version": self.made.version, "digest": self.made.digest},
            "engine": {"build": self.made.build, "cpu": self.made.cpu},
            "system_fingerprint": self.made.fingerprint,
        }

    def fields(self) -> dict[str, Any]:
        """What a log line has of it; alerts are made from these names."""
        told = {
            "finish_reason": self.finish_reason,
            "cold": self.cold,
            **timed(self.seconds),
            "prompt_tokens": self.prompt_tokens,
            "cached_tokens": self.cached_tokens,
            "completion_tokens": self.completion_tokens,
            "tokens_per_second": self.tokens_per_second,
            "model": self.made.model,
            "system_fingerprint": self.made.fingerprint,
        }
        return {name: value for name, value in told.items() if value is not None}

    def __str__(self) -> str:
        """For people: ``24 tokens, stop; cold, first token after 0.912 s, 81.9 tokens/s, 1.205 s in all``."""
        words = ["cold" if self.cold else "warm"]
        if "first_token" in self.seconds:
            words.append(f"first token after {self.seconds['first_token']:.3f} s")
        if self.tokens_per_second is not None:
            words.append(f"{self.tokens_per_second:.1f} tokens/s")
        words.append(f"{self.seconds['total']:.3f} s in all")
        return f"{self.completion_tokens} tokens, {self.finish_reason}; {', '.join(words)}"


def timed(phases: PhaseDurations) -> dict[str, float]:
    """Phases under the names that log lines have them by: the total is ``seconds``."""
    return {"seconds" if phase == "total" else phase: seconds for phase, seconds in phases.items()}


def server_timing(cold: bool | None, seconds: PhaseDurations) -> str:
    """The ``Server-Timing`` header for what is known so far, in milliseconds: ``warm, queued;dur=0, total;dur=204``."""
    known = [] if cold is None else ["cold" if cold else "warm"]
    return ", ".join([*known, *(f"{phase};dur={round(value * 1000)}" for phase, value in seconds.items())])
