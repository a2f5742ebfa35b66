"""Server-sent events as bytes. Pure."""

import json
from typing import Any

DONE = b"data: [DONE]\n\n"
MIMETYPE = "text/event-stream"


def dumps(value: Any) -> str:
    """Compact JSON, characters as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def data(value: Any) -> bytes:
    """One event that carries JSON."""
    return f"data: {dumps(value)}\n\n".encode("utf-8", "replace")


def event(name: str, value: Any) -> bytes:
    """One named event that carries JSON."""
    return f"event: {name}\n".encode() + data(value)


def comment(text: str) -> bytes:
    """A line that every client ignores and that keeps the connection and the reader's patience alive."""
    return f": {' '.join(text.split())}\n\n".encode()
