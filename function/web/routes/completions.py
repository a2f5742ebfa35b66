"""The endpoints that generate a reply, and those that describe the model."""

import time
from dataclasses import asdict
from typing import Any

from flask import Blueprint, request

from function.engine import Engine, Sampling
from function.lifecycle.service import Service
from function.web.generation_stream import GenerationStream, loaded_engine
from function.web.reply import respond
from function.web.reply.openai import ChatReply, TextReply
from function.web.request.chat_prompt import ChatPrompt
from function.web.request.schema import Chat, ChatCompletion, Completion, GenerationRequest, Prompt


def blueprint(service: Service) -> Blueprint:
    """Return the routes, over one service."""
    routes = Blueprint("completions", __name__)
    created = int(time.time())

    def chat_reply(body: GenerationRequest, prompt: ChatPrompt) -> ChatReply:
        return ChatReply(
            model=service.name,
            fingerprint=service.provenance.fingerprint,
            logprobs=body.alternatives is not None,
            reader=prompt.reader(),
            new_id=prompt.new_id,
        )

    @routes.post("/")
    @routes.post("/chat")
    def chat() -> Any:
        body = Chat.from_any(request)
        prompt = ChatPrompt(service, body.conversation, thinking=body, stops=body.stop_strings)
        stream = GenerationStream(service, body, prompt.prompt)
        if request.accept_mimetypes.best_match(["text/plain", respond.EVENTS]) == respond.EVENTS:
            return respond.send_events(stream, lambda: chat_reply(body, prompt))
        return respond.send_text(stream, prompt.reader)

    @routes.post("/v1/chat/completions")
    def chat_completions() -> Any:
        body = ChatCompletion.from_json(request)
        prompt = ChatPrompt(service, body.messages, body, stops=body.stop_strings)
        stream = GenerationStream(service, body, prompt.prompt)
        return respond.send(stream, lambda: chat_reply(body, prompt))

    @routes.post("/v1/completions")
    def completions() -> Any:
        body = Completion.from_json(request)
        stream = GenerationStream(service, body, lambda engine: _text_prompt(engine, body))
        logprobs = body.logprobs is not None

        def reply() -> TextReply:
            return TextReply(model=service.name, fingerprint=service.provenance.fingerprint, logprobs=logprobs)

        return respond.send(stream, reply)

    @routes.post("/apply-template")
    def apply_template() -> dict[str, Any]:
        body = ChatCompletion.from_json(request)
        return {"prompt": ChatPrompt(service, body.messages, body).text(loaded_engine(service, body))}

    @routes.get("/v1/models")
    def models() -> dict[str, Any]:
        return {"object": "list", "data": [model("")]}

    @routes.get("/v1/models/<path:name>")
    def model(name: str) -> dict[str, Any]:
        card = {"id": service.name, "object": "model", "created": created, "owned_by": "local"}
        if service.status().state != "ready":
            return card
        engine = service.engine
        sizes = {"n_ctx": engine.n_ctx, "n_ctx_train": engine.n_ctx_train, "n_vocab": engine.n_vocab}
        return card | {"context_length": engine.n_ctx, "max_model_len": engine.n_ctx, "meta": sizes}

    @routes.get("/props")
    def properties() -> dict[str, Any]:
        engine = service.engine
        return {
            "default_generation_settings": {"n_ctx": engine.n_ctx, "params": asdict(Sampling())},
            "total_slots": 1,
            "model_alias": service.name,
            "chat_template": engine.chat_template,
            "modalities": {"vision": False, "audio": False},
            "build_info": service.provenance.build,
        }

    return routes


def _text_prompt(engine: Engine, body: Completion) -> Prompt:
    given = body.prompt
    if isinstance(given, str):
        tokens = engine.tokenize(given, add_special=True, parse_special=True)
        return Prompt(tuple(tokens), "prompt", given if body.echo else None)
    return Prompt(tuple(given), "prompt", engine.detokenize(given) if body.echo else None)
