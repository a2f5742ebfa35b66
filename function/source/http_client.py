"""HTTP connections to object stores, on the standard library alone.

Supports proxies, TLS and the end of a connection from another thread. Independent of stores and files.
"""

import base64
import http.client
import socket
import ssl
import urllib.request
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import cache
from urllib.parse import SplitResult, unquote, urlsplit

CONNECT_TIMEOUT_SECONDS = 10.0  # a store's front ends accept within one round trip
RESPONSE_TIMEOUT_SECONDS = 30.0  # without a byte; a fetch has a tighter limit of its own
MAX_REPLY_BYTES = 1 << 20  # of the body of a small response

WireError = (OSError, http.client.HTTPException)
"""Exceptions of a connection: refused, reset, timed out, cut off, not HTTP."""
Reply = tuple[int, Mapping[str, str], bytes]
"""Status, headers under lower-case names, and body of a small response."""


@dataclass(frozen=True, slots=True)
class Request:
    """HTTP request, signed if required. ``headers`` have lower-case names."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"
    body: bytes | None = None


@cache
def tls_context() -> ssl.SSLContext:
    """Return the context of all connections: reading the authorities takes 20 ms and megabytes."""
    context = ssl.create_default_context()
    if not context.cert_store_stats()["x509_ca"] and not ssl.get_default_verify_paths().capath:
        import certifi  # the image has no authorities of its own; the SDKs depend on these

        context.load_verify_locations(certifi.where())
    return context


class StoreConnection:
    """Connection to one origin, kept open between requests."""

    def __init__(self, url: str, *, timeout: float | None = RESPONSE_TIMEOUT_SECONDS) -> None:
        self.origin = get_origin(url)
        self._timeout = timeout
        self._aborted = False
        self._sock: socket.socket | None = None
        self._emptied: http.client.HTTPResponse | None = None  # the response whose buffer is empty
        try:
            self._http, self._proxy = _open(urlsplit(url))
        except ValueError as e:  # for a port that is not a number; its message quotes it
            raise http.client.InvalidURL("not a valid URL") from e

    def send(self, request: Request) -> http.client.HTTPResponse:
        """Send a request and return the response with its body unread. Raises ``WireError``."""
        parts = urlsplit(request.url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {"accept-encoding": "identity", "user-agent": "gguf-chat-function", **request.headers}
        if self._proxy is not None:
            target = request.url
            headers |= self._proxy
        self._http.timeout = CONNECT_TIMEOUT_SECONDS
        if self._http.sock is None:  # not connected yet, or closed by the last response
            self._http.connect()
            sock: socket.socket = self._http.sock  # type: ignore[assignment]  # typed None until connected
            sock.settimeout(self._timeout)
            self._sock = sock
        if self._aborted:
            raise ConnectionAbortedError("the connection was aborted")
        self._http.request(request.method, target, body=request.body, headers=headers)
        return self._http.getresponse()

    def read_into(self, response: http.client.HTTPResponse, buffer: memoryview) -> int:
        """Fill ``buffer`` from the body and return the bytes read, fewer only at its end or if it is cut off.

        Reads past the buffer of the headers in as few calls as possible: with 16 reading threads, each return to Python
        waits for the interpreter's lock, which costs more than the bytes do. Raises ``WireError``.
        """
        sock = self._sock
        if sock is None or response.chunked or not response.length:
            return response.readinto(buffer)
        if self._emptied is not response:
            buffered = len(response.fp.peek(1))
            count = response.readinto(buffer[:buffered])
            if count == buffered:
                self._emptied = response
            return count
        bulk = min(len(buffer), response.length - 1)  # the ordinary read of the last byte ends the response
        if not bulk:
            return response.readinto(buffer)
        whole = 0 if isinstance(sock, ssl.SSLSocket) else socket.MSG_WAITALL
        count = sock.recv_into(buffer[:bulk], bulk, whole)
        response.length -= count
        return count

    def abort(self) -> None:
        """Fail at once all waits on this connection except connecting. For use from another thread."""
        self._aborted = True
        sock = self._sock
        if sock is not None:
            with suppress(OSError):  # it is closed already
                # SSLSocket's own shutdown removes the TLS layer under a reader, which would then read ciphertext.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def close(self) -> None:
        self._http.close()


def get_origin(url: str) -> str:
    """Return ``scheme://host:port`` of a URL, the part that one connection serves."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _open(parts: SplitResult) -> tuple[http.client.HTTPConnection, dict[str, str] | None]:
    """Return an unconnected connection for an origin, and the extra headers for a plain proxy, None without one."""
    host, port, secure = parts.hostname or "", parts.port, parts.scheme == "https"
    proxy = None if urllib.request.proxy_bypass(parts.netloc) else urllib.request.getproxies().get(parts.scheme)
    if proxy is None:
        if secure:
            return http.client.HTTPSConnection(host, port, context=tls_context()), None
        return http.client.HTTPConnection(host, port), None
    proxy_parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    login = {}
    if proxy_parts.username:
        pair = f"{unquote(proxy_parts.username)}:{unquote(proxy_parts.password or '')}"
        login = {"proxy-authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    if not secure:
        return http.client.HTTPConnection(proxy_parts.hostname or "", proxy_parts.port or 80), login
    tunnel = http.client.HTTPSConnection(proxy_parts.hostname or "", proxy_parts.port or 80, context=tls_context())
    tunnel.set_tunnel(host, port or 443, headers=login)
    return tunnel, None


def exchange(request: Request, *, limit: int = MAX_REPLY_BYTES) -> Reply:
    """Send a request on a connection of its own; return status, headers and at most ``limit`` bytes of the body.

    Raises ``WireError``.
    """
    with closing(StoreConnection(request.url)) as connection:
        response = connection.send(request)
        return response.status, read_headers(response), response.read(limit) if request.method != "HEAD" else b""


def read_headers(response: http.client.HTTPResponse) -> dict[str, str]:
    """Return a response's headers under lower-case names; the first value of a repeated one."""
    found: dict[str, str] = {}
    for name, value in response.getheaders():
        found.setdefault(name.lower(), value)
    return found
