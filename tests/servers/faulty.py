"""Object store with faults on request: S3, GCS JSON, plain HTTP and Hugging Face, as far as needed, on one server.

Every request for bytes takes the next fault from ``faults``; without one, or with None in its place, the response is
correct. ``always`` is a fault for all further requests. ``served`` lists the requests and the bytes sent.
"""

import base64
import hashlib
import http.server
import json
import socket
import struct
import threading
import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from function.settings import Stores
from function.source import ALGORITHMS
from tests.servers.scripted import Certificate

SLOW_PIECES = 8  # pieces a throttled body is sent in
SLOW_PAUSE_SECONDS = 0.01  # between them


@dataclass(frozen=True)
class Fault:
    """Fault of a response. ``kind``: see ``_Handler._misbehave``. ``at``: share of the body sent before it."""

    kind: str
    at: float = 0.5


BODY_FAULTS = ("reset", "stall", "throttle", "truncate", "short")
WRONG_BYTES = ("repeat", "corrupt")
LIES = ("lie_range", "lie_start", "lie_total", "lie_length", "no_range", "ignore_range", "encoded")
STATUSES = ("403", "404", "412", "416", "429", "500", "503", "302")
EVENTS = ("change", "expire", "garbage")
KINDS = BODY_FAULTS + WRONG_BYTES + LIES + STATUSES + EVENTS


@dataclass(frozen=True)
class Served:
    """Request for bytes ``start`` … ``stop`` − 1, and the number of bytes sent."""

    start: int
    stop: int
    sent: int
    fault: str | None


