"""Server-sent events as bytes. Pure."""

import json
from typing import Any

DONE = b"data: [DONE]\n\n"


def dumps(value: Any) -> str:
    """Return compact JSON, without escapes for characters beyond ASCII."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def data(value: Any) -> bytes:
    """Return an event with ``value`` as JSON."""
    return f"data: {dumps(value)}\n\n".encode("utf-8", "replace")


def event(name: str, value: Any) -> bytes:
    """Return an event named ``name`` with ``value`` as JSON."""
    return f"event: {name}\n".encode() + data(value)


def comment(text: str) -> bytes:
    """Return a comment: clients ignore it, and it keeps the connection open."""
    return f": {' '.join(text.split())}\n\n".encode()
