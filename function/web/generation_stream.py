"""One request's way to the model: it waits for the load, for its turn and for each piece of the reply."""

import contextlib
import math
import time
from collections.abc import Callable, Iterator

from flask import request

from function.engine import Engine, Event, Finished, Generation, Job, TextPiece
from function.errors import FunctionError, RequestError, Stopping, Unavailable
from function.lifecycle.service import Service
from function.lifecycle.status import FINAL_STATES, Status
from function.web import exchange
from function.web.request.client import Client, ClientGone
from function.web.request.schema import Body, GenerationRequest, Prompt

POLL_SECONDS = 0.02
"""Interval between two checks of the client's connection: a fifth of the time that freeing the model may take."""
UPDATE_SECONDS = 0.1
"""Shortest interval between two different progress reports."""
HEARTBEAT_SECONDS = 1.0
"""Interval at which an unchanged progress report is repeated."""


class GenerationStream:
    """Reply to ``body``. Iterate ``wait()`` to its end, then ``events()``; call ``release()`` in any case.

    From its construction, which may raise Busy, to the end of its job or ``release`` it holds a place in the queue.
    ``make_prompt`` runs as soon as the model is loaded, at once if it is already, so that a request at fault is
    rejected before a 200.
    """

    def __init__(self, service: Service, body: GenerationRequest, make_prompt: Callable[[Engine], Prompt]) -> None:
        self._service = service
        self.body = body
        self._make_prompt = make_prompt
        self._job: Job | None = None
        self._job_engine: Engine | None = None
        self._generation: Generation | None = None
        self.exchange = exchange.current()
        self.exchange.ignored_fields = body.ignored_fields()
        with own_names(body):
            self._grammar = body.grammar()
            if self._grammar is not None:
                from function.engine import probe_grammar  # its imports are for such requests alone

                probe_grammar(self._grammar)
        self._client = client_of_request(service)
        service.start()
        status = service.status()
        ready = status.state == "ready"
        self.exchange.begin_wait(cold=not ready)
        if status.error is not None:  # known before the first byte, so that a stream has its status too
            raise status.error
        if ready:
            self._job = self._checked_job(service.engine)
        self._ticket = service.runner.queue.enter()

    def wait(self) -> Iterator[str]:
        """Wait until the job runs; yield the progress when it changes, and every HEARTBEAT_SECONDS.

        Raises the error that keeps the model away or rejects the request, and ClientGone.
        """
        try:
            yield from self._report_changes(self._load_progress, self._pause_for_load)
            self.exchange.end_wait()
            if self._job is None or self._job_engine is not self._service.engine:
                self._job = self._checked_job(self._service.engine)
            yield from self._report_changes(self._queue_progress, self._pause_for_queue)
            self.exchange.end_queue()
            self._generation = self._service.runner.submit(self._service.engine, self._job)
            self._generation.when_finished(self._ticket.leave)  # a slow reader does not keep others from the model
        except FunctionError as e:
            self.exchange.refuse(e)
            raise

    def events(self) -> Iterator[Event | None]:
        """Yield the generation's events, Finished last; None at times between them, without anything to report.

        Raises the error that ended the generation, and ClientGone when the client has closed its connection or still
        reads long after the deadline.
        """
        assert self._generation is not None
        checked = time.monotonic()
        while True:
            event = self._generation.next_event(POLL_SECONDS)
            now = time.monotonic()
            if isinstance(event, Finished):
                self.exchange.finish(event, self._generation.tokens_per_second)
                if event.error is not None:
                    raise event.error
                if event.reason == "cancelled":
                    raise self._service.status().error or ClientGone
                yield event
                return
            if isinstance(event, TextPiece) and event.tokens:
                self.exchange.mark_text()
            if now - checked >= POLL_SECONDS:
                checked = now
                if self._client.is_gone() or now > self._client.deadline + self._client.send_timeout:
                    raise ClientGone
            yield event

    def release(self) -> None:
        """Cancel a running generation and leave the queue. Idempotent, from any thread."""
        if self._generation is not None:
            self._generation.cancel()
        self._ticket.leave()
        self.exchange.leave()

    def _checked_job(self, engine: Engine) -> Job:
        with own_names(self.body):
            return self._make_job(engine)

    def _make_job(self, engine: Engine) -> Job:
        body, prompt = self.body, self._make_prompt(engine)
        self.exchange.ignored_fields = [
            *body.ignored_fields(),
            *(body.CHAT_FIELDS.get(name, name) for name in prompt.unused),
        ]
        grammar = prompt.grammar or self._grammar
        limits = [limit for limit in (body.token_limit, self._service.settings.max_tokens) if limit is not None]
        job = Job(
            prompt=prompt.tokens,
            param=prompt.param,
            echo=prompt.echo,
            max_tokens=min(limits, default=None),
            stop=() if prompt.watch else body.stop_strings,
            sampling=body.sampling(self._service.sampling(engine)),
            deadline=self._client.deadline,
            logprobs=body.alternatives,
            constraint=engine.constrain(grammar) if grammar else None,
            visible_tokens=prompt.shown,
            watch=prompt.watch,
        )
        engine.check(job)
        self._job_engine = engine
        return job

    def _check_early(self) -> None:
        """Check the job while the model is still being fetched: a bad request fails early."""
        engine = self._service.early
        if engine is None or self._job is not None or self._ticket.ahead:
            return
        with contextlib.suppress(Stopping):  # this engine was replaced
            self._job = self._checked_job(engine)

    def _report_changes(self, progress: Callable[[], str | None], pause: Callable[[], object]) -> Iterator[str]:
        """Yield ``progress()`` when it changes, and every HEARTBEAT_SECONDS, until it is None."""
        reported, last = -math.inf, ""
        for text in self._client.wait(progress, pause):
            now = time.monotonic()
            if now - reported >= (HEARTBEAT_SECONDS if text == last else UPDATE_SECONDS):
                reported, last = now, text
                yield text
        if (rest := progress()) is not None:
            raise Unavailable(f"The time for this request ran out while it waited ({rest}). Try again.")

    def _load_progress(self) -> str | None:
        status = self._status()
        if status.state == "ready":
            return None
        self._check_early()
        return str(status)

    def _pause_for_load(self) -> None:
        self._service.wait(self._service.status().state, POLL_SECONDS)

    def _queue_progress(self) -> str | None:
        self._status()
        return f"queued {ahead}" if (ahead := self._ticket.ahead) else None

    def _pause_for_queue(self) -> None:
        self._ticket.wait(self._ticket.ahead, POLL_SECONDS)

    def _status(self) -> Status:
        status = self._service.status()
        if status.error is not None:
            raise status.error
        return status


