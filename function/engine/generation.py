"""One generation as the threads that read it see it: events, cancel, progress."""

import ctypes
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

from function.engine.types import Event, Finished, FinishReason, Job, PrefillProgress, TextPiece, Timings, Usage
from function.errors import FunctionError

_ROOM = 64
"""Events that wait for a slow reader one by one; what comes on top is joined to the last."""


class Generation:
    """Events of one job, in order: any number of Prefill, any number of Text, one Finished.

    The engine never waits for a reader. While the reader keeps up it gets each token's text by itself; texts that it
    is too slow for are joined, so that what waits is bounded by the reply. A reader that takes nothing for
    ``reader_timeout`` seconds cancels the job.
    """

    def __init__(self, job: Job, *, max_tokens: int, reader_timeout: float | None = None) -> None:
        self.job = job
        self.max_tokens = max_tokens
        """The most tokens this generation can have: what was asked for, as far as the context holds it."""
        self.generated = 0
        self.flag = ctypes.create_string_buffer(2)
        """Set, it makes llama.cpp return from what it computes (see Model.watch)."""
        self._reader_timeout = reader_timeout
        self._changed = threading.Condition()
        self._events: deque[Event] = deque()
        self._finished: Finished | None = None
        self._then: Callable[[], None] | None = None
        self._ended: FinishReason | None = None
        self._read_at = 0.0
        self._first_at: float | None = None
        self._last_at: float | None = None

    def next_event(self, timeout: float | None = None) -> Event | None:
        """The next event; None when there is none within ``timeout`` seconds.

        After Finished it is Finished again, at once, however often one asks.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._events or self._finished, timeout):
                return None
            self._read_at = time.monotonic()
            return self._events.popleft() if self._events else self._finished

    def __iter__(self) -> Iterator[Event]:
        """All events that are left; Finished is the last."""
        while True:
            event = self.next_event()
            assert event is not None
            yield event
            if isinstance(event, Finished):
                return

    def cancel(self) -> None:
        """Have it end with ``cancelled``, in the middle of a prefill too. From any thread, any number of times."""
        self.end("cancelled")

    def when_finished(self, call: Callable[[], None]) -> None:
        """Call ``call`` once when the engine is done with it, however slowly the events are read; in its thread."""
        with self._changed:
            if self._finished is None:
                self._then = call
                return
        call()

    @property
    def tokens_per_second(self) -> float | None:
        """Speed of the decode so far; None before the second token."""
        first, last, tokens = self._first_at, self._last_at, self.generated
        return (tokens - 1) / (last - first) if first and last and last > first and tokens > 1 else None

    # What follows is the engine's.

    def end(self, reason: FinishReason) -> None:
        """Make the engine stop for ``reason``; the first reason counts."""
        with self._changed:
            if self._ended is None and self._finished is None:
                self._ended = reason
                self.flag[0] = b"\1"

    @property
    def ended(self) -> FinishReason | None:
        """Why the engine should stop, if it should."""
        return self._ended

    def count(self) -> None:
        """One more token was sampled."""
        now = time.monotonic()
        self.generated += 1
        self._last_at = now
        if self._first_at is None:
            self._first_at = now

    def put(self, event: PrefillProgress | TextPiece) -> None:
        """Hand ``event`` to the reader; end the job when the reader is gone."""
        with self._changed:
            now = time.monotonic()
            last = self._events[-1] if self._events else None
            if last is None:
                self._read_at = now
            if isinstance(event, PrefillProgress) and isinstance(last, PrefillProgress):
                self._events[-1] = event
            elif isinstance(event, TextPiece) and isinstance(last, TextPiece) and len(self._events) >= _ROOM:
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
        if self._then:
            self._then()

    def fail(self, error: FunctionError) -> None:
        """Hand over ``error`` as the last event, of a job that the engine never took or did not get to the end of."""
        usage = Usage(len(self.job.prompt), self.generated, 0)
        self.finish(Finished("error", usage, Timings(0.0, None, 0.0), error))
