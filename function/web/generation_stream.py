"""One request's way to the model: it waits for the load, for its turn and for each piece of the reply."""

import contextlib
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from flask import request

from function.engine import Engine, Event, Finished, Generation, Job, TextPiece, Usage, require_kind
from function.errors import FunctionError, RequestError, Stopping, Unavailable
from function.lifecycle.service import Service
from function.lifecycle.status import FINAL_STATES, Status
from function.web import exchange
from function.web.request.client import Client, ClientGone
from function.web.request.schema import Body, GenerationRequest, LlamaCompletion, Prompt

POLL_SECONDS = 0.02
"""Interval between two checks of the client's connection: a fifth of the time that freeing the model may take."""
UPDATE_SECONDS = 0.1
"""Shortest interval between two different progress reports."""
HEARTBEAT_SECONDS = 1.0
"""Interval at which an unchanged progress report is repeated."""


class JobStream(ABC):
    """Jobs of the engine for one request. Iterate ``wait()`` to its end, then ``events()``; always call ``release()``.

    From its construction, which may raise Busy, to the end of its last job or ``release`` it holds a place in the
    queue. Its jobs are made as soon as the model is loaded, at once if it is already, so that a request at fault is
    rejected before a 200. ``choices`` consecutive jobs have the same prompt.
    """

    choices = 1

    def __init__(self, service: Service) -> None:
        self._service = service
        self.jobs: list[Job] = []
        """Jobs of the choices, in order, once the model is loaded."""
        self._job_engine: Engine | None = None
        self._generation: Generation | None = None
        self._ends: list[Finished] = []
        self.exchange = exchange.current()
        self.client = client_of_request(service)
        service.start()
        status = service.status()
        ready = status.state == "ready"
        self.exchange.begin_wait(cold=not ready)
        if status.error is not None:  # known before the first byte, so that a stream has its status too
            raise status.error
        if ready:
            self._make_jobs(service.engine)
        self._ticket = service.runner.queue.enter()

    def wait(self) -> Iterator[str]:
        """Wait until the job runs; yield the progress when it changes, and every HEARTBEAT_SECONDS.

        Raises the error that keeps the model away or rejects the request, and ClientGone.
        """
        try:
            yield from self._report_changes(self._load_progress, self._pause_for_load)
            self.exchange.end_wait()
            if self._job_engine is not self._service.engine:
                self._make_jobs(self._service.engine)
            yield from self._report_changes(self._queue_progress, self._pause_for_queue)
            self.exchange.end_queue()
            self._submit()
        except FunctionError as e:
            self.exchange.refuse(e)
            raise

    def events(self) -> Iterator[Event | None]:
        """Yield the events of each choice, Finished last; None at times between them, without anything to report.

        Raises the error that ended a generation, and ClientGone when the client has closed its connection or still
        reads long after the deadline.
        """
        yield from self._choice_events()
        while self.has_more:
            self._submit()
            yield from self._choice_events()

    @property
    def has_more(self) -> bool:
        """True until the last choice has finished."""
        return len(self._ends) < len(self.jobs)

    @property
    def usage(self) -> Usage:
        """Tokens of the choices that have finished. A prompt counts once for all of its choices."""
        usages = [end.usage for end in self._ends]
        prompts = usages[:: self.choices]
        return Usage(
            sum(usage.prompt_tokens for usage in prompts),
            sum(usage.completion_tokens for usage in usages),
            sum(usage.cached_tokens for usage in prompts),
            sum(usage.reasoning_tokens for usage in usages),
            sum(usage.drafted_tokens for usage in usages),
            sum(usage.accepted_tokens for usage in usages),
        )

    def _choice_events(self) -> Iterator[Event | None]:
        assert self._generation is not None
        checked = time.monotonic()
        while True:
            event = self._generation.next_event(POLL_SECONDS)
            now = time.monotonic()
            if isinstance(event, Finished):
                self._finish(event)
                yield event
                return
            if isinstance(event, TextPiece) and event.tokens:
                self.exchange.mark_text()
            if now - checked >= POLL_SECONDS:
                checked = now
                if self.client.is_gone() or now > self.client.deadline + self.client.send_timeout:
                    raise ClientGone
            yield event

    def _submit(self) -> None:
        """Start the job of the next choice."""
        self._generation = self._service.runner.submit(self._service.engine, self.jobs[len(self._ends)])
        if len(self._ends) == len(self.jobs) - 1:
            self._generation.when_finished(self._ticket.leave)  # a slow reader does not keep others from the model

    def _finish(self, end: Finished) -> None:
        """Account for the end of a choice. Raises as ``events`` does."""
        assert self._generation is not None
        self._ends.append(end)
        if end.error is not None or not self.has_more:
            total = sum(each.timings.total for each in self._ends)
            timings = replace(self._ends[0].timings, total=total)
            self.exchange.finish(replace(end, usage=self.usage, timings=timings), self._generation.tokens_per_second)
        if end.error is not None:
            raise end.error
        if end.reason == "cancelled":
            raise self._service.status().error or ClientGone

    def release(self) -> None:
        """Cancel a running generation and leave the queue. Idempotent, from any thread."""
        if self._generation is not None:
            self._generation.cancel()
        self._ticket.leave()
        self.exchange.leave()

    def _make_jobs(self, engine: Engine) -> None:
        """Set the jobs. Raises RequestError for one that cannot run."""
        jobs = self._checked_jobs(engine)
        self.jobs, self._job_engine = jobs, engine

    @abstractmethod
    def _checked_jobs(self, engine: Engine) -> list[Job]:
        """Return the jobs, which ``engine`` can run. Raises RequestError."""

    def _check_early(self) -> None:
        """Check the jobs while the model is still being fetched: a bad request fails early."""
        engine = self._service.early
        if engine is None or self.jobs or self._ticket.ahead:
            return
        with contextlib.suppress(Stopping):  # this engine was replaced
            self._make_jobs(engine)

    def _report_changes(self, progress: Callable[[], str | None], pause: Callable[[], object]) -> Iterator[str]:
        """Yield ``progress()`` when it changes, and every HEARTBEAT_SECONDS, until it is None."""
        reported, last = -math.inf, ""
        for text in self.client.wait(progress, pause):
            now = time.monotonic()
            due = now - reported >= (HEARTBEAT_SECONDS if text == last else UPDATE_SECONDS)
            if due or self.client.probe_due:
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


