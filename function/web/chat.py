"""The endpoints that answer: /, /chat and /v1."""

import time
from collections.abc import Sequence

from flask import Blueprint, Response, request

from function.engine.engine import Engine
from function.engine.events import Job
from function.service import Service
from function.web import reply
from function.web.body import any_fields, json_fields
from function.web.connection import Connection
from function.web.deadline import LAMBDA_CONTEXT, deadline
from function.web.openai import model_card
from function.web.schema import Chat, ChatCompletion, Generation, Message, parse
from function.web.turn import Turn


def blueprint(service: Service) -> Blueprint:
    """The routes, over one service."""
    routes = Blueprint("chat", __name__)
    created = int(time.time())

    @routes.post("/")
    @routes.post("/chat")
    def chat() -> Response:
        fields, typed = any_fields(request)
        asked = parse(Chat, fields, strict=typed)
        turn = _turn(service, asked, asked.conversation())
        if request.accept_mimetypes.best_match(["text/plain", "text/event-stream"]) == "text/event-stream":
            return reply.events(service, turn, include_usage=_include_usage(asked))
        return reply.text(service, turn)

    @routes.post("/v1/chat/completions")
    def chat_completions() -> Response:
        asked = parse(ChatCompletion, json_fields(request), strict=True)
        turn = _turn(service, asked, asked.messages)
        if asked.stream:
            return reply.events(service, turn, include_usage=_include_usage(asked))
        return reply.whole(service, turn)

    @routes.get("/v1/models")
    def models() -> dict[str, object]:
        return {"object": "list", "data": [model_card(service.name, created)]}

    @routes.get("/v1/models/<path:name>")
    def model(name: str) -> dict[str, object]:
        return model_card(service.name, created)

    return routes


def _include_usage(asked: Generation) -> bool:
    return asked.stream_options is not None and asked.stream_options.include_usage


def _turn(service: Service, asked: Generation, messages: Sequence[Message]) -> Turn:
    """Take a place for the request. What can be checked without the model was; the rest is, once it is there."""
    conversation = [message.plain() for message in messages]
    until = deadline(request.headers.get(LAMBDA_CONTEXT), service.settings.request_timeout)
    limits = [limit for limit in (asked.limit(), service.settings.max_tokens) if limit is not None]

    def prepare(engine: Engine) -> Job:
        system = service.system_prompt
        if system and conversation[0]["role"] != "system":
            conversation.insert(0, {"role": "system", "content": system})
        return Job(
            prompt=engine.chat_tokens(conversation),
            max_tokens=min(limits, default=None),
            stop=asked.stops(),
            sampling=asked.sampling(),
            deadline=until,
        )

    return Turn(service, prepare, Connection(request.environ, service.settings.client_timeout), until)
