"""Client of a running function: sends a request and reads the stream."""

import json
import urllib.error
import urllib.request
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from function.errors import RequestError, Unavailable

REJECTED_STATUSES = range(400, 500)
READ_TIMEOUT_SECONDS = 600.0  # a function that waits sends a comment every second


@dataclass(frozen=True, slots=True)
class StreamProgress:
    """Progress before the reply: ``fetching 41% eta 3.2s``."""

    text: str


@dataclass(frozen=True, slots=True)
class Piece:
    """Next piece of the reply."""

    text: str


@dataclass(frozen=True, slots=True)
class End:
    """End of the reply. ``receipt``: see docs/observability.md; empty if the server sends none."""

    receipt: Mapping[str, Any]


def ask(
    url: str, messages: Sequence[Mapping[str, str]], headers: Mapping[str, str], max_tokens: int | None = None
) -> Generator[StreamProgress | Piece | End, None, None]:
    """Send a request to the function at ``url`` and yield its events; End is the last.

    Raises Unavailable. Its evidence has the function's own message in ``answer``, and ``rejected``: True if only this
    request is at fault.
    """
    body: dict[str, Any] = {"messages": messages, "stream": True, "stream_options": {"include_usage": True}}
    if max_tokens is not None:
        body["max_tokens"] = max_tokens
    request = urllib.request.Request(  # noqa: S310  the caller checks the scheme
        url.rstrip("/") + "/v1/chat/completions",
        json.dumps(body).encode(),
        {"Content-Type": "application/json", **headers},
    )
    try:
        with urllib.request.urlopen(request, timeout=READ_TIMEOUT_SECONDS) as response:  # noqa: S310
            yield from _read(url, (line.decode().rstrip("\r\n") for line in response))
    except urllib.error.HTTPError as e:
        with e:
            answer, rejected = _parse_error(e.read().decode(errors="replace"))
            rejected = rejected or e.code in REJECTED_STATUSES
            raise Unavailable(f"{url} answered {e.code}: {answer}", answer=answer, rejected=rejected) from e
    except OSError as e:
        raise Unavailable(f"{url}: no answer ({getattr(e, 'reason', e)}). Is the function running there?") from e


def _read(url: str, lines: Iterator[str]) -> Iterator[StreamProgress | Piece | End]:
    receipt: Mapping[str, Any] = {}
    for line in lines:
        if line.startswith(": "):
            yield StreamProgress(line[2:])
        elif line == "event: error":
            answer, rejected = _parse_error(next(lines, "")[6:])
            raise Unavailable(f"{url}: {answer}", answer=answer, rejected=rejected)
        elif line == "data: [DONE]":
            yield End(receipt)
            return
        elif line.startswith("data: "):
            chunk = json.loads(line[6:])
            receipt = chunk.get("receipt", receipt)
            for choice in chunk["choices"]:
                if text := choice["delta"].get("content"):
                    yield Piece(text)
    raise Unavailable(f"{url}: the connection was closed before the end of the reply.")


def _parse_error(body: str) -> tuple[str, bool]:
    """Return the message of an error object, or the body itself, and True if the request is at fault."""
    try:
        error = json.loads(body)["error"]
        return str(error["message"]), error.get("type") == RequestError.type
    except (ValueError, KeyError, TypeError, AttributeError):
        return body.strip()[:200] or "nothing", False
