"""Progress of a fetch, readable from any thread while it runs."""

import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

RATE_WINDOW_SECONDS = 5.0  # long enough for a steady rate, short enough to follow the network
SAMPLE_SECONDS = 0.1  # between stored samples


class Progress:
    """Bytes done, including those ``kept`` from an earlier attempt, and the ``total``, None until it is known.

    To be read only.

    ``part`` is the unfinished file while a single one is being filled, at its full size from the start; its first
    ``prefix`` bytes are complete. ``over`` is True once the fetch has ended, with or without success.
    ``report``, if set, receives each change as keyword arguments.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._filled = threading.Condition(self._lock)
        self.done = 0
        self.total: int | None = None
        self.kept = 0
        self._began = 0.0  # time of the first start
        self.part: Path | None = None
        self.prefix = 0
        self.over = False
        self.report: Callable[..., None] = lambda **values: None
        self._samples: deque[tuple[float, int]] = deque(maxlen=int(RATE_WINDOW_SECONDS / SAMPLE_SECONDS) + 1)

    @property
    def rate(self) -> float:
        """Current bytes per second."""
        now = time.monotonic()
        with self._lock:
            recent = [(at, done) for at, done in self._samples if now - at <= RATE_WINDOW_SECONDS]
            if not recent or now <= recent[0][0]:
                return 0.0
            return max(0.0, (self.done - recent[0][1]) / (now - recent[0][0]))

    @property
    def eta(self) -> float | None:
        """Seconds until the last byte at the current rate; None if unknown."""
        total, rate = self.total, self.rate
        if total is None or rate <= 0:
            return None
        return max(0.0, (total - self.done) / rate)

    @property
    def seconds(self) -> float:
        """Seconds since the fetch began; 0 before."""
        return time.monotonic() - self._began if self._began else 0.0

    @property
    def mean_rate(self) -> float:
        """Bytes per second since the fetch began, without those that were kept."""
        seconds = self.seconds
        return max(0, self.done - self.kept) / seconds if seconds else 0.0

    def start(self, total: int | None, done: int = 0, kept: int | None = None) -> None:
        """Begin a fetch of ``total`` bytes, of which ``done`` are there and ``kept`` (by default all) from before."""
        with self._lock:
            self._began = self._began or time.monotonic()
            self.total, self.done, self.kept = total, done, done if kept is None else kept
            self._restart_samples()
        self.report(total=total, done=done, kept=self.kept)

    def keep(self, count: int) -> None:
        """Add ``count`` bytes that are there from before, so that they do not count as speed; it may be negative."""
        with self._lock:
            self.done += count
            self.kept += count
            self._restart_samples()
        self.report(total=self.total, done=self.done, kept=self.kept)

    def _restart_samples(self) -> None:
        """Measure the rate from here. The lock is held."""
        self._samples.clear()
        self._samples.append((time.monotonic(), self.done))

    def add(self, count: int) -> None:
        """Add ``count`` bytes; negative for bytes that must be fetched again."""
        now = time.monotonic()
        with self._lock:
            self.done += count
            if not self._samples or now - self._samples[-1][0] >= SAMPLE_SECONDS:
                self._samples.append((now, self.done))
        self.report(done=self.done)

    def fill(self, part: Path | None, prefix: int) -> None:
        """Set the unfinished file and the number of its first bytes that are complete."""
        with self._filled:
            self.part, self.prefix = part, prefix
            self._filled.notify_all()
        self.report(part=part, prefix=prefix)

    def end(self) -> None:
        """Mark the fetch as over."""
        with self._filled:
            self.over = True
            self._filled.notify_all()

    def await_prefix(self, wanted: int, timeout: float) -> bool:
        """Wait up to ``timeout`` seconds; return True if ``part`` has ``wanted`` first bytes or the fetch is over."""
        with self._filled:
            return self._filled.wait_for(
                lambda: self.over or (self.part is not None and self.prefix >= wanted), timeout
            )
