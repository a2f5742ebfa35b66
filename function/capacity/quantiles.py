"""Streaming percentiles of positive durations, in fixed memory."""

import numpy as np
from numpy.typing import ArrayLike

_LEAST_SECONDS = 1e-3
_GROWTH = 1.005
_BINS = 3300  # up to 1e-3 * 1.005 ** 3300: 14,000 seconds


class Quantiles:
    """Histogram with bins that grow by 0.5 %; durations under a millisecond count as zero."""

    def __init__(self) -> None:
        self._counts = np.zeros(_BINS + 1, dtype=np.int64)
        self.count = 0
        self.sum = 0.0

    def add(self, seconds: ArrayLike) -> None:
        """Add durations."""
        values = np.asarray(seconds, dtype=np.float64)
        if not values.size:
            return
        ratio = np.maximum(values, _LEAST_SECONDS) / _LEAST_SECONDS
        bins = np.minimum((np.log(ratio) / np.log(_GROWTH)).astype(np.int64) + (values >= _LEAST_SECONDS), _BINS)
        self._counts += np.bincount(bins, minlength=_BINS + 1)
        self.count += values.size
        self.sum += float(values.sum())

    @property
    def mean(self) -> float:
        """Mean in seconds; 0 without values."""
        return self.sum / self.count if self.count else 0.0

    @property
    def share_of_zero(self) -> float:
        """Share of durations under a millisecond; 0 without values."""
        return float(self._counts[0]) / self.count if self.count else 0.0

    def quantile(self, share: float) -> float:
        """Return the duration that ``share`` (0 … 1) of the values do not exceed, within 0.5 %; 0 without values."""
        if not self.count:
            return 0.0
        place = int(np.searchsorted(np.cumsum(self._counts), share * self.count))
        return 0.0 if place == 0 else _LEAST_SECONDS * _GROWTH ** (place - 0.5)
