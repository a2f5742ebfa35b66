"""Queue of requests: one is served, a bounded number waits, the rest is rejected with Retry-After."""

import threading
from collections.abc import Callable

from function.errors import Busy


class QueueTicket:
    """Position of one request in the queue. Call ``leave`` when the request is done or its client has left."""

    def __init__(self, tickets: list["QueueTicket"], moved: threading.Condition) -> None:
        self._tickets, self._moved = tickets, moved

    @property
    def ahead(self) -> int:
        """Number of requests before this one; 0 means that it is this request's turn."""
        with self._moved:
            return self._tickets.index(self)

    def wait(self, ahead: int, timeout: float) -> int:
        """Wait up to ``timeout`` seconds until the number ahead differs from ``ahead``; return that number."""
        with self._moved:
            self._moved.wait_for(lambda: self._tickets.index(self) != ahead, timeout)
            return self._tickets.index(self)

    def leave(self) -> None:
        """Leave the queue. Idempotent."""
        with self._moved:
            if self in self._tickets:
                self._tickets.remove(self)
                self._moved.notify_all()


class RequestQueue:
    """First come, first served. ``size`` requests may wait behind the one that is served."""

    def __init__(self, size: int, retry_after: Callable[[], int]) -> None:
        self._size, self._retry_after = size, retry_after
        self._tickets: list[QueueTicket] = []
        self._moved = threading.Condition()

    def __len__(self) -> int:
        return len(self._tickets)

    def enter(self) -> QueueTicket:
        """Join the end of the queue. Raises Busy if it is full."""
        with self._moved:
            waiting = len(self._tickets) - 1
            if waiting < self._size:
                self._tickets.append(QueueTicket(self._tickets, self._moved))
                return self._tickets[-1]
        seconds = self._retry_after()
        raise Busy(
            f"The model is answering another request and {waiting} of {self._size} places in the queue are taken. "
            f"Try again in {seconds} s, or raise QUEUE_SIZE.",
            retry_after=seconds,
            waiting=waiting,
        )
