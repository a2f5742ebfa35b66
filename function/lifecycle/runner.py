"""Runner of requests: the queue before the engine, the running generation, and Retry-After."""

import math
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from function.errors import Stopping
from function.lifecycle.queue import RequestQueue
from function.lifecycle.status import Status
from function.settings import Settings
from function.snapshot.manager import SnapshotManager

if TYPE_CHECKING:
    from function.engine import Engine, Generation, Job

DEFAULT_LOAD_SECONDS = 5.0
"""Retry-After while the time until the model is loaded is unknown."""


class Runner:
    """Runs one request at a time on the engine. ``status`` returns the status of the model."""

    def __init__(self, settings: Settings, snapshot: SnapshotManager, status: Callable[[], Status]) -> None:
        self.queue = RequestQueue(settings.queue_size, self.retry_after)
        self._settings, self._snapshot, self._status = settings, snapshot, status
        self._lock = threading.Lock()
        self._stopped: Stopping | None = None
        self._running: Generation | None = None
        self._tokens_per_second: float | None = None  # of the last reply, for Retry-After during a prefill

    def submit(self, engine: "Engine", job: "Job") -> "Generation":
        """Start ``job``; the caller's ticket must be the first in the queue. Raises FunctionError as the engine does.

        Raises Stopping after ``stop``.
        """
        with self._lock:
            if self._stopped is not None:
                raise self._stopped
            if self._running is not None:
                self._tokens_per_second = self._running.tokens_per_second or self._tokens_per_second
            self._running = engine.submit(job)
            self._snapshot.store_after_reply(engine, lambda: len(self.queue) <= 1)
            return self._running

    def stop(self, error: Stopping) -> None:
        """Cancel the running generation and reject all further ones with ``error``."""
        with self._lock:
            self._stopped, running = error, self._running
        if running is not None:
            running.cancel()

    def forget_speed(self) -> None:
        """Forget the speed of earlier replies."""
        with self._lock:
            self._running = self._tokens_per_second = None

    def retry_after(self) -> int:
        """Return the whole seconds, at least 1, until the running request should end or the model should be loaded."""
        status = self._status()
        if status.state != "ready":
            return max(1, math.ceil(status.eta or DEFAULT_LOAD_SECONDS))
        running = self._running
        speed = running.tokens_per_second or self._tokens_per_second if running else None
        if running is None or not speed:
            return 1
        left = (running.max_tokens - running.generated) / speed
        return max(1, math.ceil(min(left, self._settings.request_timeout)))
