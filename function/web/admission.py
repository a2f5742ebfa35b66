"""A validated request's way into the line before the model."""

from collections.abc import Callable

from flask import request

from function.engine.engine import Engine
from function.engine.events import Job
from function.service import Service
from function.web.connection import Connection
from function.web.deadline import LAMBDA_CONTEXT, deadline
from function.web.schema import Generation
from function.web.turn import Turn


def admit(service: Service, asked: Generation, prompt: Callable[[Engine], tuple[int, ...]]) -> Turn:
    """Take a place for the current request; ``prompt`` makes its tokens, once the model is there.

    What can be checked without the model was checked before; the rest is, as soon as it is there. Raises Busy.
    """
    grammar = asked.grammar()
    if grammar is not None:
        from function.engine.trial import attempt  # brings what others need not wait for

        attempt(grammar)
    until = deadline(request.headers.get(LAMBDA_CONTEXT), service.settings.request_timeout)
    limits = [limit for limit in (asked.limit(), service.settings.max_tokens) if limit is not None]

    def prepare(engine: Engine) -> Job:
        return Job(
            prompt=prompt(engine),
            max_tokens=min(limits, default=None),
            stop=asked.stops(),
            sampling=asked.sampling(),
            deadline=until,
            logprobs=asked.alternatives(),
            constraint=engine.constrain(grammar) if grammar else None,
        )

    return Turn(service, prepare, Connection(request.environ, service.settings.client_timeout), until)
