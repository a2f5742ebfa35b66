"""POST /v1/completions: a prompt as it is, without a chat template."""

from flask import Blueprint, Response, request

from function.engine import Engine
from function.lifecycle.service import Service
from function.web.admission import admit
from function.web.reply import respond
from function.web.reply.openai import TextReply
from function.web.request.body import json_fields
from function.web.request.prompt import Prompt
from function.web.request.schema import Completion, parse


def blueprint(service: Service) -> Blueprint:
    """The route, over one service."""
    routes = Blueprint("completions", __name__)

    @routes.post("/v1/completions")
    def completions() -> Response:
        asked = parse(Completion, json_fields(request), strict=True)
        turn = admit(service, asked, lambda engine: _prompt(engine, asked))

        def frame() -> TextReply:
            logprobs = asked.logprobs is not None
            return TextReply(model=service.name, fingerprint=service.provenance.fingerprint, logprobs=logprobs)

        if asked.stream:
            return respond.events(service, turn, frame, include_usage=asked.include_usage())
        return respond.whole(service, turn, frame)

    return routes


def _prompt(engine: Engine, asked: Completion) -> Prompt:
    given = asked.prompt
    if isinstance(given, str):
        tokens = engine.tokenize(given, add_special=True, parse_special=True)
        return Prompt(tuple(tokens), "prompt", given if asked.echo else None)
    return Prompt(tuple(given), "prompt", engine.detokenize(given) if asked.echo else None)
