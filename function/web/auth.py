"""Authentication by API_KEY."""

import functools
import hmac
from collections.abc import Callable

from flask import Flask, g, request

from function.errors import Unauthorized

OPEN_PATHS = frozenset(("/events", "/health/live", "/health/ready", "/docs", "/openapi.json"))
"""Paths that platforms, schedulers and browsers request without a key; none of them reaches the model."""


REQUEST_CONTEXT = "x-amzn-request-context"
"""Header that Lambda's web adapter always sets: the context of an HTTP request, or null for an event."""


def guard(
    app: Flask,
    read_key: Callable[[], str | None],
    *,
    on_lambda: bool = False,
    platform_paths: frozenset[str] = frozenset(),
) -> None:
    """Require the key of ``read_key``, where there is one, for all but OPEN_PATHS and ``platform_paths``."""
    open_paths = OPEN_PATHS | platform_paths

    @app.before_request
    def check_key() -> None:
        page = request.path == "/" and request.method in ("GET", "HEAD")
        if page or request.path in open_paths or request.method == "OPTIONS":
            g.has_key = functools.cache(lambda: (on_lambda and _is_event()) or _matches(read_key()))
        elif not _matches(read_key()):
            raise Unauthorized("Send the key: 'Authorization: Bearer KEY' or 'x-api-key: KEY'.")


def has_key() -> bool:
    """Return True if the current request, of an open path, has the key, needs none, or is an event of Lambda."""
    found: bool = g.has_key()
    return found


def _matches(expected: str | None) -> bool:
    """Return True if the current request has the key ``expected``, or there is none."""
    if expected is None:
        return True
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    bearer = token.strip() if scheme.lower() == "bearer" else ""
    # Either will do: where Authorization carries the platform's own token, the key comes in x-api-key.
    # WSGI decodes header values as latin-1, whatever their encoding.
    given = (value.encode("latin-1", "replace") for value in (bearer, request.headers.get("x-api-key", "")))
    return any(hmac.compare_digest(value, expected.encode()) for value in given)


def _is_event() -> bool:
    """Return True for an event that the adapter passes on from those who may invoke the function."""
    return request.headers.get(REQUEST_CONTEXT, "").strip() == "null"
