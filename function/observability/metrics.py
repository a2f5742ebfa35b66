"""Metrics of this process as plain numbers; prometheus_client is imported by the route that exports them."""

import threading
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field

SECONDS_BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500)
SPEED_BOUNDS = (1, 2, 5, 10, 20, 30, 40, 60, 80, 100, 150, 200, 400)

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class MetricKind:
    """A counter, or with ``bounds`` a histogram whose buckets end at them."""

    meaning: str
    labels: tuple[str, ...]
    bounds: tuple[float, ...] = ()


KINDS: Mapping[str, MetricKind] = {
    "chat_requests": MetricKind("Requests by outcome: a finish reason, cancelled, or an error code", ("outcome",)),
    "chat_request_seconds": MetricKind(
        "Phases of replies; first_token and total since arrival", ("phase", "cold"), SECONDS_BOUNDS
    ),
    "chat_tokens": MetricKind(
        "Tokens: prompt, cached (part of the prompt), completion, drafted, accepted (drafts in replies)", ("kind",)
    ),
    "chat_tokens_per_second": MetricKind("Decode speed of replies, from the first token to the last", (), SPEED_BOUNDS),
    "chat_cold_starts": MetricKind(
        "Cold starts by outcome: ready, restored (a copy of an instance), or an error code", ("outcome",)
    ),
    "chat_cold_start_seconds": MetricKind("Phases of cold starts", ("phase",), SECONDS_BOUNDS),
}


@dataclass(slots=True)
class Histogram:
    """``counts`` of each bucket, not cumulative; the last bucket has no upper bound."""

    counts: list[int]
    total: float = 0.0


@dataclass(slots=True)
class Metrics:
    """Counters and histograms. Thread-safe."""

    counters: dict[tuple[str, Labels], float] = field(default_factory=dict)
    histograms: dict[tuple[str, Labels], Histogram] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, name: str, value: float = 1, **labels: str) -> None:
        """Add ``value`` to a counter."""
        key = name, tuple(labels.items())
        with self._lock:
            self.counters[key] = self.counters.get(key, 0) + value

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Add ``value`` to a histogram."""
        key, bounds = (name, tuple(labels.items())), KINDS[name].bounds
        with self._lock:
            histogram = self.histograms.setdefault(key, Histogram([0] * (len(bounds) + 1)))
            histogram.counts[bisect_left(bounds, value)] += 1
            histogram.total += value

    def clear(self) -> None:
        """Forget all values."""
        with self._lock:
            self.counters.clear()
            self.histograms.clear()

    def read(self) -> tuple[dict[tuple[str, Labels], float], dict[tuple[str, Labels], Histogram]]:
        """Return a consistent copy of the counters and histograms."""
        with self._lock:
            copies = {key: Histogram(list(one.counts), one.total) for key, one in self.histograms.items()}
            return dict(self.counters), copies

    def count_cold_start(self, outcome: str, phases: Mapping[str, float]) -> None:
        """Count a cold start that has ended, and its phases in seconds."""
        self.add("chat_cold_starts", outcome=outcome)
        for phase, seconds in phases.items():
            self.observe("chat_cold_start_seconds", seconds, phase=phase)
