"""Invalid bytes to the server of the container: rejected, and no request is smuggled past it."""

import contextlib
import json
import random
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.servers.doors import WAIT_SECONDS, ServedFunction, serving

MARKER = "smuggled-7f3a"
HIDDEN = f"GET /v1/models/{MARKER} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
BODY = json.dumps({"prompt": "hi", "max_tokens": 2}).encode()
POST = b"POST /chat HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
SEEDED = {"prompt": "hi", "seed": 3, "max_tokens": 8}


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[ServedFunction]:
    with serving(tmp_path_factory.mktemp("raw"), MODEL_URI=str(tiny_model), CLIENT_TIMEOUT="2") as running:
        running.wait("ready")
        yield running


def exchange(function: ServedFunction, data: bytes) -> bytes:
    """Return the whole response to ``data``, after which the client closes its sending side."""
    address = urlsplit(function.url)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=WAIT_SECONDS) as client:
        with contextlib.suppress(OSError):
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
        pieces = []
        with contextlib.suppress(ConnectionError):
            while piece := client.recv(65536):
                pieces.append(piece)
        return b"".join(pieces)


def statuses(answer: bytes) -> list[int]:
    """Return the status of each response in ``answer``."""
    return [int(line.split()[1]) for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]


def chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n" % len(chunked(BODY)),
        b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        b"Content-Length: %d\r\nContent-Length: 0\r\n" % len(BODY),
        b"Content-Length: 0, %d\r\n" % len(BODY),
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding: identity, chunked, identity\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"Transfer-Encoding:\x0bchunked\r\n",
        b"Content-Length: +%d\r\n" % len(BODY),
        b"Content-Length: -1\r\n",
        b"Content-Length: 1e3\r\n",
        b"Content-Length: 0x10\r\n",
        b"X: y\r\n Content-Length: 5\r\n",
        b"X\0Y: z\r\n",
        b"X: a\nTransfer-Encoding: chunked\r\n",
    ],
)
def test_ambiguous_framing_is_rejected(function: ServedFunction, head: bytes) -> None:
    answer = exchange(function, POST + head + b"\r\n" + chunked(BODY) + HIDDEN)
    assert statuses(answer), "it is answered"
    assert all(400 <= status < 600 and status != 500 for status in statuses(answer)), answer[:300]
    assert MARKER.encode() not in answer


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 9000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200_000, 431),
        (b"GET / HTTP/7.0\r\n\r\n", 400),
        (b"GET\r\n\r\n", 400),
        (b"G\0T / HTTP/1.1\r\n\r\n", 400),
        (b"CONNECT example.org:80 HTTP/1.1\r\nHost: x\r\n\r\n", None),
        (b"GET http://example.org/secret HTTP/1.1\r\nHost: example.org\r\n\r\n", 404),
        (POST + b"Expect: 200-ok\r\nContent-Length: 0\r\n\r\n", 417),
        (POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello", 400),
        (POST + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nhello", 400),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nhello", 400),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhelloXX", 400),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n5;" + b"x" * 20_000, 400),
        (POST + b"Content-Length: 100\r\n\r\n{", 400),
    ],
)
def test_invalid_http_is_rejected_with_status(function: ServedFunction, data: bytes, status: int | None) -> None:
    found = statuses(exchange(function, data))
    assert len(found) == 1
    assert found[0] == status if status else 400 <= found[0] < 500
    assert function.get("/health/ready")[0] == 200


def test_pipelined_requests_are_answered_in_order(function: ServedFunction) -> None:
    first = POST + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
    answer = exchange(function, first + HIDDEN + first.replace(b"/chat", b"/nowhere"))
    assert statuses(answer)[0] == 200
    assert statuses(answer) in ([200], [200, 200], [200, 200, 404]), "a client that has closed its side may be left"


@pytest.mark.parametrize("rounds", [150, pytest.param(3000, marks=pytest.mark.slow)])
def test_mutated_requests_never_fail_the_server(function: ServedFunction, rounds: int) -> None:
    """Flip, drop, double and insert bytes of valid requests: a status or a closed connection, never a 500."""
    assert mutate(function, rounds)["5xx"] == 0
    assert function.ask("/chat", SEEDED) == function.ask("/chat", SEEDED)
    assert "Traceback" not in function.log.read_text()


def mutate(function: ServedFunction, rounds: int) -> dict[str, int]:
    """Return the number of responses of each kind to ``rounds`` mutated requests."""
    healthy = [
        POST + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY,
        POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(BODY[:5], BODY[5:]),
        b"GET /health/ready HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n",
        b"OPTIONS /v1/chat/completions HTTP/1.1\r\nHost: x\r\nOrigin: http://a.example\r\n\r\n",
    ]
    counts = {"2xx": 0, "4xx": 0, "5xx": 0, "501": 0, "closed": 0}
    for seed in range(rounds):
        chance = random.Random(seed)
        data = bytearray(chance.choice(healthy))
        for _ in range(chance.choice((1, 1, 2, 8))):
            where = chance.randrange(len(data))
            how = chance.randrange(4)
            if how == 0:
                data[where] = chance.randrange(256)
            elif how == 1:
                del data[where : where + chance.randrange(1, 9)]
            elif how == 2:
                data[where:where] = data[where : where + chance.randrange(1, 40)]
            else:
                data[where:where] = chance.choice((b"\r\n", b"\n", b"\0", b":", b" ", b"\xff", b"%00", b"../"))
        found = statuses(exchange(function, bytes(data)))
        for status in found:
            counts["501" if status == 501 else f"{status // 100}xx"] += 1  # 501: an unknown transfer coding
        counts["closed"] += not found
    return counts
