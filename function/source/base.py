"""What every store offers: what is the object, and a request for a range of exactly that version of it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import InvalidURL
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from function.errors import AccessDenied, ObjectChanged, ObjectNotFound, SourceError
from function.source.http_client import Request, WireError, ask

PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that say nothing about the object: the same question may be answered a moment later."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One version of one object.

    ``version`` differs whenever the bytes do. ``checksums`` are of the whole object, as lower-case hexadecimal digits
    under ``crc32c``, ``crc64nvme``, ``crc32`` or ``sha256``; empty where the store keeps none. ``size`` is None where
    the server states none, and ``ranges`` False where it cannot send a part: then the object comes in one piece.
    """

    uri: str
    size: int | None
    version: str
    checksums: Mapping[str, str] = field(default_factory=dict)
    ranges: bool = True


class Source(ABC):
    """An object by its URI. Thread-safe once ``describe`` has returned.

    Its errors are SourceErrors whose sentence names the object and what to do.
    """

    uri: str

    @property
    def local(self) -> Path | None:
        """Where the object already is on this machine, to be used in place."""
        return None

    @abstractmethod
    def describe(self) -> ObjectInfo:
        """Ask the store what the object is now. Raises SourceError."""

    @abstractmethod
    def request(self, info: ObjectInfo, start: int, stop: int) -> Request:
        """A freshly signed GET for bytes ``start`` … ``stop`` − 1; for the whole object unless ``info.ranges``."""

    @abstractmethod
    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> SourceError:
        """What an answer that is not the bytes means."""

    @abstractmethod
    def check(self, info: ObjectInfo, headers: Mapping[str, str]) -> None:
        """Raise ObjectChanged where an answer says it is of another version."""

    def renew(self) -> bool:
        """Forget the credentials at hand so that the next request gets new ones; False where there is no other."""
        return False

    def read(self, info: ObjectInfo, start: int, buffer: memoryview) -> None:
        """Fill ``buffer`` from ``start`` on: for headers and other small pieces. Raises SourceError."""
        if not len(buffer):
            return
        request = self.request(info, start, start + len(buffer))
        try:
            status, headers, body = ask(request, limit=len(buffer))
        except WireError as e:
            raise unreachable(self.uri, request.url, e) from e
        if status == 200 and not info.ranges and start == 0:
            status = 206
        if status != 206:
            raise self.failure(status, headers, body)
        if len(body) != len(buffer):
            raise SourceError(
                f"{self.uri}: asked for {len(buffer)} bytes at {start}, got {len(body)}.", uri=self.uri, start=start
            )
        buffer[:] = body


def span(info: ObjectInfo, start: int, stop: int) -> dict[str, str]:
    """The header that asks for a range, where the server knows ranges."""
    return {"range": f"bytes={start}-{stop - 1}"} if info.ranges else {}


def host_of(url: str) -> str:
    """The host of a URL, and its port where it names one: what an error may say of it."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "a host that no URL has"
    host = f"[{host}]" if ":" in host else host
    return host if port is None else f"{host}:{port}"


def unreachable(uri: str, url: str, error: BaseException) -> SourceError:
    """The error for a connection that could not be made or did not last."""
    host, cause = host_of(url), type(error).__name__
    if str(error) and not isinstance(error, InvalidURL):  # which quotes the URL, its query and all
        cause = f"{cause}: {error}"
    return SourceError(f"{uri}: no connection to {host} ({cause}).", uri=uri, host=host)


def explain(uri: str, status: int, *, hint: str, detail: str = "") -> SourceError:
    """The error for a status. ``hint``: what grants access to this object; ``detail``: the store's own words."""
    said = f" The store says: {detail}." if detail else ""
    evidence: dict[str, Any] = {"uri": uri, "status_code": status, "detail": detail}
    if status in (401, 403):
        return AccessDenied(f"{uri}: access denied ({status}).{said} {hint}", **evidence)
    if status in (404, 410):
        return ObjectNotFound(f"{uri}: no such object or bucket ({status}).{said} Check the name.", **evidence)
    if status == 412:
        return ObjectChanged(f"{uri}: the object was replaced while it was read.", **evidence)
    return SourceError(f"{uri}: the store answered {status}.{said}", **evidence)
