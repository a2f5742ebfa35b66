"""HTTP connections to object stores: what carries the bytes, on the standard library alone.

Knows proxies, TLS and how to end a connection from another thread. Knows nothing of stores or files.
"""

import base64
import http.client
import socket
import ssl
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from types import TracebackType
from urllib.parse import SplitResult, unquote, urlsplit

CONNECT_TIMEOUT = 10.0  # seconds to connect; a store's front ends answer within one round trip
ANSWER_TIMEOUT = 30.0  # seconds without a byte; what reads many parts has a tighter, adaptive judge of its own

WireError = (OSError, http.client.HTTPException)
"""What a connection may raise: refused, reset, timed out, cut off, not HTTP."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request, signed where it must be. ``headers`` have lower-case names."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"
    body: bytes | None = None


@cache
def tls() -> ssl.SSLContext:
    """One context for all connections: reading the authorities takes 20 ms and megabytes."""
    context = ssl.create_default_context()
    if not context.cert_store_stats()["x509_ca"] and not ssl.get_default_verify_paths().capath:
        import certifi  # an image without authorities of its own; the SDKs bring these

        context.load_verify_locations(certifi.where())
    return context


class StoreConnection:
    """One connection to one origin, kept open between requests."""

    def __init__(self, url: str, *, timeout: float | None = ANSWER_TIMEOUT) -> None:
        self.origin = origin(url)
        self.used = False
        self._timeout = timeout
        self._aborted = False
        self._sock: socket.socket | None = None
        self._emptied: http.client.HTTPResponse | None = None  # the answer whose buffer holds nothing more
        try:
            self._http, self._proxy = _open(urlsplit(url))
        except ValueError as e:  # about a port that is no number, which the error quotes
            raise http.client.InvalidURL("no URL is written like that") from e

    def send(self, request: Request) -> http.client.HTTPResponse:
        """Send a request, return its answer with the body unread. Raises ``WireError``."""
        parts = urlsplit(request.url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {"accept-encoding": "identity", "user-agent": "gguf-chat-function", **request.headers}
        if self._proxy is not None:
            target = request.url
            headers |= self._proxy
        self._http.timeout = CONNECT_TIMEOUT
        if self._http.sock is None:  # or the last answer closed it
            self._http.connect()
            sock: socket.socket = self._http.sock  # type: ignore[assignment]  # typed None until connected
            sock.settimeout(self._timeout)
            self._sock = sock
        if self._aborted:
            raise ConnectionAbortedError("the connection was given up")
        self._http.request(request.method, target, body=request.body, headers=headers)
        answer = self._http.getresponse()
        self.used = True
        return answer

    def fill(self, answer: http.client.HTTPResponse, room: memoryview) -> int:
        """Read the answer's body into ``room``; fewer bytes than it has come only at the body's end or at a cut.

        Past the buffer that the headers came through, in as few calls as there can be: where 16 threads read, each
        return to Python waits for the interpreter's lock, and that costs more than the bytes do. Raises ``WireError``.
        """
        sock = self._sock
        if sock is None or answer.chunked or not answer.length:
            return answer.readinto(room)
        if self._emptied is not answer:
            buffered = len(answer.fp.peek(1))
            count = answer.readinto(room[:buffered])
            if count == buffered:
                self._emptied = answer
            return count
        bulk = min(len(room), answer.length - 1)  # the last byte comes the ordinary way, which ends the answer
        if not bulk:
            return answer.readinto(room)
        whole = 0 if isinstance(sock, ssl.SSLSocket) else socket.MSG_WAITALL
        count = sock.recv_into(room[:bulk], bulk, whole)
        answer.length -= count
        return count

    def abort(self) -> None:
        """From another thread: whatever waits on this connection fails at once, connecting excepted."""
        self._aborted = True
        sock = self._sock
        if sock is not None:
            with suppress(OSError):  # it is gone already, which is what was wanted
                # SSLSocket's own shutdown would take the TLS layer away under a reader, who would then read ciphertext.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> "StoreConnection":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()


def origin(url: str) -> str:
    """``scheme://host:port`` of a URL: what one connection can serve."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _open(parts: SplitResult) -> tuple[http.client.HTTPConnection, dict[str, str] | None]:
    """A connection object for an origin, not yet connected; and where a plain proxy is asked, what it is told."""
    host, port, secure = parts.hostname or "", parts.port, parts.scheme == "https"
    proxy = None if urllib.request.proxy_bypass(parts.netloc) else urllib.request.getproxies().get(parts.scheme)
    if proxy is None:
        if secure:
            return http.client.HTTPSConnection(host, port, context=tls()), None
        return http.client.HTTPConnection(host, port), None
    through = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    login = {}
    if through.username:
        pair = f"{unquote(through.username)}:{unquote(through.password or '')}"
        login = {"proxy-authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    if not secure:
        return http.client.HTTPConnection(through.hostname or "", through.port or 80), login
    tunnel = http.client.HTTPSConnection(through.hostname or "", through.port or 80, context=tls())
    tunnel.set_tunnel(host, port or 443, headers=login)
    return tunnel, None


def ask(request: Request, *, limit: int = 1 << 20) -> tuple[int, Mapping[str, str], bytes]:
    """One small exchange on a connection of its own: status, headers (lower-case names), at most ``limit`` bytes.

    Raises ``WireError``.
    """
    with StoreConnection(request.url) as connection:
        answer = connection.send(request)
        return answer.status, headers_of(answer), answer.read(limit) if request.method != "HEAD" else b""


def headers_of(answer: http.client.HTTPResponse) -> dict[str, str]:
    """An answer's headers under lower-case names; of a repeated one the first."""
    found: dict[str, str] = {}
    for name, value in answer.getheaders():
        found.setdefault(name.lower(), value)
    return found
