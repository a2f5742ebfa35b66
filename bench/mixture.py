"""Requests of every kind, valid, broken and abusive, each checked by its response."""

import contextlib
import http.client
import json
import random
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

REPLY_TIMEOUT_SECONDS = 120.0
LAST_LINE = "data: [DONE]"
SEEDS = 4
REJECTED_AS_BUSY = "busy"


class WrongResponse(Exception):
    """The response differs from the one that such a request must get."""


class RequestMixture:
    """Client of the function at ``port``. Safe for any number of threads.

    ``send`` makes a request of one of the KINDS. Replies with a seed must always be the same.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._replies: dict[tuple[int, int], str] = {}

    def send(self, kind: str, chance: random.Random) -> str:
        """Send a request; return its ending in a word. Raise WrongResponse."""
        return KINDS[kind](self, chance)

    def learn(self) -> None:
        """Request each of the replies that later ones are compared with."""
        for seed in range(SEEDS):
            for tokens in (8, 24, 150):
                self._replies[seed, tokens] = self._asked({"prompt": "hi", "seed": seed, "max_tokens": tokens})[1]

    def short(self, chance: random.Random) -> str:
        return self._seeded(chance.randrange(SEEDS), chance.choice((8, 24)))

    def long(self, chance: random.Random) -> str:
        return self._seeded(chance.randrange(SEEDS), 150)

    def streamed(self, chance: random.Random) -> str:
        with self._stream({"seed": 1, "max_tokens": 24}) as lines:
            return _whole(lines)

    def disconnected_in_the_queue(self, chance: random.Random) -> str:
        with self._stream({}) as lines:
            return _disconnect(lines, (": queued", "data: {"))  # some are served at once

    def disconnected_in_prefill(self, chance: random.Random) -> str:
        with self._stream({}, words=chance.randrange(100, 300)) as lines:
            return _disconnect(lines, ": prefill")

    def disconnected_in_decode(self, chance: random.Random) -> str:
        with self._stream({}) as lines:
            return _disconnect(lines, "data: {")

    def slow_reader(self, chance: random.Random) -> str:
        with self._stream({"max_tokens": 60}) as lines:
            return _whole(_slowly(lines, chance.uniform(0.002, 0.02)))

    def no_reader(self, chance: random.Random) -> str:
        """Read the head of a long reply, then nothing until the function closes the connection."""
        with self._connected(window=1) as client:
            client.sendall(self._post({}))
            client.recv(16)
            time.sleep(chance.uniform(0, 4))
        return "disconnected"

    def half_closed(self, chance: random.Random) -> str:
        with self._connected() as client:
            client.sendall(self._post({"max_tokens": 60}))
            begin = client.recv(16)
            client.shutdown(socket.SHUT_WR)
            rest = _rest(client)
        if begin.startswith(b"HTTP/1.1 429"):
            return REJECTED_AS_BUSY
        if LAST_LINE.encode() not in rest:
            raise WrongResponse("a client that only closed its sending side did not get its whole reply")
        return "answered"

    def stalled(self, chance: random.Random) -> str:
        with self._connected() as client:
            request = self._post({})
            client.sendall(request[: chance.randrange(1, len(request))])
            time.sleep(chance.uniform(0, 1))
        return "disconnected"

    def rejected_input(self, chance: random.Random) -> str:
        """Send input that must be rejected with a 4xx."""
        path, body, wanted = chance.choice(BAD)
        status, text = self._exchange("POST", path, body)
        if status != wanted or (status != 408 and '"error"' not in text):
            raise WrongResponse(f"{path} {body[:40]!r}: {status} {text[:200]}")
        return "rejected"

    def garbage(self, chance: random.Random) -> str:
        with self._connected() as client:
            client.sendall(chance.choice(GARBAGE))
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_WR)
            head = _rest(client)[:12]
        if head and not head.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5")):
            raise WrongResponse(f"garbage was answered {head!r}")
        return "rejected"

    def probe(self, chance: random.Random) -> str:
        status, text = self._exchange("GET", "/health/ready")
        if status != 200 or json.loads(text)["state"] != "ready":
            raise WrongResponse(f"/health/ready: {status} {text}")
        return "answered"

    def _seeded(self, seed: int, tokens: int) -> str:
        status, text = self._asked({"prompt": "hi", "seed": seed, "max_tokens": tokens})
        if status == 429:
            return REJECTED_AS_BUSY
        if status != 200 or text != self._replies.get((seed, tokens), text):
            raise WrongResponse(f"seed {seed}, {tokens} tokens: {status} {text[:200]!r}")
        return "answered"

    def _asked(self, body: Mapping[str, Any]) -> tuple[int, str]:
        return self._exchange("POST", "/chat", json.dumps({"ignore_eos": True} | dict(body)).encode())

    def _exchange(self, method: str, path: str, body: bytes | None = None) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=REPLY_TIMEOUT_SECONDS)
        with contextlib.closing(connection):
            connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
            response = connection.getresponse()
            return response.status, response.read().decode()

    @contextlib.contextmanager
    def _connected(self, window: int | None = None) -> Iterator[socket.socket]:
        """Yield a connection; ``window`` limits its receive buffer in bytes."""
        with socket.socket() as client:
            if window is not None:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
            client.settimeout(REPLY_TIMEOUT_SECONDS)
            client.connect(("127.0.0.1", self._port))
            yield client

    @contextlib.contextmanager
    def _stream(self, body: Mapping[str, Any], words: int = 1) -> Iterator[Iterator[str]]:
        """Yield the lines of a streamed reply, with its status first if that is not 200."""
        with self._connected() as client:
            client.sendall(self._post(body, words))
            with contextlib.closing(http.client.HTTPResponse(client)) as response:
                response.begin()
                yield _lines(response)

    def _post(self, body: Mapping[str, Any], words: int = 1) -> bytes:
        messages = [{"role": "user", "content": "hi " * words}]
        data = json.dumps({"messages": messages, "ignore_eos": True, "stream": True} | dict(body)).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(data)}\r\n\r\n"
        return head.encode() + data


KINDS: Mapping[str, Callable[[RequestMixture, random.Random], str]] = {
    name: getattr(RequestMixture, name)
    for name in [
        *(
            "short",
            "long",
            "streamed",
            "disconnected_in_the_queue",
            "disconnected_in_prefill",
            "disconnected_in_decode",
        ),
        *("slow_reader", "no_reader", "half_closed", "stalled", "rejected_input", "garbage", "probe"),
    ]
}
BAD = [
    ("/chat", b"{", 400),
    ("/chat", b'{"prompt": 7}', 400),
    ("/v1/chat/completions", b"[]", 400),
    ("/v1/chat/completions", b'{"messages": []}', 400),
    ("/v1/chat/completions", b'{"messages": [{"role": "user", "content": "hi"}], "temperature": -1}', 400),
    ("/v1/chat/completions", json.dumps({"messages": [{"role": "user", "content": "x " * 9000}]}).encode(), 400),
    ("/no/such/path", b"{}", 404),
    ("/health/ready", b"{}", 405),
]
GARBAGE = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS, on a port without TLS
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET /\xff\xfe HTTP/1.1\r\n\r\n\r\n",
    b"POST /chat HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    b"POST /chat HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"\r\n\r\n\0\0\0\0",
]


def _lines(response: http.client.HTTPResponse) -> Iterator[str]:
    if response.status != 200:
        yield f"status {response.status}"
        return
    while line := response.readline():
        if text := line.decode().strip():
            yield text


def _whole(lines: Iterator[str]) -> str:
    last = ""
    for last in lines:
        if last == "status 429":
            return REJECTED_AS_BUSY
    if last != LAST_LINE:
        raise WrongResponse(f"the stream ended with {last[:200]!r}")
    return "answered"


def _disconnect(lines: Iterator[str], moment: str | tuple[str, ...]) -> str:
    for line in lines:
        if line == "status 429":
            return REJECTED_AS_BUSY
        if line.startswith(moment):
            return "disconnected"
    raise WrongResponse(f"the stream ended before {moment!r}")


def _slowly(lines: Iterator[str], pause: float) -> Iterator[str]:
    for line in lines:
        time.sleep(pause)
        yield line


def _rest(client: socket.socket) -> bytes:
    """Return everything that arrives until the other side closes or resets the connection."""
    pieces = []
    with contextlib.suppress(ConnectionError):
        while piece := client.recv(65536):
            pieces.append(piece)
    return b"".join(pieces)
