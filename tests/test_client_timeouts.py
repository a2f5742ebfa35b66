"""Clients that stall, dawdle or never hang up, through the server that the container uses."""

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from infra.worker import ClientSocket
from tests.servers.doors import PATIENCE, ServedFunction, serving

POST = b"POST /chat HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
MANY = 50


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[ServedFunction]:
    with serving(tmp_path_factory.mktemp("worker"), MODEL_URI=str(tiny_model), CLIENT_TIMEOUT="2") as running:
        running.wait("ready")
        yield running


def connect(function: ServedFunction) -> socket.socket:
    address = urlsplit(function.url)
    return socket.create_connection((address.hostname or "", address.port or 0), timeout=PATIENCE)


def read(client: socket.socket) -> bytes:
    """All that comes until the server hangs up."""
    return b"".join(iter(lambda: client.recv(65536), b""))


@pytest.mark.parametrize("sent", [b"GET /health/live HT", POST + b'{"prom'], ids=["header", "body"])
def test_many_stalled_clients_keep_nobody_from_an_answer(function: ServedFunction, sent: bytes) -> None:
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(function)) for _ in range(MANY)]
        for client in clients:
            client.sendall(sent)
        assert function.get("/health/live")[0] == 200
        assert function.ask("/chat", {"prompt": "hi", "max_tokens": 2})[0] == 200
        for client in clients:
            assert b" 408 " in read(client)


def test_a_stalled_body_is_told_why(function: ServedFunction) -> None:
    with connect(function) as client:
        client.sendall(POST + b"{")
        head, _, body = read(client).partition(b"\r\n\r\n")
    assert b"application/json" in head
    assert json.loads(body)["error"]["code"] == "request_timeout"


@pytest.mark.parametrize(
    "start",
    [
        b"GET /health/live HTTP/1.1\r\nX-Slow: ",
        POST.replace(b"100", b"9999") + b"{",
        POST.replace(b"Content-Length: 100", b"Transfer-Encoding: chunked") + b"ffff\r\n",
    ],
    ids=["header", "body", "chunk"],
)
def test_a_byte_now_and_then_is_not_enough(function: ServedFunction, start: bytes) -> None:
    stop = threading.Event()
    with connect(function) as client:
        client.sendall(start)

        def dawdle() -> None:
            with contextlib.suppress(OSError):
                while not stop.wait(0.1):
                    client.sendall(b"a")

        sender = threading.Thread(target=dawdle)
        sender.start()
        try:
            assert b" 408 " in client.recv(65536)
        finally:
            stop.set()
            sender.join()


def test_clients_that_never_hang_up_keep_nobody_waiting(function: ServedFunction) -> None:
    """gunicorn's own worker waits two seconds for each of them, in the one thread that accepts."""
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            client = stack.enter_context(connect(function))
            client.sendall(b"GET /health/live HTTP/1.0\r\n\r\n")
        assert function.get("/health/live")[0] == 200


def test_a_client_that_takes_its_time_within_the_limit_is_served(function: ServedFunction) -> None:
    body = json.dumps({"prompt": "hi", "max_tokens": 2}).encode()
    request = POST.replace(b"100", b"%d" % len(body)) + body
    waited = threading.Event()
    with connect(function) as client:
        for start in range(0, len(request), 40):
            client.sendall(request[start : start + 40])
            waited.wait(0.05)
        assert client.recv(12) == b"HTTP/1.1 200"


def test_a_connection_is_kept_for_longer_than_a_request_may_take(function: ServedFunction) -> None:
    waited = threading.Event()
    address = urlsplit(function.url)
    with contextlib.closing(http.client.HTTPConnection(address.netloc, timeout=PATIENCE)) as client:
        client.connect()
        first = client.sock
        for _ in range(2):
            client.request("GET", "/health/live")
            assert client.getresponse().read()
            waited.wait(2.2)
        assert client.sock is first


@contextlib.contextmanager
def hardly_reading(function: ServedFunction, **more: int) -> Iterator[socket.socket]:
    """A client that asks for a long stream, and has no room to receive it in."""
    messages = [{"role": "user", "content": "hi"}]
    data = json.dumps({"messages": messages, "ignore_eos": True, "stream": True, **more}).encode()
    address = urlsplit(function.url)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        client.connect((address.hostname, address.port))
        client.sendall(POST.replace(b"/chat", b"/v1/chat/completions").replace(b"100", b"%d" % len(data)) + data)
        yield client


def test_a_client_that_reads_nothing_is_cut_off(tmp_path: Path, slow_model: Path) -> None:
    with serving(tmp_path, MODEL_URI=str(slow_model), N_CTX="8192", CLIENT_TIMEOUT="1") as function:
        function.wait("ready")
        with hardly_reading(function):
            assert function.ask("/chat", {"prompt": "hi", "max_tokens": 2})[0] == 200, "it waited for its turn"


def test_a_client_that_reads_slowly_keeps_nobody_from_the_model_and_loses_nothing(
    tmp_path: Path, tiny_model: Path
) -> None:
    with serving(tmp_path, MODEL_URI=str(tiny_model), N_CTX="2048", CLIENT_TIMEOUT="600") as function:
        function.wait("ready")
        with hardly_reading(function, max_tokens=1900) as client:
            function.arrived()
            function.idle()
            assert function.ask("/chat", {"prompt": "hi", "max_tokens": 2})[0] == 200
            received = b""
            while b"[DONE]" not in received[-1000:]:
                more = client.recv(1 << 16)
                assert more, received[-1000:]
                received += more
        assert b'"finish_reason":"length"' in received


def test_next_to_nothing_is_not_enough_either() -> None:
    server, client = socket.socketpair()
    with ClientSocket(server, timeout_seconds=0.5) as sending, client:

        def sip() -> None:
            with contextlib.suppress(OSError):
                while client.recv(500):
                    time.sleep(0.01)

        reader = threading.Thread(target=sip)
        reader.start()
        with pytest.raises(BrokenPipeError):
            sending.sendall(bytes(1 << 24))
        sending.shutdown(socket.SHUT_RDWR)
        reader.join()
