"""What is counted and measured in this process, in plain numbers: nothing is imported for them until somebody asks."""

import threading
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500)
SPEEDS = (1, 2, 5, 10, 20, 30, 40, 60, 80, 100, 150, 200, 400)

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Kind:
    """One metric: a counter, or with ``bounds`` a histogram whose buckets end at them."""

    meaning: str
    labels: tuple[str, ...]
    bounds: tuple[float, ...] = ()


KINDS: Mapping[str, Kind] = {
    "chat_requests": Kind("Requests by how they ended: a reply's reason, cancelled, or an error's code", ("outcome",)),
    "chat_request_seconds": Kind("Phases of replies; first_token and total from arrival", ("phase", "cold"), SECONDS),
    "chat_tokens": Kind("Tokens of replies: prompt, cached (of the prompt), completion", ("kind",)),
    "chat_tokens_per_second": Kind("Speed of replies, from their first token to their last", (), SPEEDS),
    "chat_cold_starts": Kind("Cold starts by how they ended: ready, or an error's code", ("outcome",)),
    "chat_cold_start_seconds": Kind("Phases of cold starts", ("phase",), SECONDS),
}


@dataclass(slots=True)
class Histogram:
    """``counts``: of each bucket by itself, the last one without an end."""

    counts: list[int]
    total: float = 0.0


@dataclass(slots=True)
class Metrics:
    """The numbers. From any thread."""

    counters: dict[tuple[str, Labels], float] = field(default_factory=dict)
    histograms: dict[tuple[str, Labels], Histogram] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, name: str, value: float = 1, **labels: str) -> None:
        """Count ``value`` more."""
        key = name, tuple(labels.items())
        with self._lock:
            self.counters[key] = self.counters.get(key, 0) + value

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Put ``value`` into its bucket."""
        key, bounds = (name, tuple(labels.items())), KINDS[name].bounds
        with self._lock:
            histogram = self.histograms.setdefault(key, Histogram([0] * (len(bounds) + 1)))
            histogram.counts[bisect_left(bounds, value)] += 1
            histogram.total += value

    def read(self) -> tuple[dict[tuple[str, Labels], float], dict[tuple[str, Labels], Histogram]]:
        """Counters and histograms, all of one moment."""
        with self._lock:
            copies = {key: Histogram(list(one.counts), one.total) for key, one in self.histograms.items()}
            return dict(self.counters), copies

    def cold_start(self, outcome: str, phases: Mapping[str, float]) -> None:
        """A cold start ended."""
        self.add("chat_cold_starts", outcome=outcome)
        for phase, seconds in phases.items():
            self.observe("chat_cold_start_seconds", seconds, phase=phase)
