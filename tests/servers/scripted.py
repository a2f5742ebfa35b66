"""Small web server whose responses a function of the test writes, for stores that differ from the common ones."""

import http.server
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from function.settings import Stores


@dataclass(frozen=True, slots=True)
class Seen:
    """Request as it arrived, with header names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]

    def range(self, size: int) -> tuple[int, int] | None:
        """Return the requested range as start and stop, None without one."""
        text = self.headers.get("range", "").removeprefix("bytes=")
        low, _, high = text.partition("-")
        return (int(low), min(int(high) + 1, size)) if text else None


@dataclass(frozen=True, slots=True)
class ScriptedReply:
    """Response: a ``content-length`` of None is left out, and the connection closes instead."""

    status: int
    headers: Mapping[str, str | None] = field(default_factory=dict)
    body: bytes = b""


Script = Callable[[Seen], ScriptedReply]


def object_reply(seen: Seen, data: bytes, headers: Mapping[str, str | None] | None = None) -> ScriptedReply:
    """Return the response of a correct store of ``data`` with ranges."""
    extra: dict[str, str | None] = {"etag": '"1"', **(headers or {})}
    extra = {name: value for name, value in extra.items() if value is not None or name == "content-length"}
    if seen.method == "HEAD":
        return ScriptedReply(200, {"content-length": str(len(data)), **extra})
    asked = seen.range(len(data))
    extra.pop("content-length", None)
    if asked is None:
        return ScriptedReply(200, extra, data)
    start, stop = asked
    return ScriptedReply(206, {"content-range": f"bytes {start}-{stop - 1}/{len(data)}", **extra}, data[start:stop])


class ScriptedStore:
    """Server of ``script`` while the ``with`` block runs; ``seen`` lists its requests. ``certificate``: see below."""

    def __init__(self, script: Script, certificate: "Certificate | None" = None) -> None:
        self.script, self.seen = script, list[Seen]()
        self.ended = threading.Event()
        handler = type("Handler", (_ScriptedHandler,), {"store": self})
        self._server = _ScriptedServer(("127.0.0.1", 0), handler)
        if certificate is not None:
            self._server.socket = certificate.wrap(self._server.socket)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"http{'s' if certificate else ''}://{self.address}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> "ScriptedStore":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def stores(self, **values: Any) -> Stores:
        """Return the settings that point every SDK's variables at this server."""
        given: dict[str, Any] = {
            "aws_access_key_id": "key", "aws_secret_access_key": "secret", "aws_region": "us-east-1",
            "aws_endpoint_url": self.url, "aws_config_file": "/nonexistent", "storage_emulator_host": self.url,
            "hf_endpoint": self.url,
        }  # fmt: skip
        return Stores(**given | values)


@dataclass(frozen=True, slots=True)
class Certificate:
    """Certificate for 127.0.0.1, which is its own authority, and its key."""

    path: Path
    key: Path

    def wrap(self, listener: socket.socket) -> ssl.SSLSocket:
        """Return ``listener``, which from now on speaks TLS."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path, self.key)
        return context.wrap_socket(listener, server_side=True)


def make_certificate(folder: Path) -> Certificate:
    """Create a certificate in ``folder``."""
    openssl = shutil.which("openssl")
    assert openssl
    made = Certificate(folder / "cert.pem", folder / "key.pem")
    command = [
        openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
        "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
        "-keyout", str(made.key), "-out", str(made.path),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    return made


class _ScriptedServer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that disconnect or distrust the certificate, as the tests intend."""


class _ScriptedHandler(http.server.BaseHTTPRequestHandler):
    store: ScriptedStore
    protocol_version = "HTTP/1.1"
    timeout = 30

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class's name
        pass

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        seen = Seen(self.command, self.path, {name.lower(): value for name, value in self.headers.items()})
        self.store.seen.append(seen)
        reply = self.store.script(seen)
        self.send_response_only(reply.status)
        for name, value in {"content-length": str(len(reply.body)), **reply.headers}.items():
            if value is not None:
                self.send_header(name, value)
            elif name == "content-length":
                self.close_connection = True
                self.send_header("connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        self.do_GET()
