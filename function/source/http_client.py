"""HTTP connections to object stores, on the standard library alone.

Supports proxies, TLS and the end of a connection from another thread. Independent of stores and files.
"""

import base64
import http.client
import socket
import ssl
import threading
import urllib.request
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import cache
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit

from function.errors import SourceError

if TYPE_CHECKING:
    from function.source.native import NativeTarget, Receiver, Reception

CONNECT_TIMEOUT_SECONDS = 10.0  # a store's front ends accept within one round trip
RESPONSE_TIMEOUT_SECONDS = 15.0  # without a byte; a fetch has a tighter limit of its own
EXCHANGE_TIMEOUT_SECONDS = 30.0  # for a whole small exchange, so that one byte now and then does not prolong it
MAX_REPLY_BYTES = 1 << 20  # of the body of a small response

WireError = (OSError, http.client.HTTPException)
"""Exceptions of a connection: refused, reset, timed out, cut off, not HTTP."""
Reply = tuple[int, Mapping[str, str], bytes]
"""Status, headers under lower-case names, and body of a small response."""


@dataclass(frozen=True, slots=True)
class Request:
    """HTTP request, signed if required. ``headers`` have lower-case names.

    ``ca_bundle`` is the file or folder with the certificate authorities to trust; None stands for the system's.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"
    body: bytes | None = None
    ca_bundle: str | None = None


@cache
def tls_context(ca_bundle: str | None = None) -> ssl.SSLContext:
    """Return the context of all connections: reading the authorities takes 20 ms and megabytes. Raises SourceError."""
    if ca_bundle is not None:
        try:
            if Path(ca_bundle).is_dir():
                return ssl.create_default_context(capath=ca_bundle)
            return ssl.create_default_context(cafile=ca_bundle)
        except OSError as e:  # ssl.SSLError is one
            error = SourceError(
                f"The CA bundle {ca_bundle} cannot be read ({e.strerror or e}). Correct AWS_CA_BUNDLE, ca_bundle, "
                "REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE.",
                ca_bundle=ca_bundle,
            )
            error.permanent = True
            raise error from e
    context = ssl.create_default_context()
    if not context.cert_store_stats()["x509_ca"] and not ssl.get_default_verify_paths().capath:
        import certifi  # the image has no authorities of its own; the SDKs depend on these

        context.load_verify_locations(certifi.where())
    return context


class StoreConnection:
    """Connection to one origin, kept open between requests. ``receiver`` is for ``receive``."""

    def __init__(
        self,
        url: str,
        *,
        ca_bundle: str | None = None,
        timeout: float | None = RESPONSE_TIMEOUT_SECONDS,
        receiver: "Receiver | None" = None,
    ) -> None:
        self.origin = get_origin(url)
        self._timeout = timeout
        self._receiver = receiver
        self._tls: int | None = None  # the connection's object in OpenSSL, for the receiver
        self.aborted = False
        self._sock: socket.socket | None = None
        self._emptied: http.client.HTTPResponse | None = None  # the response whose buffer is empty
        try:
            self._http, self._proxy = _open(urlsplit(url), ca_bundle)
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
            self._connect()
        if self.aborted:
            raise ConnectionAbortedError("the connection was aborted")
        self._http.request(request.method, target, body=request.body, headers=headers)
        return self._http.getresponse()

    def _connect(self) -> None:
        if self._receiver is not None:
            self._receiver.forget_tls()
        self._http.connect()
        sock: socket.socket = self._http.sock
        sock.settimeout(self._timeout)
        if self._receiver is not None and isinstance(sock, ssl.SSLSocket):
            self._tls = self._receiver.take_tls(sock)
            if self._tls is None:
                self._receiver = None
        self._sock = sock

    def receivable(self, response: http.client.HTTPResponse) -> int:
        """Return the number of the body's next bytes that ``receive`` can take; 0 if ``read_into`` must come first."""
        if self._receiver is None or self._emptied is not response or response.chunked or not response.length:
            return 0
        return response.length - 1  # the ordinary read of the last byte ends the response

    def receive(
        self,
        response: http.client.HTTPResponse,
        target: "NativeTarget",
        start: int,
        wanted: int,
        check: int,
        buffer: memoryview,
        seconds: float,
    ) -> "Reception":
        """Receive up to ``wanted`` bytes of the body, at most ``receivable``, into a file; see ``Receiver.receive``."""
        assert self._receiver is not None
        assert self._sock is not None
        assert response.length is not None
        descriptor = self._sock.fileno()
        reception = self._receiver.receive(descriptor, self._tls, target, start, wanted, check, buffer, seconds)
        response.length -= reception.count
        return reception

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
        self.aborted = True
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


