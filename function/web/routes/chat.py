"""The endpoints that chat: /, /chat, /v1/chat/completions and /v1/models."""

import time
from collections.abc import Callable

from flask import Blueprint, Response, request

from function.lifecycle.service import Service
from function.web.admission import admit
from function.web.reply import respond
from function.web.reply.openai import ChatReply, model_card
from function.web.request.body import any_fields, json_fields
from function.web.request.chat_prompt import ChatPrompt
from function.web.request.schema import Chat, ChatCompletion, GenerationRequest, parse


def blueprint(service: Service) -> Blueprint:
    """The routes, over one service."""
    routes = Blueprint("chat", __name__)
    created = int(time.time())

    def frame(asked: GenerationRequest, dialogue: ChatPrompt) -> Callable[[], ChatReply]:
        return lambda: ChatReply(
            model=service.name,
            fingerprint=service.provenance.fingerprint,
            logprobs=asked.alternatives() is not None,
            reader=dialogue.reader(),
            new_id=dialogue.new_id,
        )

    @routes.post("/")
    @routes.post("/chat")
    def chat() -> Response:
        fields, typed = any_fields(request)
        asked = parse(Chat, fields, strict=typed)
        dialogue = ChatPrompt(service, asked.conversation(), stops=asked.stops())
        turn = admit(service, asked, dialogue.prompt)
        if request.accept_mimetypes.best_match(["text/plain", "text/event-stream"]) == "text/event-stream":
            return respond.events(service, turn, frame(asked, dialogue), include_usage=asked.include_usage())
        return respond.text(service, turn, dialogue.reader)

    @routes.post("/v1/chat/completions")
    def chat_completions() -> Response:
        asked = parse(ChatCompletion, json_fields(request), strict=True)
        dialogue = ChatPrompt(service, asked.messages, asked, stops=asked.stops())
        turn = admit(service, asked, dialogue.prompt)
        if asked.stream:
            return respond.events(service, turn, frame(asked, dialogue), include_usage=asked.include_usage())
        return respond.whole(service, turn, frame(asked, dialogue))

    @routes.get("/v1/models")
    def models() -> dict[str, object]:
        return {"object": "list", "data": [model_card(service.name, created)]}

    @routes.get("/v1/models/<path:name>")
    def model(name: str) -> dict[str, object]:
        return model_card(service.name, created)

    return routes
