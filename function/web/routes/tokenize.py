"""The endpoints that need the vocabulary alone, in llama-server's shapes. They take no place in the queue."""

from typing import Any

from flask import Blueprint, request

from function.lifecycle.service import Service
from function.web.generation_stream import loaded_engine
from function.web.request.schema import Detokenize, Tokenize


def blueprint(service: Service) -> Blueprint:
    """Return the routes, over one service."""
    routes = Blueprint("tokens", __name__)

    @routes.post("/tokenize")
    def tokenize() -> dict[str, Any]:
        body = Tokenize.from_json(request)
        engine = loaded_engine(service, body)
        tokens = engine.tokenize(body.content, add_special=body.add_special, parse_special=body.parse_special)
        if not body.with_pieces:
            return {"tokens": tokens}
        pieces = map(_piece, engine.token_pieces(tokens))
        return {"tokens": [{"id": token, "piece": piece} for token, piece in zip(tokens, pieces, strict=True)]}

    @routes.post("/detokenize")
    def detokenize() -> dict[str, Any]:
        body = Detokenize.from_json(request)
        return {"content": b"".join(loaded_engine(service, body).token_pieces(body.tokens)).decode(errors="replace")}

    return routes


def _piece(data: bytes) -> str | list[int]:
    """Return the text of a token, or its bytes where they are no text on their own."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return list(data)
