"""Gate that lets readers finish before a resource is freed."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class DrainGate:
    """Open at first. ``make_error`` returns the error that a closed gate raises."""

    def __init__(self, make_error: Callable[[], Exception]) -> None:
        self._make_error = make_error
        self._changed = threading.Condition()
        self._inside = 0
        self._closed = False

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Keep the resource during the block. Raises the gate's error once closed."""
        with self.hold_open():
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    @contextmanager
    def hold_open(self) -> Iterator[None]:
        """Delay ``close`` during the block, which must be short. Raises the gate's error once closed."""
        with self._changed:
            if self._closed:
                raise self._make_error()
            yield

    def close(self) -> bool:
        """Admit no more readers; return true on the first call."""
        with self._changed:
            was_open, self._closed = not self._closed, True
            return was_open

    def wait_until_empty(self) -> None:
        """Wait until all readers have left the closed gate."""
        with self._changed:
            self._changed.wait_for(lambda: self._inside == 0)
