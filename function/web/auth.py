"""Authentication by API_KEY, and cross-origin access by CORS_ORIGINS."""

import hmac
from collections.abc import Set
from urllib.parse import urlsplit

from flask import Flask, Response, request

from function.errors import Unauthorized
from function.settings import Settings
from function.web.api_key import api_key_reader

OPEN_PATHS = frozenset(("/events", "/health/live", "/health/ready", "/docs", "/openapi.json"))
"""Paths that platforms, schedulers and browsers request without a key; none of them reaches the model."""

LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")
"""Hosts of origins that CORS_ORIGINS=localhost allows, with any scheme and port."""


def guard(app: Flask, settings: Settings) -> None:
    """Require API_KEY where it is set, and answer cross-origin requests of CORS_ORIGINS."""
    read_key = api_key_reader(settings)
    allowed = frozenset(origin.rstrip("/").lower() for origin in settings.cors_origins)

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

    @app.after_request
    def allow_origin(response: Response) -> Response:
        origin = request.headers.get("Origin")
        if not allowed:
            return response
        response.vary.add("Origin")
        if origin is not None and _is_allowed(origin.lower(), allowed):
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = (
                "x-request-id, server-timing, retry-after, x-ignored-fields"
            )
            if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
                response.headers["Access-Control-Allow-Methods"] = "GET, POST"
                # OpenAI's client in a browser sends a dozen headers of its own.
                wanted = request.headers.get("Access-Control-Request-Headers", "authorization, content-type, x-api-key")
                response.headers["Access-Control-Allow-Headers"] = wanted
                response.headers["Access-Control-Max-Age"] = "3600"
        return response


def _is_allowed(origin: str, allowed: Set[str]) -> bool:
    try:
        local = "localhost" in allowed and urlsplit(origin).hostname in LOOPBACK_HOSTS
    except ValueError:  # an unbalanced bracket
        local = False
    return local or origin in allowed or "*" in allowed