@contextlib.contextmanager
def own_names(body: GenerationRequest) -> Iterator[None]:
    """Let errors name the fields of ``body``'s API instead of those of a chat completion."""
    try:
        yield
    except RequestError as e:
        for name, own in body.CHAT_FIELDS.items():
            if e.param is not None and name in e.param:
                e.rename_param(e.param.replace(name, own))
                break
        raise


def client_of_request(service: Service, longest: float = math.inf) -> Client:
    """Return the client of the current request, which waits for REQUEST_TIMEOUT or ``longest`` seconds at most."""
    settings = service.settings
    reply_timeout = min(settings.request_timeout, longest)
    return Client(request.environ, send_timeout=settings.client_timeout, reply_timeout=reply_timeout)


def wait_for_engine(service: Service, client: Client, poll_seconds: float = 0.1) -> Status:
    """Start the load and wait, without a place in the queue, until the model is loaded or cannot be, or the deadline.

    Returns the status. Raises ClientGone.
    """
    service.start()

    def progress() -> str | None:
        status = service.status()
        return None if status.state in FINAL_STATES else str(status)

    for _ in client.wait(progress, lambda: service.await_ready(poll_seconds)):
        pass
    return service.status()


def loaded_engine(service: Service, body: Body) -> Engine:
    """Return the engine for ``body``, without a place in the queue, once it is loaded.

    Raises the error that keeps it away, and ClientGone.
    """
    exchange.current().ignored_fields = body.ignored_fields()
    wait_for_engine(service, client_of_request(service))
    return service.engine
