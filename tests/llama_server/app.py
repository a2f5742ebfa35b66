"""The function, with fields for every generating request that does not set them."""

import io
import json
import os
from collections.abc import Iterable
from typing import Any

from function.main import app

DEFAULTS: dict[str, Any] = json.loads(os.environ["REQUEST_DEFAULTS"])
LIMITS = frozenset(("n_predict", "max_tokens", "max_completion_tokens"))
PATHS = ("/completion", "/completions", "/chat/completions", "/apply-template", "/responses", "/messages")

_inner = app.wsgi_app


def _with_defaults(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    if environ["REQUEST_METHOD"] == "POST" and environ["PATH_INFO"].endswith(PATHS):
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        try:
            fields = json.loads(body)
        except ValueError:
            fields = None
        if isinstance(fields, dict):
            limited = bool(LIMITS & fields.keys())
            added = {name: value for name, value in DEFAULTS.items() if not (limited and name in LIMITS)}
            body = json.dumps(added | {name: value for name, value in fields.items() if value is not None}).encode()
        environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
    return _inner(environ, start_response)


app.wsgi_app = _with_defaults  # type: ignore[method-assign]  # as Flask documents it for middleware
