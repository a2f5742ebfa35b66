"""One generation, from the side of the threads that read its events or cancel it."""

import ctypes
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

from function.engine.types import (
    EmbeddedInput,
    Event,
    Finished,
    FinishReason,
    Job,
    PrefillProgress,
    TextPiece,
    Timings,
    Usage,
)
from function.errors import FunctionError

MAX_EVENTS = 64
"""Further texts for a slow reader are joined to the last event."""


class Generation:
    """Events of one job, in order: any number of PrefillProgress, any number of TextPiece, one Finished.

    The engine never waits for a reader. A reader that keeps up gets each token's text separately; for a slower one
    texts are joined. A reader that takes no event for ``reader_timeout`` seconds cancels the job.
    """

    def __init__(self, job: Job, *, max_tokens: int, reader_timeout: float | None = None) -> None:
        self.job = job
        self.max_tokens = max_tokens
        """The requested maximum, as far as the context holds it."""
        self.generated = 0
        self.abort_flag = ctypes.create_string_buffer(2)
        """Once set, llama.cpp returns from its computation (see Model.set_abort_flag)."""
        self._reader_timeout = reader_timeout
        self._changed = threading.Condition()
        self._events: deque[Event] = deque()
        self._finished: Finished | None = None
        self._on_finished: Callable[[], None] | None = None
        self._end_reason: FinishReason | None = None
        self._read_at = 0.0
        self._first_at: float | None = None
        self._last_at: float | None = None

    def next_event(self, timeout: float | None = None) -> Event | None:
        """Return the next event; None after ``timeout`` seconds without one.

        After Finished each call returns Finished again, immediately.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._events or self._finished, timeout):
                return None
            self._read_at = time.monotonic()
            return self._events.popleft() if self._events else self._finished

    def __iter__(self) -> Iterator[Event]:
        """Yield all remaining events; Finished is the last."""
        while not isinstance(event := self.next_event(), Finished):
            assert event is not None
            yield event
        yield event

    def cancel(self) -> None:
        """End the generation with ``cancelled``, also during a prefill. From any thread, any number of times."""
        self.end("cancelled")

    def when_finished(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` once, in the engine's thread, when the engine is done, even if events are still unread."""
        with self._changed:
            if self._finished is None:
                self._on_finished = callback
                return
        callback()

    @property
    def tokens_per_second(self) -> float | None:
        """Decode speed so far; None before the second token."""
        first, last, tokens = self._first_at, self._last_at, self.generated
        return (tokens - 1) / (last - first) if first and last and last > first and tokens > 1 else None

    # For the engine.

    def end(self, reason: FinishReason) -> None:
        """Make the engine stop with ``reason``; the first reason counts."""
        with self._changed:
            if self._end_reason is None and self._finished is None:
                self._end_reason = reason
                self.abort_flag[0] = b"\1"

    @property
    def end_reason(self) -> FinishReason | None:
        """Reason for which the engine should stop; None if it should not."""
        return self._end_reason

    def count_token(self) -> None:
        """Count one more sampled token."""
        now = time.monotonic()
        self.generated += 1
        self._last_at = now
        if self._first_at is None:
            self._first_at = now

    def put(self, event: PrefillProgress | TextPiece | EmbeddedInput) -> None:
        """Hand ``event`` to the reader; cancel the job when the reader has stopped reading."""
        with self._changed:
            now = time.monotonic()
            last = self._events[-1] if self._events else None
            if last is None:
                self._read_at = now
            if isinstance(event, PrefillProgress) and isinstance(last, PrefillProgress):
                self._events[-1] = event
            elif isinstance(event, TextPiece) and isinstance(last, TextPiece) and len(self._events) >= MAX_EVENTS:
                self._events[-1] = last + event
            else:
                self._events.append(event)
            self._changed.notify_all()
        if self._reader_timeout is not None and now - self._read_at > self._reader_timeout:
            self.cancel()

    def finish(self, event: Finished) -> None:
        """Hand over the last event."""
        with self._changed:
            self._finished = event
            self._changed.notify_all()
        if self._on_finished:
            self._on_finished()

    def fail(self, error: FunctionError) -> None:
        """Hand over ``error`` as the last event of a job that the engine did not start or complete."""
        usage = Usage(len(self.job.prompt), self.generated, 0)
        self.finish(Finished("error", usage, Timings(0.0, None, 0.0), error))
