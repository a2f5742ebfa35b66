"""A client of a running function: asks, and reads what is streamed."""

import json
import urllib.error
import urllib.request
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from function.errors import Unavailable

PATIENCE = 600.0  # seconds without a word; a function that waits says so every second


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is being waited for: ``fetching 41% eta 3.2s``."""

    text: str


@dataclass(frozen=True, slots=True)
class Piece:
    """The next piece of the reply."""

    text: str


@dataclass(frozen=True, slots=True)
class End:
    """The reply is whole. ``receipt``: see docs/observability.md; empty from a server that knows none."""

    receipt: Mapping[str, Any]


def ask(
    url: str, messages: Sequence[Mapping[str, str]], headers: Mapping[str, str], max_tokens: int | None = None
) -> Generator[Waiting | Piece | End, None, None]:
    """Ask the function at ``url``; ends with End. Raises Unavailable with what it, or the way to it, said."""
    body: dict[str, Any] = {"messages": messages, "stream": True, "stream_options": {"include_usage": True}}
    if max_tokens is not None:
        body["max_tokens"] = max_tokens
    request = urllib.request.Request(  # noqa: S310  the scheme is checked by who calls
        url.rstrip("/") + "/v1/chat/completions",
        json.dumps(body).encode(),
        {"Content-Type": "application/json", **headers},
    )
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:  # noqa: S310
            yield from _read(url, (line.decode().rstrip("\r\n") for line in response))
    except urllib.error.HTTPError as e:
        with e:
            raise Unavailable(f"{url} answered {e.code}: {_sentence(e.read().decode(errors='replace'))}") from e
    except OSError as e:
        raise Unavailable(f"{url}: no answer ({getattr(e, 'reason', e)}). Is the function running there?") from e


def _read(url: str, lines: Iterator[str]) -> Iterator[Waiting | Piece | End]:
    receipt: Mapping[str, Any] = {}
    for line in lines:
        if line.startswith(": "):
            yield Waiting(line[2:])
        elif line == "event: error":
            raise Unavailable(f"{url}: {_sentence(next(lines, '')[6:])}")
        elif line == "data: [DONE]":
            yield End(receipt)
            return
        elif line.startswith("data: "):
            chunk = json.loads(line[6:])
            receipt = chunk.get("receipt", receipt)
            for choice in chunk["choices"]:
                if text := choice["delta"].get("content"):
                    yield Piece(text)
    raise Unavailable(f"{url}: the reply broke off.")


def _sentence(body: str) -> str:
    """An error object's message; what came instead, if it is none."""
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return body.strip()[:200] or "nothing"
