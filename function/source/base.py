"""Interface of a store: the description of an object, and requests for ranges of exactly that version of it."""

import ssl
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import InvalidURL
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from function.errors import AccessDenied, ObjectChanged, ObjectNotFound, SourceError
from function.source.http_client import MAX_REPLY_BYTES, Reply, Request, WireError, exchange

CA_REMEDY = (
    "If a proxy or the store has a certificate of your organisation, set SSL_CERT_FILE, REQUESTS_CA_BUNDLE or, for S3, "
    "AWS_CA_BUNDLE to a file with its authority."
)
TRANSIENT_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that do not concern the object: the same request may succeed a moment later."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One version of one object.

    ``version`` differs whenever the bytes do. ``checksums`` are of the whole object, as lower-case hexadecimal digits
    under ``crc32c``, ``crc64nvme``, ``crc32`` or ``sha256``; empty where the store keeps none. ``size`` is None where
    the server states none, and ``ranges`` False where it cannot send a part: then the object comes in one piece.
    ``validated`` is False where the store states neither a version nor a time of change: then ``version`` identifies
    no bytes, and a response does not show whether the object was replaced.
    """

    uri: str
    size: int | None
    version: str
    checksums: Mapping[str, str] = field(default_factory=dict)
    ranges: bool = True
    validated: bool = True


class Source(ABC):
    """Object by its URI. Thread-safe once ``describe`` has returned.

    Its errors are SourceErrors whose message names the object and the remedy.
    """

    uri: str
    ca_bundle: str | None = None
    """File or folder with the certificate authorities for its requests; None stands for the system's."""

    @property
    def local(self) -> Path | None:
        """Path of an object that is a file of this machine, to be used in place."""
        return None

    @abstractmethod
    def describe(self) -> ObjectInfo:
        """Ask the store for the current state of the object. Raises SourceError."""

    @abstractmethod
    def request(self, info: ObjectInfo, start: int, stop: int) -> Request:
        """Return a signed GET for bytes ``start`` … ``stop`` − 1; for the whole object unless ``info.ranges``."""

    @abstractmethod
    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> SourceError:
        """Return the error for a response that does not carry the bytes."""

    @abstractmethod
    def check(self, info: ObjectInfo, headers: Mapping[str, str]) -> None:
        """Raise ObjectChanged if the response belongs to another version."""

    def renew(self) -> bool:
        """Discard the credentials so that the next request gets new ones; return False if there are no others."""
        return False

    def read(self, info: ObjectInfo, start: int, buffer: memoryview) -> None:
        """Fill ``buffer`` from byte ``start``, for headers and other small pieces. Raises SourceError."""
        if not len(buffer):
            return
        status, headers, body = self._exchange(self.request(info, start, start + len(buffer)), limit=len(buffer))
        if status == 200 and not info.ranges and start == 0:
            status = 206
        if status != 206:
            raise self.failure(status, headers, body)
        if len(body) != len(buffer):
            raise SourceError(
                f"{self.uri}: requested {len(buffer)} bytes at {start}, got {len(body)}.", uri=self.uri, start=start
            )
        buffer[:] = body

    def _exchange(self, request: Request, *, limit: int = MAX_REPLY_BYTES) -> Reply:
        """Send a small request; return status, headers and at most ``limit`` bytes. Raises SourceError."""
        try:
            return exchange(request, limit=limit)
        except WireError as e:
            raise connection_error(self.uri, request.url, e) from e


def range_header(info: ObjectInfo, start: int, stop: int) -> dict[str, str]:
    """Return the header that requests a range, empty if the server supports none."""
    return {"range": f"bytes={start}-{stop - 1}"} if info.ranges else {}


def host_of(url: str) -> str:
    """Return the host of a URL and its port if given: the part that an error message may quote."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "an invalid host"
    host = f"[{host}]" if ":" in host else host
    return host if port is None else f"{host}:{port}"


def connection_error(uri: str, url: str, error: BaseException) -> SourceError:
    """Return the error for a connection that failed or was interrupted."""
    host, cause = host_of(url), type(error).__name__
    if str(error) and not isinstance(error, InvalidURL):  # its message quotes the URL with its query
        cause = f"{cause}: {error}"
    untrusted = isinstance(error, ssl.SSLCertVerificationError)
    remedy = f" {CA_REMEDY}" if untrusted else ""
    failure = SourceError(f"{uri}: no connection to {host} ({cause}).{remedy}", uri=uri, host=host)
    failure.permanent = untrusted
    return failure


def is_encoded(encoding: str) -> bool:
    """Return True if a ``Content-Encoding`` changes the bytes. ``aws-chunked`` concerns the upload alone."""
    return any(token.strip().lower() not in ("", "identity", "aws-chunked") for token in encoding.split(","))


def is_web_page(headers: Mapping[str, str]) -> bool:
    """Return True for a page that a proxy or an overloaded server sends in place of an object: it has no version."""
    stated = headers.get("etag") or headers.get("last-modified")
    return not stated and headers.get("content-type", "").lower().startswith("text/html")


def page_error(uri: str, url: str) -> SourceError:
    """Return the error for a web page in place of an object."""
    return SourceError(f"{uri}: {host_of(url)} sent a web page in place of the object.", uri=uri)


def encoding_error(uri: str, encoding: str) -> SourceError:
    """Return the permanent error for an object that its store keeps compressed."""
    error = SourceError(
        f"{uri}: the object is stored with the content encoding {encoding}. Store it again without compression and "
        "without a Content-Encoding.",
        uri=uri,
        encoding=encoding,
    )
    error.permanent = True
    return error


def status_error(uri: str, status: int, *, hint: str = "", detail: str = "") -> SourceError:
    """Return the error for a status. ``hint`` names the missing permission, ``detail`` is the store's own message."""
    quoted = f" The store's message: {detail.rstrip('. ')}." if detail else ""
    evidence: dict[str, Any] = {"uri": uri, "status_code": status, "detail": detail}
    if status in (401, 403):
        return AccessDenied(f"{uri}: access denied ({status}).{quoted} {hint}", **evidence)
    if status in (404, 410):
        return ObjectNotFound(f"{uri}: no such object or bucket ({status}).{quoted} Check the name.", **evidence)
    if status == 412:
        return ObjectChanged(f"{uri}: the object was replaced while it was read.", **evidence)
    return SourceError(f"{uri}: the store responded with status {status}.{quoted}", **evidence)
