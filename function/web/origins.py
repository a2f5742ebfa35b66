"""Origins: the web pages that may use the function from a browser."""

import ipaddress
from urllib.parse import urlsplit

from flask import Flask, Response, request

from function.errors import OriginRejected
from function.settings import Settings

LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")
"""Hosts of origins that CORS_ORIGINS=localhost allows, with any scheme and port."""
PRIVATE_SUFFIXES = (".localhost", ".local", ".internal", ".lan", ".home.arpa")
"""Ends of names that no public DNS server resolves."""
PLATFORM_SUFFIXES = (".run.app", ".cloudfunctions.net", ".on.aws", ".amazonaws.com")
"""Ends of names that only Cloud Run and Lambda give."""


def restrict(app: Flask, settings: Settings) -> None:
    """Answer cross-origin requests of CORS_ORIGINS, and reject those of other pages where no key protects the model.

    Without a key, any page in the browser of a user could otherwise use a model on that user's machine or network, by a
    cross-site POST or under a name that it resolves to there (DNS rebinding).
    """
    allowed = frozenset(origin.rstrip("/").lower() for origin in settings.cors_origins)
    open_to_all = settings.api_key is None and settings.api_key_parameter is None

    def is_allowed(origin: str) -> bool:
        return "*" in allowed or origin in allowed or ("localhost" in allowed and _host(origin) in LOOPBACK_HOSTS)

    @app.before_request
    def reject_foreign_page() -> None:
        origin = request.headers.get("Origin", "").lower()
        if not origin or not open_to_all or request.method in ("GET", "HEAD", "OPTIONS") or is_allowed(origin):
            return
        if urlsplit(f"//{request.host}").netloc.lower() != origin.partition("://")[2] or not is_own_host(_host(origin)):
            raise OriginRejected(
                "A web page may use this function at its own address, or from an origin in CORS_ORIGINS. "
                "Add the page's origin there, or set API_KEY.",
                param="Origin",
            )

    @app.after_request
    def allow_origin(response: Response) -> Response:
        if not allowed:
            return response
        response.vary.add("Origin")
        origin = request.headers.get("Origin")
        if origin is not None and is_allowed(origin.lower()):
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = (
                "x-request-id, server-timing, retry-after, x-ignored-fields"
            )
            if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
                # With DELETE, which clients have, a page sees the 405 instead of a failure without a reason.
                response.headers["Access-Control-Allow-Methods"] = "GET, POST, DELETE, OPTIONS"
                # OpenAI's client in a browser sends a dozen headers of its own.
                wanted = request.headers.get("Access-Control-Request-Headers", "authorization, content-type, x-api-key")
                response.headers["Access-Control-Allow-Headers"] = wanted
                response.headers["Access-Control-Max-Age"] = "3600"
        return response


def is_own_host(host: str) -> bool:
    """Return True for a host that no attacker's DNS server can resolve to this function.

    These are addresses, names without a dot, private names and the platforms' names.
    """
    if not host or "." not in host or host.endswith(PRIVATE_SUFFIXES + PLATFORM_SUFFIXES):
        return bool(host)
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _host(origin: str) -> str:
    """Return the host of an origin; nothing for ``null`` and for what is no origin."""
    try:
        return urlsplit(origin).hostname or ""
    except ValueError:  # an unbalanced bracket
        return ""