class GenerationStream(JobStream):
    """Reply to ``body``: a JobStream of text.

    ``make_prompt`` returns one prompt or several; each gets ``body.choices`` replies, one after the other.
    """

    def __init__(
        self, service: Service, body: GenerationRequest, make_prompt: Callable[[Engine], Prompt | Sequence[Prompt]]
    ) -> None:
        self.body = body
        self.choices = body.choices
        self._make_prompt = make_prompt
        ignored = body.ignored_fields()
        exchange.current().ignored_fields = ignored
        with own_names(body):
            self._grammar = body.grammar()
            if self._grammar is not None:
                from function.engine import probe_grammar  # its imports are for such requests alone

                ignored += map(body.own_name, self._grammar.dropped)
                probe_grammar(self._grammar)
        super().__init__(service)

    def _checked_jobs(self, engine: Engine) -> list[Job]:
        """See JobStream."""
        require_kind(engine.kind, "chat")
        body = self.body
        with own_names(body):
            made = self._make_prompt(engine)
            prompts = [made] if isinstance(made, Prompt) else made
            jobs = [self._make_job(engine, prompt, choice) for prompt in prompts for choice in range(body.choices)]
        unused = [
            *(self._grammar.dropped if self._grammar else ()),
            *(name for each in prompts for name in each.unused),
        ]
        self.exchange.ignored_fields = list(dict.fromkeys([*body.ignored_fields(), *map(body.own_name, unused)]))
        return jobs

    def _make_job(self, engine: Engine, prompt: Prompt, choice: int) -> Job:
        body = self.body
        grammar = prompt.grammar or self._grammar
        limits = [limit for limit in (body.token_limit, self._service.settings.max_tokens) if limit is not None]
        sampling = body.sampling(self._service.sampling(engine))
        if texts := body.biased_texts:
            tokens = {
                token: bias
                for text, bias in texts.items()
                for token in engine.tokenize(text, add_special=False, parse_special=False)
            }
            sampling = replace(sampling, logit_bias={**tokens, **sampling.logit_bias})
        if choice and sampling.seed is not None:  # choices of one seed would be equal
            sampling = replace(sampling, seed=(sampling.seed + choice) % 2**63)
        job = Job(
            prompt=prompt.tokens,
            param=prompt.param,
            echo=prompt.echo,
            max_tokens=min(limits, default=None),
            stop=() if prompt.new_watch else body.stop_strings,
            sampling=sampling,
            deadline=self.client.deadline,
            logprobs=body.alternatives,
            post_sampling=isinstance(body, LlamaCompletion) and body.post_sampling_probs,
            constraint=engine.constrain(grammar) if grammar else None,
            visible_tokens=prompt.shown,
            watch=prompt.new_watch() if prompt.new_watch else None,
        )
        engine.check(job)
        return job


@contextlib.contextmanager
def own_names(body: GenerationRequest) -> Iterator[None]:
    """Let errors name the fields of ``body``'s API instead of those of a chat completion."""
    try:
        yield
    except RequestError as e:
        if e.param is not None:
            e.rename_param(body.own_name(e.param))
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
