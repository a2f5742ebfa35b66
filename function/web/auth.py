"""Authentication by API_KEY."""

import hmac
from collections.abc import Callable

from flask import Flask, request

from function.errors import Unauthorized

OPEN_PATHS = frozenset(("/events", "/health/live", "/health/ready", "/docs", "/openapi.json"))
"""Paths that platforms, schedulers and browsers request without a key; none of them reaches the model."""


def guard(app: Flask, read_key: Callable[[], str | None]) -> None:
    """Require the key of ``read_key``, where there is one."""

    @app.before_request
    def check_key() -> None:
        page = request.path == "/" and request.method in ("GET", "HEAD")
        if page or request.path in OPEN_PATHS or request.method == "OPTIONS":
            return
        expected = read_key()
        if expected is None:
            return
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        bearer = token.strip() if scheme.lower() == "bearer" else ""
        # Either will do: where Authorization carries the platform's own token, the key comes in x-api-key.
        # WSGI decodes header values as latin-1, whatever their encoding.
        given = (value.encode("latin-1", "replace") for value in (bearer, request.headers.get("x-api-key", "")))
        if not any(hmac.compare_digest(value, expected.encode()) for value in given):
            raise Unauthorized("Send the key: 'Authorization: Bearer KEY' or 'x-api-key: KEY'.")
