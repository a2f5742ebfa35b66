"""Store that behaves as real ones were seen to do, good and bad, in a random but repeatable order.

It is written apart from the other servers and shares no code with them, so that a mistake in one is no mistake in both.
It speaks S3, Google's JSON API and plain HTTP over bare sockets. Seen: stores without ETag, with a weak one or with a
date alone; a HEAD without a length (R2); ``aws-chunked`` (Ceph); replicas that still have the old version; answers of
overloaded, restarting and badly cached servers.
"""

import base64
import gzip
import random
import socket
import socketserver
import struct
import threading
import zlib
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import google_crc32c

from function.settings import Stores

TRICKLE_BYTES = 300
TRICKLE_SECONDS = 0.01

NUISANCES: tuple[str, ...] = (
    "close", "reset", "cut", "silence", "trickle", "busy", "internal", "throttled", "request timeout", "expired",
    "page", "whole", "shifted", "gzip", "chunked", "http10", "unsatisfiable", "no range", "garbage",
)  # fmt: skip
CHANGES: tuple[str, ...] = ("replace", "stale")


@dataclass(frozen=True)
class Traits:
    """Lasting properties of a store. ``checksums``: CRC-32 on S3, CRC-32C on Google Cloud Storage."""

    protocol: str = "s3"  # or gs, http
    etag: str = "strong"  # or weak, none
    dated: bool = True
    checksums: bool = True
    states_length: bool = True  # in a HEAD
    ranges: bool = True
    aws_chunked: bool = False

    @classmethod
    def draw(cls, draw: random.Random) -> "Traits":
        """Return random traits that some real store has."""
        return cls(
            protocol=draw.choice(["s3", "gs", "http"]),
            etag=draw.choice(["strong", "strong", "weak", "none"]),
            dated=draw.random() < 0.7,
            checksums=draw.random() < 0.6,
            states_length=draw.random() < 0.7,
            ranges=draw.random() < 0.8,
            aws_chunked=draw.random() < 0.2,
        )


@dataclass
class ErraticStore:
    """Server of one object with several ``versions``. Each request draws a behaviour until ``heal`` is called."""

    versions: list[bytes]
    traits: Traits
    draw: random.Random
    silent: bool = True  # also in answer to a question about the object, which costs the client 15 s
    rate: float = 0.3  # share of the requests that meet trouble
    trouble: tuple[str, ...] = NUISANCES + CHANGES
    current: int = 0
    healthy: bool = False
    drawn: list[str] = field(default_factory=list)

    def __enter__(self) -> "ErraticStore":
        self.lock, self.ended = threading.Lock(), threading.Event()
        handler = type("Handler", (_ErraticHandler,), {"store": self})
        self._server = _ErraticServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def uri(self) -> str:
        """URI of the object."""
        return f"{self.url}/m.gguf" if self.traits.protocol == "http" else f"{self.traits.protocol}://models/m.gguf"

    @property
    def stores(self) -> Stores:
        """Settings that lead to this server."""
        return Stores(
            aws_access_key_id="a", aws_secret_access_key="b", aws_region="eu-west-1", aws_endpoint_url=self.url,
            aws_config_file="/nonexistent", storage_emulator_host=self.url,
        )  # fmt: skip

    def heal(self) -> bytes:
        """Behave well from now on; return the object's bytes."""
        with self.lock:
            self.healthy = True
            return self.versions[self.current]

    def next_behaviour(self) -> str:
        with self.lock:
            trouble = not self.healthy and self.draw.random() < self.rate
            name = self.draw.choice(self.trouble) if trouble else "fine"
            if name == "replace":
                self.current = min(self.current + 1, len(self.versions) - 1)
            self.drawn.append(name)
            return name


