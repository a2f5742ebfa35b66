"""What is freed one day may be read until then, by any number of threads, and not a moment longer."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class DrainGate:
    """Open at first. ``refusal`` makes what is raised once it is closed."""

    def __init__(self, refusal: Callable[[], Exception]) -> None:
        self._refusal = refusal
        self._changed = threading.Condition()
        self._inside = 0
        self.closed = False

    @contextmanager
    def inside(self) -> Iterator[None]:
        """What is guarded is there as long as the block lasts. Raises the refusal once closed."""
        with self.held():
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    @contextmanager
    def held(self) -> Iterator[None]:
        """It is not closed as long as the block lasts, which must be short. Raises the refusal once closed."""
        with self._changed:
            if self.closed:
                raise self._refusal()
            yield

    def close(self) -> bool:
        """Let nobody in any more; whether it was open before."""
        with self._changed:
            was, self.closed = self.closed, True
            return not was

    def await_empty(self) -> None:
        """Wait until everybody is out. It is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._inside == 0)
