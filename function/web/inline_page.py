"""Pages that are one response each. With one request per instance, a page of many files would start many instances."""

import base64
import hashlib
from dataclasses import dataclass

from flask import Response, request


@dataclass(frozen=True, slots=True)
class InlinePage:
    """One response: ``body`` is UTF-8 HTML, ``gzipped`` the same for clients that accept it; the etag is quoted."""

    body: bytes
    gzipped: bytes
    content_security_policy: str
    etag: str


def page(text: str, policy: str) -> InlinePage:
    """``text`` as a page; ``policy`` is what it may do."""
    import gzip

    body = text.encode()
    return InlinePage(
        body=body,
        gzipped=gzip.compress(body, 9, mtime=0),
        content_security_policy=policy,
        etag=f'"{hashlib.sha256(body).hexdigest()[:32]}"',
    )


def source(text: str) -> str:
    """What a policy allows the inline script or style ``text`` by."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def send(page: InlinePage) -> Response:
    """``page``, zipped for those who take it so; nothing for those who have it already."""
    zipped = request.accept_encodings.quality("gzip") > 0
    response = Response(page.gzipped if zipped else page.body, mimetype="text/html")
    if zipped:
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Vary"] = "Accept-Encoding"
    response.headers["ETag"] = page.etag
    response.headers["Cache-Control"] = "no-cache"
    response.headers["Content-Security-Policy"] = page.content_security_policy
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.make_conditional(request)
    return response
