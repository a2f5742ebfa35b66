"""Paths: other spellings that clients use, and the known path nearest to an unknown one."""

import re
from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask

ALIASES = {
    "/health": "/health/ready",
    "/v1/health": "/health/ready",
    "/models": "/v1/models",
    "/chat/completions": "/v1/chat/completions",
    "/chat/completions/input_tokens": "/v1/chat/completions/input_tokens",
    "/responses": "/v1/responses",
    "/responses/input_tokens": "/v1/responses/input_tokens",
    "/messages": "/v1/messages",
    "/embedding": "/v1/embeddings",
    "/embeddings": "/v1/embeddings",
    "/rerank": "/v1/rerank",
    "/reranking": "/v1/rerank",
    "/v1/reranking": "/v1/rerank",
    "/v2/rerank": "/v1/rerank",
}
"""Paths of llama-server, of Cohere, and of clients whose base URL lacks ``/v1``, with the paths here."""
_SLASHES = re.compile("//+")


def accept_aliases(app: Flask) -> None:
    """Serve ALIASES, double slashes and trailing slashes as the path that is meant, without a redirect."""
    inner: Callable[..., Iterable[bytes]] = app.wsgi_app

    def wsgi_app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        return inner(environ | {"PATH_INFO": canonical_path(environ.get("PATH_INFO", "/"))}, start_response)

    app.wsgi_app = wsgi_app  # type: ignore[method-assign]  # as Flask documents it for middleware


def canonical_path(path: str) -> str:
    """Return ``path`` without double and trailing slashes, or the path it is an alias of."""
    path = _SLASHES.sub("/", path).rstrip("/") or "/"
    return ALIASES.get(path, path)


def nearest_path(app: Flask, path: str) -> str | None:
    """Return the method and path of the route that is most like ``path``; None if none is like it."""
    from difflib import get_close_matches  # for mistakes alone

    routes = {rule.rule: rule.methods or set() for rule in app.url_map.iter_rules() if "<" not in rule.rule}
    nearest = get_close_matches(path.lower(), routes, n=1, cutoff=0.75)
    return next((f"{'POST' if 'POST' in routes[found] else 'GET'} {found}" for found in nearest), None)
