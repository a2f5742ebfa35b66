"""Queue of requests: one is served, a bounded number waits, the rest is rejected with Retry-After."""

import threading
from collections.abc import Callable

from function.errors import Busy


class QueueTicket:
    """Position of one request in the queue. Call ``leave`` when the request is done or its client has left."""

    def __init__(self, queue: "RequestQueue") -> None:
        self._queue = queue

    @property
    def ahead(self) -> int:
        """Number of requests before this one; 0 means that it is this request's turn."""
        return self._queue.ahead(self)

    def wait(self, ahead: int, timeout: float) -> int:
        """Wait up to ``timeout`` seconds until the number ahead differs from ``ahead``; return that number."""
        return self._queue.wait(self, ahead, timeout)

    def leave(self) -> None:
        """Leave the queue. Idempotent."""
        self._queue.leave(self)


class RequestQueue:
    """First come, first served. ``size`` requests may wait behind the one that is served."""

    def __init__(self, size: int, retry_after: Callable[[], int]) -> None:
        self._capacity = size + 1
        self._retry_after = retry_after
        self._tickets: list[QueueTicket] = []
        self._moved = threading.Condition()

    def __len__(self) -> int:
        return len(self._tickets)

    def enter(self) -> QueueTicket:
        """Join the end of the queue. Raises Busy if it is full."""
        with self._moved:
            if len(self._tickets) < self._capacity:
                ticket = QueueTicket(self)
                self._tickets.append(ticket)
                return ticket
            waiting = len(self._tickets) - 1
        seconds = self._retry_after()
        raise Busy(
            f"The model is answering another request and {waiting} of {self._capacity - 1} places in the queue are "
            f"taken. Try again in {seconds} s, or raise QUEUE_SIZE.",
            retry_after=seconds,
            waiting=waiting,
        )

    def ahead(self, ticket: QueueTicket) -> int:
        """Return the number of tickets before ``ticket``."""
        with self._moved:
            return self._tickets.index(ticket)

    def wait(self, ticket: QueueTicket, ahead: int, timeout: float) -> int:
        """Wait as in ``QueueTicket.wait``."""
        with self._moved:
            self._moved.wait_for(lambda: self._tickets.index(ticket) != ahead, timeout)
            return self._tickets.index(ticket)

    def leave(self, ticket: QueueTicket) -> None:
        """Remove ``ticket``, as in ``QueueTicket.leave``."""
        with self._moved:
            if ticket in self._tickets:
                self._tickets.remove(ticket)
                self._moved.notify_all()
