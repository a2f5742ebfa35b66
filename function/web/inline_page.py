"""Pages in one response each: with one request per instance, a page of many files would start many instances."""

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from flask import Response, request


@dataclass(frozen=True, slots=True)
class InlinePage:
    """One HTML page. ``body`` is UTF-8, ``gzipped`` the same for clients that accept it; the etag is quoted."""

    body: bytes
    gzipped: bytes
    content_security_policy: str
    etag: str

    @classmethod
    def build(cls, text: str, scripts: Iterable[str], styles: Iterable[str], *directives: str) -> "InlinePage":
        """Return the page ``text``, which may run its ``scripts``, apply its ``styles`` and call its own server alone.

        ``directives`` are added to its Content-Security-Policy.
        """
        import gzip

        body = text.encode()
        policy = (
            "default-src 'none'",
            f"script-src {' '.join(map(_hash_source, scripts))}",
            f"style-src {' '.join(map(_hash_source, styles))}",
            "img-src data:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            *directives,
        )
        etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        return cls(body, gzip.compress(body, 9, mtime=0), "; ".join(policy), etag)

    def response(self) -> Response:
        """Return the response to the current request: compressed where accepted, 304 for a known etag."""
        zipped = request.accept_encodings.quality("gzip") > 0
        response = Response(self.gzipped if zipped else self.body, mimetype="text/html")
        if zipped:
            response.headers["Content-Encoding"] = "gzip"
        response.headers["Vary"] = "Accept-Encoding"
        response.headers["ETag"] = self.etag
        response.headers["Cache-Control"] = "no-cache"
        response.headers["Content-Security-Policy"] = self.content_security_policy
        response.make_conditional(request)
        return response


def _hash_source(text: str) -> str:
    """Return the source expression that allows the inline script or style ``text``."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
