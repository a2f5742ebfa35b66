"""How far a fetch is, readable from any thread while it runs."""

import threading
import time
from collections import deque
from pathlib import Path

WINDOW = 5.0  # seconds the rate is taken over: long enough to be steady, short enough to follow the wire
SAMPLE = 0.1  # seconds between remembered samples


class Progress:
    """Bytes done and to do. ``total`` is None until it is known.

    ``part`` is the unfinished file while a single one is being filled, at its full size from the start; its first
    ``prefix`` bytes are there. ``over`` once the fetch has ended, however it did.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._filled = threading.Condition(self._lock)
        self.part: Path | None = None
        self.prefix = 0
        self.over = False
        self._done = 0
        self._total: int | None = None
        self._samples: deque[tuple[float, int]] = deque(maxlen=int(WINDOW / SAMPLE) + 1)

    @property
    def done(self) -> int:
        """Bytes in the file, those from an earlier attempt included."""
        return self._done

    @property
    def total(self) -> int | None:
        """Bytes the file will have."""
        return self._total

    @property
    def rate(self) -> float:
        """Bytes per second that arrive now."""
        now = time.monotonic()
        with self._lock:
            recent = [(at, done) for at, done in self._samples if now - at <= WINDOW]
            if not recent or now <= recent[0][0]:
                return 0.0
            return max(0.0, (self._done - recent[0][1]) / (now - recent[0][0]))

    @property
    def eta(self) -> float | None:
        """Seconds until the last byte at this rate; None while it cannot be told."""
        total, rate = self._total, self.rate
        if total is None or rate <= 0:
            return None
        return max(0.0, (total - self._done) / rate)

    def start(self, total: int | None, done: int = 0) -> None:
        """A fetch of ``total`` bytes begins, ``done`` of them from before."""
        with self._lock:
            self._total, self._done = total, done
            self._samples.clear()
            self._samples.append((time.monotonic(), done))

    def add(self, count: int) -> None:
        """``count`` more bytes; negative where some have to come again."""
        now = time.monotonic()
        with self._lock:
            self._done += count
            if not self._samples or now - self._samples[-1][0] >= SAMPLE:
                self._samples.append((now, self._done))

    def fill(self, part: Path | None, prefix: int) -> None:
        """The unfinished file is ``part``, and its first ``prefix`` bytes are there."""
        with self._filled:
            self.part, self.prefix = part, prefix
            self._filled.notify_all()

    def end(self) -> None:
        """The fetch is over."""
        with self._filled:
            self.over = True
            self._filled.notify_all()

    def await_prefix(self, wanted: int, timeout: float) -> bool:
        """Whether ``part`` has its first ``wanted`` bytes or the fetch is over, waiting up to ``timeout`` seconds."""
        with self._filled:
            return self._filled.wait_for(
                lambda: self.over or (self.part is not None and self.prefix >= wanted), timeout
            )
