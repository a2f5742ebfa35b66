"""What needs the vocabulary or the chat template alone, in llama-server's shapes. None of it waits in the line."""

from typing import Any

from flask import Blueprint, request

from function.lifecycle.service import Service
from function.web.admission import loaded
from function.web.request.body import json_fields
from function.web.request.chat_prompt import ChatPrompt
from function.web.request.schema import ChatCompletion, Detokenize, Tokenize, parse


def blueprint(service: Service) -> Blueprint:
    """The routes, over one service."""
    routes = Blueprint("tokens", __name__)

    @routes.post("/tokenize")
    def tokenize() -> dict[str, Any]:
        asked = parse(Tokenize, json_fields(request), strict=True)
        engine = loaded(service)
        tokens = engine.tokenize(asked.content, add_special=asked.add_special, parse_special=asked.parse_special)
        if not asked.with_pieces:
            return {"tokens": tokens}
        pieces = map(_piece, engine.token_pieces(tokens))
        return {"tokens": [{"id": token, "piece": piece} for token, piece in zip(tokens, pieces, strict=True)]}

    @routes.post("/detokenize")
    def detokenize() -> dict[str, Any]:
        asked = parse(Detokenize, json_fields(request), strict=True)
        return {"content": b"".join(loaded(service).token_pieces(asked.tokens)).decode(errors="replace")}

    @routes.post("/apply-template")
    def apply_template() -> dict[str, Any]:
        asked = parse(ChatCompletion, json_fields(request), strict=True)
        return {"prompt": ChatPrompt(service, asked.messages, asked).text(loaded(service))}

    return routes


def _piece(data: bytes) -> str | list[int]:
    """A token's text, or its bytes where they are no text by themselves."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return list(data)
