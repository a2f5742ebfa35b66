"""One request's way to the model: it waits for the load, for its turn and for each piece of the reply."""

import contextlib
import math
import time
from collections.abc import Callable, Iterator

from function.engine import Engine, Event, Finished, Generation, Job, TextPiece
from function.errors import FunctionError, Stopping, Unavailable
from function.lifecycle.service import Service
from function.web.exchange import exchange
from function.web.request.client_connection import ClientConnection

PATIENCE = 0.02
"""Seconds between two looks at whether the client is still there: a fifth of what freeing the model may take."""
PACE = 0.1
"""Seconds between two words about a wait that moves on."""
HEARTBEAT = 1.0
"""Seconds after which a wait is told again, though nothing changed."""


class ClientGone(Exception):
    """Nobody is left to answer."""


class GenerationStream:
    """Iterate ``waiting()`` to its end, then ``events()``; call ``release()`` whatever happened.

    From its construction, which may raise Busy, to the end of its job or ``release`` it holds a place in the queue.
    ``prepare`` makes the job; it runs as soon as the model is there, at once if it is already, so that what is wrong
    with a request is said before a 200.
    """

    def __init__(
        self, service: Service, prepare: Callable[[Engine], Job], connection: ClientConnection, deadline: float
    ) -> None:
        self._service = service
        self._prepare = prepare
        self._connection = connection
        self._deadline = deadline
        self.exchange = exchange.current(service)
        self._job: Job | None = None
        self._made_for: Engine | None = None
        self._generation: Generation | None = None
        service.start()
        ready = service.status().state == "ready"
        self.exchange.opens(cold=not ready)
        if ready:
            self._job = self._checked(service.engine)
        self._place = service.runner.queue.enter()

    def waiting(self) -> Iterator[str]:
        """Wait until the job runs; yields what is being waited for, when it changes and every HEARTBEAT.

        Raises what keeps the model from being there or the request from being answered, and ClientGone.
        """
        try:
            yield from self._paced(self._loading, self._rest_loading)
            self.exchange.waited()
            if self._job is None or self._made_for is not self._service.engine:
                self._job = self._checked(self._service.engine)
            yield from self._paced(self._queued, self._rest_queued)
            self.exchange.queued()
            self._generation = self._service.runner.submit(self._service.engine, self._job)
            self._generation.when_finished(self._place.leave)  # who reads slowly keeps nobody from the model
        except FunctionError as e:
            self.exchange.refused(e)
            raise

    def events(self) -> Iterator[Event | None]:
        """The generation's events, Finished last; None at times between them, when there is nothing to tell.

        Raises ClientGone when nobody reads any more, or still reads long after the deadline.
        """
        assert self._generation is not None
        looked = time.monotonic()
        while True:
            event = self._generation.next_event(PATIENCE)
            now = time.monotonic()
            if isinstance(event, Finished):
                self.exchange.finished(event, self._generation.tokens_per_second)
                yield event
                return
            if isinstance(event, TextPiece) and event.tokens:
                self.exchange.first_text()
            if now - looked >= PATIENCE:
                looked = now
                if self._connection.gone() or now > self._deadline + self._service.settings.client_timeout:
                    raise ClientGone
            yield event

    def release(self) -> None:
        """Cancel what still runs and leave the queue. Idempotent, from any thread."""
        if self._generation is not None:
            self._generation.cancel()
        self._place.leave()
        self.exchange.left()

    def _checked(self, engine: Engine) -> Job:
        job = self._prepare(engine)
        engine.check(job)
        self._made_for = engine
        return job

    def _announce(self) -> None:
        """Check the job while the model is still being fetched: a bad request fails early."""
        engine = self._service.early
        if engine is None or self._job is not None or self._place.ahead:
            return
        with contextlib.suppress(Stopping):  # it is loaded anew, and this one is gone
            self._job = self._checked(engine)

    def _paced(self, look: Callable[[], str | None], rest: Callable[[], object]) -> Iterator[str]:
        """Yield what ``look`` says, when it changes and every HEARTBEAT, until it says None; ``rest`` in between."""
        told, said = -math.inf, ""
        while (text := look()) is not None:
            now = time.monotonic()
            if self._connection.gone():
                raise ClientGone
            if now >= self._deadline:
                raise Unavailable(f"The time for this request was over while it waited ({text}). Ask again.")
            if now - told >= (HEARTBEAT if text == said else PACE):
                told, said = now, text
                yield text
            rest()

    def _loading(self) -> str | None:
        status = self._service.status()
        if status.error is not None:
            raise status.error
        if status.state == "ready":
            return None
        self._announce()
        return str(status)

    def _rest_loading(self) -> None:
        self._service.wait(self._service.status().state, PATIENCE)

    def _queued(self) -> str | None:
        status = self._service.status()
        if status.error is not None:
            raise status.error
        return f"queued {ahead}" if (ahead := self._place.ahead) else None

    def _rest_queued(self) -> None:
        self._place.wait(self._place.ahead, PATIENCE)