@dataclass
class FaultyStore:
    """Server of one object under every protocol. Thread-safe where the handlers need it."""

    data: bytes
    token: str | None = None  # required in a request's authorization
    checksums: bool = True
    ranges: bool = True
    known_size: bool = True
    validators: bool = True  # ETag of a plain web server
    always: Fault | None = None
    describe_faults: deque[str] = field(default_factory=deque)
    replacement: bytes | None = None
    certificate: Certificate | None = None  # for a server that speaks TLS
    faults: deque[Fault | None] = field(default_factory=deque)
    served: list[Served] = field(default_factory=list)
    on_request: Callable[[int], None] = lambda count: None
    connections: int = 0
    tokens_given: int = 0

    def __post_init__(self) -> None:
        self.lock = threading.Lock()
        self.ended = threading.Event()
        self.generation = 1
        self.asked = 0

    def __enter__(self) -> "FaultyStore":
        handler = type("Handler", (_Handler,), {"store": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        if self.certificate is not None:
            self._server.socket = self.certificate.wrap(self._server.socket)
        self.url = f"http{'s' if self.certificate else ''}://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def stores(self) -> Stores:
        return Stores(
            aws_access_key_id="key-1",
            aws_secret_access_key="secret",
            aws_region="us-east-1",
            aws_endpoint_url=self.url,
            aws_config_file="/nonexistent",
            storage_emulator_host=self.url,
            hf_endpoint=self.url,
            requests_ca_bundle=str(self.certificate.path) if self.certificate else "",
        )

    def uri(self, scheme: str, name: str = "model.gguf") -> str:
        if scheme == "http":
            return f"{self.url}/plain/{name}"
        return f"{scheme}://bucket/repo/{name}"

    def now(self) -> tuple[bytes, str, int]:
        """Return the object's current bytes, ETag and generation."""
        with self.lock:
            return self.data, f'"{zlib.crc32(self.data):08x}-{self.generation}"', self.generation

    def change(self) -> None:
        """Replace the object by another of the same size."""
        with self.lock:
            self.generation += 1
            self.data = self.replacement if self.replacement is not None else bytes(b ^ 0x55 for b in self.data)

    def next_fault(self) -> Fault | None:
        with self.lock:
            self.asked += 1
            count = self.asked
            fault = self.faults.popleft() if self.faults else self.always
        self.on_request(count)
        return fault

    def sent_bytes(self) -> int:
        with self.lock:
            return sum(one.sent for one in self.served)


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that disconnect, as the tests intend."""


class _Handler(http.server.BaseHTTPRequestHandler):
    store: FaultyStore
    protocol_version = "HTTP/1.1"
    timeout = 30

    def setup(self) -> None:
        super().setup()
        with self.store.lock:
            self.store.connections += 1

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class's name
        pass

    def do_POST(self) -> None:
        """Serve Google's token endpoint."""
        self.rfile.read(int(self.headers.get("content-length", 0)))
        with self.store.lock:
            self.store.tokens_given += 1
            token = f"token-{self.store.tokens_given}"
        self._answer(200, json.dumps({"access_token": token, "expires_in": 3600}).encode())

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        store, parts = self.store, urlsplit(self.path)
        data, etag, generation = store.now()
        path, query = unquote(parts.path), parse_qs(parts.query)
        describing = path.startswith("/storage/v1/") or self.command == "HEAD"
        if describing and store.describe_faults:
            self._answer(int(store.describe_faults.popleft()), b"{}")
            return
        if store.token and store.token not in self.headers.get("authorization", ""):
            s3 = path.startswith("/bucket/")
            self._answer(400 if s3 else 401, b"<Error><Code>ExpiredToken</Code><Message>old</Message></Error>")
        elif "/resolve/" in path:
            digest = hashlib.sha256(data).hexdigest()
            link = {"x-linked-etag": f'"{digest}"', "x-linked-size": str(len(data)), "x-repo-commit": "c0ffee"}
            self._answer(302, b"", link | {"location": f"/plain/{path.rpartition('/')[2]}"})
        elif path.startswith("/circle"):
            self._answer(302, b"", {"location": f"/circle{len(path)}"})
        elif path.endswith("missing.gguf"):
            self._answer(404, b"<Error><Code>NoSuchKey</Code><Message>none</Message></Error>")
        elif path.startswith("/storage/v1/"):
            crc = ALGORITHMS["crc32c"].load()(0, memoryview(data))
            metadata = {"size": str(len(data)), "generation": str(generation)}
            if store.checksums:
                metadata["crc32c"] = base64.b64encode(crc.to_bytes(4, "big")).decode()
            self._answer(200, json.dumps(metadata).encode())
        elif self.command == "HEAD":
            crc = ALGORITHMS["crc64nvme"].load()(0, memoryview(data))
            headers = {"etag": etag, "content-length": str(len(data))}
            if store.checksums:
                headers["x-amz-checksum-crc64nvme"] = base64.b64encode(crc.to_bytes(8, "big")).decode()
                headers["x-amz-checksum-type"] = "FULL_OBJECT"
            self._answer(200, b"", headers)
        else:
            self._media(path, query)

    def _media(self, path: str, query: dict[str, list[str]]) -> None:
        store = self.store
        data, etag, generation = store.now()
        asked = self.headers.get("range", "")
        start, stop = 0, len(data)
        if asked and store.ranges:
            low, _, high = asked.removeprefix("bytes=").partition("-")
            start, stop = int(low), min(int(high) + 1, len(data))
        probe = path.startswith("/plain/") and (start, stop) == (0, 1) and asked == "bytes=0-0"
        fault = None if probe else store.next_fault()
        if fault is not None and fault.kind == "change":
            store.change()
            (data, etag, generation), fault = store.now(), None
        if self.headers.get("if-match", etag) != etag:
            self._answer(412, b"<Error><Code>PreconditionFailed</Code></Error>")
        elif query.get("generation", [str(generation)])[0] != str(generation):
            self._answer(404, b"No such object")
        elif start >= len(data):
            self._answer(416, b"", {"content-range": f"bytes */{len(data)}"})
        else:
            partial = bool(asked) and store.ranges and self.headers.get("if-range", etag) == etag
            if not partial:
                start, stop = 0, len(data)
            headers = {"etag": etag, "x-goog-generation": str(generation)} if "/plain/" not in path else {"etag": etag}
            if "/plain/" in path and not store.validators:
                headers = {}
            if partial:
                headers["content-range"] = f"bytes {start}-{stop - 1}/{len(data)}"
            sent = self._misbehave(fault, 206 if partial else 200, headers, data, start, stop)
            with store.lock:
                if not probe:
                    store.served.append(Served(start, stop, sent, fault.kind if fault else None))

    def _misbehave(
        self, fault: Fault | None, status: int, headers: dict[str, str], data: bytes, start: int, stop: int
    ) -> int:
        """Send the bytes with the fault applied; return the number of bytes sent."""
        body = data[start:stop]
        kind = fault.kind if fault else ""
        cut = int(len(body) * fault.at) if fault else len(body)
        if kind.isdecimal():
            extra = {"retry-after": "0"} if kind in ("429", "503") else {}
            if kind == "302":
                extra = {"location": "/circle"}
            self._answer(int(kind), b"<Error><Code>Faulty</Code><Message>on request</Message></Error>", extra)
            return 0
        if kind == "expire":
            self._answer(403, b"<Error><Code>ExpiredToken</Code><Message>old</Message></Error>")
            return 0
        if kind == "garbage":
            self.wfile.write(b"\x00\xff not HTTP at all\r\n\r\n")
            self.close_connection = True
            return 0
        if kind == "lie_range":
            headers["content-range"] = f"bytes {start + 1}-{stop}/{len(data)}"
        elif kind == "lie_start":  # other bytes, with a range that states them
            body = data[: len(body)] if start else data[1:] + data[:1]
            headers["content-range"] = f"bytes 0-{len(body) - 1}/{len(data) + 1}"
        elif kind == "lie_total":
            headers["content-range"] = f"bytes {start}-{stop - 1}/{len(data) + 7}"
        elif kind == "no_range":
            headers.pop("content-range", None)
            headers["x-none"] = "1"
            status = 206
        elif kind == "ignore_range":
            headers.pop("content-range", None)
            status, body = 200, data
        elif kind == "encoded":
            headers["content-encoding"] = "gzip"
        elif kind == "repeat":
            body = (body[:cut] + body)[: len(body)]
        elif kind == "corrupt":
            at = min(cut, len(body) - 1)
            body = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
        length = len(body)
        if kind == "short":  # announces less than requested
            length, body = max(1, cut), body[: max(1, cut)]
        if kind == "lie_length":
            length += 1000
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if self.store.known_size:
            self.send_header("content-length", str(length))
        else:
            self.close_connection = True
        self.end_headers()
        if kind == "throttle":
            size = max(1, len(body) // SLOW_PIECES)
            for at in range(0, len(body), size):
                self.wfile.write(body[at : at + size])
                self.store.ended.wait(SLOW_PAUSE_SECONDS)
            return len(body)
        if kind in ("reset", "stall", "truncate"):
            self.wfile.write(body[:cut])
            if kind == "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif kind == "stall":
                self._wait_for_hangup()
            self.close_connection = True
            return cut
        self.wfile.write(body)
        if kind == "lie_length":
            self.close_connection = True
        return len(body)

    def _wait_for_hangup(self) -> None:
        """Send nothing until the client disconnects or the store ends."""
        self.connection.settimeout(0.05)
        while not self.store.ended.is_set():
            try:
                if not self.connection.recv(1):
                    return
            except TimeoutError:
                continue
            except OSError:
                return

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response_only(HTTPStatus(status))
        headers = headers or {}
        for name, value in headers.items():
            self.send_header(name, value)
        if "content-length" not in headers:
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
