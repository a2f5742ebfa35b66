"""The line of requests before the model: one is served, a bounded number waits, the rest is told when to come back."""

import threading
from collections.abc import Callable

from function.errors import Busy


class QueueTicket:
    """One request's place in the line; ``leave`` it when done or gone."""

    def __init__(self, queue: "RequestQueue") -> None:
        self._queue = queue

    @property
    def ahead(self) -> int:
        """How many are served before this one; 0 means that it is this one's turn."""
        return self._queue.ahead(self)

    def wait(self, ahead: int, timeout: float) -> int:
        """Wait at most ``timeout`` seconds for the number ahead to differ from ``ahead``; returns it."""
        return self._queue.wait(self, ahead, timeout)

    def leave(self) -> None:
        """Give the place up. Idempotent."""
        self._queue.leave(self)


class RequestQueue:
    """First come, first served; ``size`` may wait behind the one being served."""

    def __init__(self, size: int, retry_after: Callable[[], int]) -> None:
        self._limit = size + 1
        self._retry_after = retry_after
        self._places: list[QueueTicket] = []
        self._moved = threading.Condition()

    def __len__(self) -> int:
        return len(self._places)

    def enter(self) -> QueueTicket:
        """Take the last place. Raises Busy when the line is full."""
        with self._moved:
            if len(self._places) < self._limit:
                place = QueueTicket(self)
                self._places.append(place)
                return place
            waiting = len(self._places) - 1
        seconds = self._retry_after()
        raise Busy(
            f"The model is answering another request and {waiting} of {self._limit - 1} places in the queue are taken. "
            f"Try again in {seconds} s, or raise QUEUE_SIZE.",
            retry_after=seconds,
            waiting=waiting,
        )

    def ahead(self, place: QueueTicket) -> int:
        """The number of places before ``place``."""
        with self._moved:
            return self._places.index(place)

    def wait(self, place: QueueTicket, ahead: int, timeout: float) -> int:
        """See Place.wait."""
        with self._moved:
            self._moved.wait_for(lambda: self._places.index(place) != ahead, timeout)
            return self._places.index(place)

    def leave(self, place: QueueTicket) -> None:
        """See Place.leave."""
        with self._moved:
            if place in self._places:
                self._places.remove(place)
                self._moved.notify_all()
