"""Traffic: arrival times of requests, drawn from a weekly rate or recorded in a log."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

MINUTES_PER_WEEK = 7 * 24 * 60
WEEK_SECONDS = MINUTES_PER_WEEK * 60
CHUNK = 1 << 16  # arrivals drawn at once

Floats = NDArray[np.float64]

DAILY: Mapping[str, Sequence[float]] = {
    "flat": [1.0] * 24,
    "office": [0, 0, 0, 0, 0, 0, 0.1, 0.5, 1.5, 2, 2, 1.8, 1.2, 1.6, 2, 2, 1.8, 1.2, 0.5, 0.2, 0.1, 0, 0, 0],
    "public": [0.5, 0.3, 0.2, 0.2, 0.2, 0.3, 0.5, 0.8, 1, 1.2, 1.3, 1.3, 1.3, 1.3, 1.3, 1.3, 1.3, 1.4, 1.5, 1.6, 1.6,
               1.4, 1, 0.7],
    "night": [4, 4, 4, 4, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 4],
}  # fmt: skip
"""Weights of the 24 hours of a day, in UTC."""
WEEKLY: Mapping[str, Sequence[float]] = {"flat": [1.0] * 7, "workdays": [1.0] * 5 + [0.0] * 2}
"""Weights of the days of a week, from Monday."""


@dataclass(frozen=True, slots=True)
class Spike:
    """Extra requests, spread over ``minutes`` from ``start_minute`` of each week (Monday 00:00 is 0)."""

    start_minute: int
    requests: float
    minutes: int


class Arrivals(Protocol):
    """Arrival times in ascending seconds from Monday 00:00."""

    def chunks(self, rng: np.random.Generator) -> Iterator[Floats]:
        """Yield the arrival times, chunk by chunk."""

    @property
    def seconds(self) -> float:
        """Length of the period in seconds."""


@dataclass(frozen=True)
class PoissonArrivals:
    """Poisson process whose rate changes by the minute of the week. ``rates``: requests per minute, one per minute."""

    rates: Floats
    seconds: float

    def chunks(self, rng: np.random.Generator) -> Iterator[Floats]:
        """See Arrivals. The unit-rate process is mapped through the inverse of the cumulative rate."""
        cumulative = np.concatenate(([0.0], np.cumsum(self.rates)))
        per_week = cumulative[-1]
        if per_week <= 0:
            return
        minutes = np.arange(MINUTES_PER_WEEK + 1, dtype=np.float64)
        position = 0.0
        while True:
            positions = position + np.cumsum(rng.exponential(size=CHUNK))
            position = float(positions[-1])
            weeks, inside = np.divmod(positions, per_week)
            times = weeks * WEEK_SECONDS + 60 * np.interp(inside, cumulative, minutes)
            end = int(np.searchsorted(times, self.seconds))
            yield times[:end]
            if end < CHUNK:
                return


@dataclass(frozen=True)
class RecordedArrivals:
    """Arrival times as a log holds them."""

    times: Floats
    seconds: float

    def chunks(self, rng: np.random.Generator) -> Iterator[Floats]:
        """See Arrivals."""
        for start in range(0, len(self.times), CHUNK):
            yield self.times[start : start + CHUNK]


def weekly_rates(
    per_hour: float, daily: Sequence[float], weekly: Sequence[float], spikes: Sequence[Spike] = ()
) -> Floats:
    """Return requests per minute for each minute of a week.

    ``per_hour`` is the mean over the week; ``daily`` (24) and ``weekly`` (7) are weights. Spikes come on top.
    """
    shape = np.outer(np.asarray(weekly, dtype=np.float64), np.asarray(daily, dtype=np.float64)).reshape(-1)
    if shape.sum() > 0:
        shape = shape / shape.mean()
    rates = np.repeat(per_hour * shape / 60, 60)
    for spike in spikes:
        span = np.arange(spike.start_minute, spike.start_minute + spike.minutes) % MINUTES_PER_WEEK
        rates[span] += spike.requests / spike.minutes
    return rates
