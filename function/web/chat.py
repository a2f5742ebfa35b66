"""The endpoints that chat: /, /chat, /v1/chat/completions and /v1/models."""

import time
from collections.abc import Callable, Sequence

from flask import Blueprint, Response, request

from function.engine.engine import Engine
from function.service import Service
from function.web import reply
from function.web.admission import Prompt, admit
from function.web.body import any_fields, json_fields
from function.web.openai import ChatReply, model_card
from function.web.schema import Chat, ChatCompletion, Generation, Message, parse


def blueprint(service: Service) -> Blueprint:
    """The routes, over one service."""
    routes = Blueprint("chat", __name__)
    created = int(time.time())

    def frame(asked: Generation) -> Callable[[], ChatReply]:
        logprobs = asked.alternatives() is not None
        return lambda: ChatReply(model=service.name, fingerprint=service.made.fingerprint, logprobs=logprobs)

    @routes.post("/")
    @routes.post("/chat")
    def chat() -> Response:
        fields, typed = any_fields(request)
        asked = parse(Chat, fields, strict=typed)
        turn = admit(service, asked, chat_prompt(service, asked.conversation()))
        if request.accept_mimetypes.best_match(["text/plain", "text/event-stream"]) == "text/event-stream":
            return reply.events(service, turn, frame(asked), include_usage=asked.include_usage())
        return reply.text(service, turn)

    @routes.post("/v1/chat/completions")
    def chat_completions() -> Response:
        asked = parse(ChatCompletion, json_fields(request), strict=True)
        turn = admit(service, asked, chat_prompt(service, asked.messages))
        if asked.stream:
            return reply.events(service, turn, frame(asked), include_usage=asked.include_usage())
        return reply.whole(service, turn, frame(asked))

    @routes.get("/v1/models")
    def models() -> dict[str, object]:
        return {"object": "list", "data": [model_card(service.name, created)]}

    @routes.get("/v1/models/<path:name>")
    def model(name: str) -> dict[str, object]:
        return model_card(service.name, created)

    return routes


def chat_prompt(service: Service, messages: Sequence[Message]) -> Callable[[Engine], Prompt]:
    """What makes the prompt that answers ``messages``."""

    def prompt(engine: Engine) -> Prompt:
        return Prompt(engine.chat_tokens(conversation(service, messages)))

    return prompt


def conversation(service: Service, messages: Sequence[Message]) -> list[dict[str, str]]:
    """``messages`` as templates take them, after SYSTEM_PROMPT when they bring no system message of their own."""
    plain = [message.plain() for message in messages]
    if service.system_prompt and plain[0]["role"] != "system":
        plain.insert(0, {"role": "system", "content": service.system_prompt})
    return plain
