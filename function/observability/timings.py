"""Durations of the phases of a cold start."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class PhaseTimings(dict[str, float]):
    """Seconds by phase. ``ended`` holds the time at which each phase ended, on the clock of ``time.monotonic()``."""

    def __init__(self) -> None:
        super().__init__()
        self.ended: dict[str, float] = {}

    def clear(self) -> None:
        """Forget all phases."""
        super().clear()
        self.ended.clear()

    def __setitem__(self, phase: str, seconds: float) -> None:
        self.ended[phase] = time.monotonic()
        super().__setitem__(phase, seconds)

    @contextmanager
    def measure(self, phase: str) -> Iterator[None]:
        """Set ``phase`` to the duration of the block, unless the block raises."""
        began = time.monotonic()
        yield
        self[phase] = time.monotonic() - began

    def rounded(self) -> dict[str, float]:
        """Return the phases, rounded to milliseconds."""
        return {phase: round(seconds, 3) for phase, seconds in self.items()}