class _ErraticServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 64
    allow_reuse_address = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that disconnect."""


class _ErraticHandler(socketserver.StreamRequestHandler):
    store: ErraticStore
    timeout = 30

    def handle(self) -> None:
        while line := self.rfile.readline().decode("latin-1"):
            method, target, _ = line.split(" ", 2)
            headers = {}
            while (text := self.rfile.readline().decode("latin-1").strip()) != "":
                name, _, value = text.partition(":")
                headers[name.lower()] = value.strip()
            if not self._respond(method, target, headers):
                return

    def _respond(self, method: str, target: str, headers: dict[str, str]) -> bool:
        """Answer one request; return True if the connection stays open."""
        store, behaviour = self.store, self.store.next_behaviour()
        number = max(0, store.current - 1) if behaviour == "stale" else store.current
        data, traits, path = store.versions[number], store.traits, urlsplit(target).path
        etag = {"strong": f'"v{number}"', "weak": f'W/"v{number}"', "none": ""}[traits.etag]
        generation = str(1000 + number)
        about = method == "HEAD" or path.startswith("/storage/v1/") or headers.get("range") == "bytes=0-0"
        if behaviour == "silence" and about and not store.silent:
            behaviour = "close"
        if (ending := self._fail(behaviour)) is not None:
            return ending
        if path.startswith("/storage/v1/"):
            crc = google_crc32c.value(data).to_bytes(4, "big")
            checksum = f', "crc32c": "{base64.b64encode(crc).decode()}"' if traits.checksums else ""
            body = f'{{"size": "{len(data)}", "generation": "{generation}"{checksum}}}'
            return self._send(200, {}, body.encode())
        wanted = parse_qs(urlsplit(target).query).get("generation", [generation])[0]
        if wanted != generation:
            return self._send(404, {}, b"No such object")
        if headers.get("if-match", etag) != etag:
            return self._send(412, {}, b"<Error><Code>PreconditionFailed</Code></Error>")
        fields = {"x-goog-generation": generation} if traits.protocol == "gs" else {"etag": etag}
        if traits.dated:
            fields["last-modified"] = f"Mon, 30 Nov 2026 00:00:{number:02} GMT"
        if traits.aws_chunked and traits.protocol == "s3":
            fields["content-encoding"] = "aws-chunked"
        if method == "HEAD":
            if traits.checksums:
                fields["x-amz-checksum-crc32"] = base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()
            length = len(data) if traits.states_length else None
            return self._send(200, fields, b"", length=length)
        return self._send_bytes(behaviour, headers, data, fields)

    def _fail(self, behaviour: str) -> bool | None:
        """Fail as an overloaded or broken server; None if the request is to be answered."""
        if behaviour == "close":
            return False
        if behaviour == "silence":
            self.request.settimeout(0.05)
            while not self.store.ended.is_set():
                try:
                    if not self.request.recv(1):
                        break
                except TimeoutError:
                    continue
            return False
        if behaviour == "garbage":
            self.wfile.write(b"\x15\x03\x01\x00\x02\x02")
            return False
        errors = {
            "busy": (503, {"retry-after": "0"}, b"<Error><Code>SlowDown</Code></Error>"),
            "internal": (500, {}, b"<Error><Code>InternalError</Code></Error>"),
            "throttled": (429, {"retry-after": "0"}, b""),
            "request timeout": (400, {}, b"<Error><Code>RequestTimeout</Code></Error>"),
            "expired": (400, {}, b"<Error><Code>ExpiredToken</Code></Error>"),
            "page": (200, {"content-type": "text/html"}, b"<!doctype html><title>Please wait</title>"),
            "unsatisfiable": (416, {}, b""),
        }
        if behaviour in errors:
            status, fields, body = errors[behaviour]
            return self._send(status, dict(fields), body)
        return None

    def _send_bytes(self, behaviour: str, headers: dict[str, str], data: bytes, fields: dict[str, str]) -> bool:
        """Send the requested part of ``data``, with the behaviour's fault."""
        start, stop, status, asked = 0, len(data), 200, headers.get("range", "")
        fresh = headers.get("if-range", fields.get("etag")) == fields.get("etag")
        if asked and self.store.traits.ranges and behaviour != "whole" and fresh:
            low, _, high = asked.removeprefix("bytes=").partition("-")
            start, stop, status = int(low), min(int(high) + 1, len(data)), 206
            if behaviour != "no range":
                fields["content-range"] = f"bytes {start}-{stop - 1}/{len(data)}"
        body = data[start:stop]
        if behaviour == "shifted":
            body = data[start + 1 : stop + 1]
            fields["content-range"] = f"bytes {start + 1}-{start + len(body)}/{len(data)}"
        elif behaviour == "gzip":
            fields["content-encoding"] = "gzip"
            body = gzip.compress(body)
        elif behaviour == "flip":
            at = len(body) // 2
            body = body[:at] + bytes([body[at] ^ 4]) + body[at + 1 :]
        elif behaviour == "chunked":
            self._head(status, {**fields, "transfer-encoding": "chunked"})
            half = len(body) // 2
            for piece in (body[:half], body[half:], b""):
                self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" if piece else b"")
            self.wfile.write(b"0\r\n\r\n")
            return True
        elif behaviour == "http10":
            self._head(status, {**fields, "content-length": str(len(body))}, version="1.0")
            self.wfile.write(body)
            return False
        elif behaviour in ("cut", "reset", "trickle"):
            return self._send_slowly(behaviour, status, fields, body)
        return self._send(status, fields, body)

    def _send_slowly(self, behaviour: str, status: int, fields: dict[str, str], body: bytes) -> bool:
        self._head(status, {**fields, "content-length": str(len(body))})
        if behaviour == "trickle":
            for at in range(0, len(body), max(TRICKLE_BYTES, len(body) // 20)):
                self.wfile.write(body[at : at + max(TRICKLE_BYTES, len(body) // 20)])
                self.store.ended.wait(TRICKLE_SECONDS)
            return True
        self.wfile.write(body[: len(body) * 2 // 3])
        if behaviour == "reset":
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    def _send(self, status: int, fields: dict[str, str], body: bytes, length: int | None = -1) -> bool:
        if length == -1:
            length = len(body)
        if length is not None:
            fields["content-length"] = str(length)
        self._head(status, fields)
        self.wfile.write(body)
        return length is not None

    def _head(self, status: int, fields: dict[str, str], version: str = "1.1") -> None:
        lines = [f"HTTP/{version} {status} OK", *(f"{name}: {value}" for name, value in fields.items() if value)]
        self.wfile.write("\r\n".join([*lines, "", ""]).encode())
