"""Stopwatch of waits, which a pause of the whole process does not advance."""

import time
from collections.abc import Callable

MAX_STEP_SECONDS = 1.0  # between two looks; a platform that freezes an idle instance makes it longer


class Stopwatch:
    """Seconds of a wait, as far as this process ran meanwhile. Thread-safe enough for a wait that it bounds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seconds = 0.0
        self._looked_at = clock()

    def look(self) -> float:
        """Return the seconds since the start; to be called at least once a second."""
        now = self._clock()
        self._seconds += min(now - self._looked_at, MAX_STEP_SECONDS)
        self._looked_at = now
        return self._seconds

    def restart(self, delay: float = 0.0) -> None:
        """Start again, after ``delay`` seconds."""
        self._seconds = min(self._seconds, -delay)
