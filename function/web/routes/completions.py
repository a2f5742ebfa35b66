"""The endpoints that generate a reply, and those that describe the model."""

import itertools
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from flask import Blueprint, request

from function.engine import Engine
from function.lifecycle.service import Service
from function.web.generation_stream import GenerationStream, loaded_engine
from function.web.reply import respond
from function.web.reply.llama import LlamaReply, join_replies
from function.web.reply.openai import ChatReply, TextReply, join_choices
from function.web.request.body import json_fields
from function.web.request.chat_prompt import ChatPrompt
from function.web.request.schema import Chat, ChatCompletion, Completion, LlamaCompletion, OnePrompt, Prompt, PromptText


def blueprint(service: Service) -> Blueprint:
    """Return the routes, over one service."""
    routes = Blueprint("completions", __name__)

    def shared_fields(stream: GenerationStream, prefix: str) -> Callable[[], dict[str, Any]]:
        """Return a function that returns the fields of the next choice that all replies in OpenAI's form have."""
        body, indexes = stream.body, itertools.count()
        identity = {"id": f"{prefix}-{uuid.uuid4().hex}", "created": int(time.time())}

        def fields() -> dict[str, Any]:
            index = next(indexes)
            return identity | {
                "model": service.name,
                "fingerprint": service.provenance.fingerprint,
                "logprobs": body.alternatives is not None,
                "timed": body.timings_per_token,
                "metered": body.return_progress,
                "verbose": llama_reply(stream, index) if body.verbose else None,
                "index": index,
            }

        return fields

    def chat_format(stream: GenerationStream, prompt: ChatPrompt) -> respond.MakeFormat:
        fields = shared_fields(stream, "chatcmpl")
        return lambda: ChatReply(**fields(), reader=prompt.reader(), new_id=prompt.new_id)

    def llama_reply(stream: GenerationStream, index: int) -> LlamaReply:
        """Return the format of a choice in llama.cpp's own form."""
        engine, body, job = service.engine, stream.body, stream.jobs[index]
        native = body if isinstance(body, LlamaCompletion) else None
        return LlamaReply(
            model=service.name,
            job=job,
            prompt=b"".join(engine.token_pieces(job.prompt)).decode(errors="replace"),
            n_ctx=engine.n_ctx,
            index=index,
            stream=body.stream,
            timed=body.timings_per_token,
            metered=body.return_progress,
            returns_tokens=native is not None and native.return_tokens,
            fields=native.response_fields if native else (),
        )

    def openai_completion(body: Completion) -> Any:
        stream = GenerationStream(service, body, lambda engine: _text_prompts(engine, body.prompts, echo=body.echo))
        fields = shared_fields(stream, "cmpl")
        return respond.send(stream, lambda: TextReply(**fields()), join_choices)

    def llama_completion(body: LlamaCompletion) -> Any:
        stream = GenerationStream(service, body, lambda engine: _text_prompts(engine, body.prompts))
        indexes = itertools.count()
        return respond.send(stream, lambda: llama_reply(stream, next(indexes)), join_replies, done=b"")

    @routes.post("/")
    @routes.post("/chat")
    def chat() -> Any:
        body = Chat.from_any(request)
        prompt = ChatPrompt(service, body.conversation, thinking=body, stops=body.stop_strings)
        stream = GenerationStream(service, body, prompt.prompt)
        if request.accept_mimetypes.best_match(["text/plain", respond.EVENTS]) == respond.EVENTS:
            return respond.send_events(stream, chat_format(stream, prompt))
        return respond.send_text(stream, prompt.reader)

    @routes.post("/v1/chat/completions")
    def chat_completions() -> Any:
        body = ChatCompletion.from_json(request)
        prompt = ChatPrompt(service, body.messages, body, stops=body.stop_strings)
        stream = GenerationStream(service, body, prompt.prompt)
        return respond.send(stream, chat_format(stream, prompt), join_choices)

    @routes.post("/v1/chat/completions/input_tokens")
    def count_tokens() -> dict[str, Any]:
        body = ChatCompletion.from_json(request)
        prompt = ChatPrompt(service, body.messages, body)
        return {"object": "response.input_tokens", "input_tokens": prompt.count(loaded_engine(service, body))}

    @routes.post("/v1/completions")
    def completions() -> Any:
        return openai_completion(Completion.from_json(request))

    @routes.post("/completion")
    def completion() -> Any:
        return llama_completion(LlamaCompletion.from_json(request))

    @routes.post("/completions")
    def either_completion() -> Any:
        """Answer clients of OpenAI's API, which name a model, and those of llama.cpp's."""
        fields = json_fields(request)
        if "model" in fields:
            return openai_completion(Completion.parse(fields, strict=True))
        return llama_completion(LlamaCompletion.parse(fields, strict=True))

    @routes.post("/apply-template")
    def apply_template() -> dict[str, Any]:
        body = ChatCompletion.from_json(request)
        return {"prompt": ChatPrompt(service, body.messages, body).text(loaded_engine(service, body))}

    @routes.get("/v1/models")
    def models() -> dict[str, Any]:
        return {"object": "list", "data": [model("")]}

    @routes.get("/v1/models/<path:name>")
    def model(name: str) -> dict[str, Any]:
        card = {"id": service.name, "object": "model", "created": service.created_at, "owned_by": "local"}
        if service.status().state != "ready":
            return card
        engine = service.engine
        sizes: dict[str, int | None] = {"n_ctx": engine.n_ctx, "n_ctx_train": engine.n_ctx_train}
        sizes |= {"n_vocab": engine.n_vocab, "size": loaded.fetched.size if (loaded := service.loaded) else None}
        card["kind"] = engine.kind
        return card | {"context_length": engine.n_ctx, "max_model_len": engine.n_ctx, "meta": sizes}

    @routes.get("/props")
    def properties() -> dict[str, Any]:
        engine = service.engine
        return {
            "default_generation_settings": {
                "n_ctx": engine.n_ctx,
                "params": asdict(service.sampling(engine))
                | {"seed": -1, "n_predict": service.settings.max_tokens or -1},
            },
            "total_slots": 1,
            "model_alias": service.name,
            "model_path": loaded.fetched.name if (loaded := service.loaded) else "",
            "chat_template": engine.chat_template or "",
            "modalities": {"vision": False, "audio": False},
            "build_info": service.provenance.build,
        }

    @routes.get("/slots")
    def slots() -> list[dict[str, Any]]:
        engine = service.engine
        busy = len(service.runner.queue) > 0
        return [{"id": 0, "n_ctx": engine.n_ctx, "speculative": False, "is_processing": busy}]

    return routes


def _text_prompts(engine: Engine, prompts: Sequence[OnePrompt], *, echo: bool = False) -> list[Prompt]:
    """Return the prompts of a request without a chat template."""
    made = []
    for given in prompts:
        parts = [given.prompt_string] if isinstance(given, PromptText) else [given] if isinstance(given, str) else given
        tokens: list[int] = []
        for part in parts:
            tokens += [part] if isinstance(part, int) else _tokens(engine, part, first=not tokens)
        text = given if isinstance(given, str) else engine.detokenize(tokens) if echo else None
        made.append(Prompt(tuple(tokens), "prompt", text if echo else None))
    return made


def _tokens(engine: Engine, text: str, *, first: bool) -> list[int]:
    engine.check_length(text, param="prompt")
    return engine.tokenize(text, add_special=first, parse_special=True)
