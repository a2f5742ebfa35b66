"""Timings and progress of a prefill in the shapes of llama.cpp's server."""

import time
from typing import Any

from function.engine import PrefillProgress, Timings, Usage

Object = dict[str, Any]


def timings_object(usage: Usage, timings: Timings) -> Object:
    """Return the ``timings`` of a finished reply."""
    computed = usage.prompt_tokens - usage.cached_tokens
    decode = timings.total - timings.prefill
    return _timings(usage.cached_tokens, computed, timings.prefill, usage.completion_tokens, decode)


class PrefillMeter:
    """Progress and duration of one prefill, and the timings of the reply so far."""

    def __init__(self) -> None:
        self._begun: float | None = None
        self._ended = time.monotonic()
        self._cached = 0
        self.prompt_tokens = 0

    def update(self, progress: PrefillProgress) -> list[Object]:
        """Account for ``progress``; return it as ``prompt_progress``. The first has the cached tokens alone."""
        first = self._begun is None
        self._ended = time.monotonic()
        if self._begun is None:
            self._begun = self._ended
        self._cached, self.prompt_tokens = progress.cached, progress.total
        done = [progress.cached] if first and progress.done > progress.cached else []
        return [self._report(processed) for processed in (*done, progress.done)]

    def _report(self, processed: int) -> Object:
        milliseconds = round((self._ended - (self._begun or self._ended)) * 1000)
        return {
            "total": self.prompt_tokens,
            "cache": self._cached,
            "processed": processed,
            "time_ms": milliseconds,
        }

    def timings(self, completion_tokens: int) -> Object:
        """Return the ``timings`` after ``completion_tokens`` of the reply."""
        prefill = self._ended - (self._begun or self._ended)
        decode = time.monotonic() - self._ended
        return _timings(self._cached, self.prompt_tokens - self._cached, prefill, completion_tokens, decode)


def _timings(cached: int, prompt: int, prefill: float, predicted: int, decode: float) -> Object:
    return {
        "cache_n": cached,
        **_phase("prompt", prompt, prefill),
        **_phase("predicted", predicted, decode),
    }


def _phase(name: str, tokens: int, seconds: float) -> Object:
    milliseconds = seconds * 1000
    return {
        f"{name}_n": tokens,
        f"{name}_ms": round(milliseconds, 3),
        f"{name}_per_token_ms": round(milliseconds / tokens, 3) if tokens else 0.0,
        f"{name}_per_second": round(tokens / seconds, 3) if seconds > 0 else 0.0,
    }