def split_login(url: str) -> tuple[str, dict[str, str]]:
    """Return a URL without its ``user:password@``, and these as the header for Basic authentication."""
    parts = urlsplit(url)
    login, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, {}
    return parts._replace(netloc=host).geturl(), {"authorization": _basic(login)}


def _basic(login: str) -> str:
    user, _, password = login.partition(":")
    return f"Basic {base64.b64encode(f'{unquote(user)}:{unquote(password)}'.encode()).decode()}"


def _open(parts: SplitResult, ca_bundle: str | None) -> tuple[http.client.HTTPConnection, dict[str, str] | None]:
    """Return an unconnected connection for an origin, and the extra headers for a plain proxy, None without one."""
    host, port, secure = parts.hostname or "", parts.port, parts.scheme == "https"
    context = tls_context(ca_bundle) if secure else None
    proxy = find_proxy(parts)
    if proxy is None:
        if secure:
            return http.client.HTTPSConnection(host, port, context=context), None
        return http.client.HTTPConnection(host, port), None
    login, at, _ = proxy.netloc.rpartition("@")
    headers = {"proxy-authorization": _basic(login)} if at else {}
    address = (proxy.hostname or "", proxy.port or 80)
    if not secure:
        return http.client.HTTPConnection(*address), headers
    tunnel = http.client.HTTPSConnection(*address, context=context)
    tunnel.set_tunnel(host, port or 443, headers=headers)
    return tunnel, None


def find_proxy(parts: SplitResult) -> SplitResult | None:
    """Return the proxy that the environment sets for a URL, None without one. Raises SourceError for an unusable one.

    ``HTTPS_PROXY`` or ``HTTP_PROXY`` comes before ``ALL_PROXY``; ``NO_PROXY`` has hosts, domains and networks.
    """
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    if _is_in_network(parts.hostname or "", proxies.get("no", "")):
        return None
    found = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    if found.scheme != "http":
        error = SourceError(
            f"The proxy {found.scheme}://{found.hostname} cannot be used: only http:// proxies are supported. Set "
            f"{parts.scheme.upper()}_PROXY or ALL_PROXY to an http:// proxy, or exempt the store in NO_PROXY.",
            proxy=found.hostname,
        )
        error.permanent = True
        raise error
    return found


def _is_in_network(host: str, exceptions: str) -> bool:
    """Return True if ``host`` is an address in one of the networks in ``exceptions``, such as ``10.0.0.0/8``."""
    networks = [entry.strip() for entry in exceptions.split(",") if "/" in entry]
    if not networks:
        return False
    for network in networks:
        with suppress(ValueError):  # a host's name is in no network
            if ip_address(host) in ip_network(network, strict=False):
                return True
    return False


def exchange(request: Request, *, limit: int = MAX_REPLY_BYTES, timeout: float = EXCHANGE_TIMEOUT_SECONDS) -> Reply:
    """Send a request on a connection of its own; return status, headers and at most ``limit`` bytes of the body.

    The connection is aborted after ``timeout`` seconds. Raises ``WireError``.
    """
    with closing(StoreConnection(request.url, ca_bundle=request.ca_bundle)) as connection:
        timer = threading.Timer(timeout, connection.abort)
        timer.daemon = True
        timer.start()
        try:
            response = connection.send(request)
            body = response.read(limit) if request.method != "HEAD" else b""
            if connection.aborted:  # a body that is cut off here looks complete
                raise TimeoutError
            return response.status, read_headers(response), body
        except WireError as e:
            if connection.aborted:
                raise TimeoutError(f"no complete response within {timeout:g} s") from e
            raise
        finally:
            timer.cancel()
            timer.join()  # a process with a second thread cannot fork safely


def read_headers(response: http.client.HTTPResponse) -> dict[str, str]:
    """Return a response's headers under lower-case names; the first value of a repeated one."""
    found: dict[str, str] = {}
    for name, value in response.getheaders():
        found.setdefault(name.lower(), value)
    return found
