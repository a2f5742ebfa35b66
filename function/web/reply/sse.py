"""Server-sent events as bytes. Pure."""

import json
from typing import Any

DONE = b"data: [DONE]\n\n"
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
"""Made once: ``json.dumps`` makes one for each call that has options, which takes as long as a token's frame."""


def dumps(value: Any) -> str:
    """Return compact JSON, without escapes for characters beyond ASCII."""
    return _ENCODER.encode(value)


def data(value: Any) -> bytes:
    """Return an event with ``value`` as JSON."""
    return f"data: {dumps(value)}\n\n".encode("utf-8", "replace")


def event(name: str, value: Any) -> bytes:
    """Return an event named ``name`` with ``value`` as JSON."""
    return f"event: {name}\n".encode() + data(value)


def comment(text: str) -> bytes:
    """Return a comment: clients ignore it, and it keeps the connection open."""
    return f": {' '.join(text.split())}\n\n".encode()
