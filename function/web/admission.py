"""A validated request's way into the line before the model."""

import time
from collections.abc import Callable

from flask import request

from function.engine import Engine, Job
from function.lifecycle.service import Service
from function.lifecycle.status import FINAL_STATES
from function.web.generation_stream import ClientGone, GenerationStream
from function.web.request.client_connection import ClientConnection
from function.web.request.deadline import LAMBDA_CONTEXT, deadline
from function.web.request.prompt import Prompt
from function.web.request.schema import GenerationRequest

LOOK = 0.1
"""Seconds between two looks at whether a client that waits for the model is still there."""


def admit(service: Service, asked: GenerationRequest, prompt: Callable[[Engine], Prompt]) -> GenerationStream:
    """Take a place for the current request; ``prompt`` makes what the model is to read, once the model is there.

    What can be checked without the model was checked before; the rest is, as soon as it is there. Raises Busy.
    """
    grammar = asked.grammar()
    if grammar is not None:
        from function.engine import probe_grammar  # brings what others need not wait for

        probe_grammar(grammar)
    until = deadline(request.headers.get(LAMBDA_CONTEXT), service.settings.request_timeout)
    limits = [limit for limit in (asked.limit(), service.settings.max_tokens) if limit is not None]

    def prepare(engine: Engine) -> Job:
        read = prompt(engine)
        return Job(
            prompt=read.tokens,
            param=read.param,
            echo=read.echo,
            max_tokens=min(limits, default=None),
            stop=asked.stops(),
            sampling=asked.sampling(service.sampling(engine)),
            deadline=until,
            logprobs=asked.alternatives(),
            constraint=engine.constrain(read.grammar) if read.grammar else None,
            visible_tokens=read.shown,
        )

    return GenerationStream(service, prepare, ClientConnection(request.environ, service.settings.client_timeout), until)


def loaded(service: Service) -> Engine:
    """The engine for a request that needs the vocabulary alone, and so no place in the line.

    Waits for the model as other requests do. Raises what keeps it from being there, and ClientGone.
    """
    service.start()
    connection = ClientConnection(request.environ, service.settings.client_timeout)
    until = deadline(request.headers.get(LAMBDA_CONTEXT), service.settings.request_timeout)
    while service.await_ready(LOOK).state not in FINAL_STATES and time.monotonic() < until:
        if connection.gone():
            raise ClientGone
    return service.engine
