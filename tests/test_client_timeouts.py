"""Clients that stall, send or read slowly, or never close, with the server of the container."""

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

from function.server.worker import ClientSocket
from tests.servers.doors import WAIT_SECONDS, ServedFunction, serving

POST = b"POST /chat HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
STALLED_CLIENTS = 50


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[ServedFunction]:
    with serving(tmp_path_factory.mktemp("worker"), MODEL_URI=str(tiny_model), CLIENT_TIMEOUT="2") as running:
        running.wait("ready")
        yield running


def connect(function: ServedFunction) -> socket.socket:
    address = urlsplit(function.url)
    return socket.create_connection((address.hostname or "", address.port or 0), timeout=WAIT_SECONDS)


def read(client: socket.socket) -> bytes:
    """Return everything until the server closes the connection."""
    return b"".join(iter(lambda: client.recv(65536), b""))


@pytest.mark.parametrize("sent", [b"GET /health/live HT", POST + b'{"prom'], ids=["header", "body"])
def test_stalled_clients_do_not_block_others(function: ServedFunction, sent: bytes) -> None:
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(function)) for _ in range(STALLED_CLIENTS)]
        for client in clients:
            client.sendall(sent)
        assert function.get("/health/live")[0] == 200
        assert function.ask("/chat", {"prompt": "hi", "max_tokens": 2})[0] == 200
        for client in clients:
            assert b" 408 " in read(client)


def test_stalled_body_gets_an_error_object(function: ServedFunction) -> None:
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
def test_client_that_sends_single_bytes_times_out(function: ServedFunction, start: bytes) -> None:
    stop = threading.Event()
    with connect(function) as client:
        client.sendall(start)

        def send_slowly() -> None:
            with contextlib.suppress(OSError):
                while not stop.wait(0.1):
                    client.sendall(b"a")

        sender = threading.Thread(target=send_slowly)
        sender.start()
        try:
            assert b" 408 " in client.recv(65536)
        finally:
            stop.set()
            sender.join()


def test_clients_that_never_close_do_not_block_others(function: ServedFunction) -> None:
    """gunicorn's own worker waits two seconds for each of them, in its only accepting thread."""
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            client = stack.enter_context(connect(function))
            client.sendall(b"GET /health/live HTTP/1.0\r\n\r\n")
        assert function.get("/health/live")[0] == 200


def test_slow_client_within_the_timeout_is_served(function: ServedFunction) -> None:
    body = json.dumps({"prompt": "hi", "max_tokens": 2}).encode()
    request = POST.replace(b"100", b"%d" % len(body)) + body
    pause = threading.Event()
    with connect(function) as client:
        for start in range(0, len(request), 40):
            client.sendall(request[start : start + 40])
            pause.wait(0.05)
        assert client.recv(12) == b"HTTP/1.1 200"


def test_idle_connection_outlives_the_request_timeout(function: ServedFunction) -> None:
    pause = threading.Event()
    address = urlsplit(function.url)
    with contextlib.closing(http.client.HTTPConnection(address.netloc, timeout=WAIT_SECONDS)) as client:
        client.connect()
        first = client.sock
        for _ in range(2):
            client.request("GET", "/health/live")
            assert client.getresponse().read()
            pause.wait(2.2)
        assert client.sock is first


@contextlib.contextmanager
def open_slow_reader(function: ServedFunction, **more: int) -> Iterator[socket.socket]:
    """A client that requests a long stream, with a minimal receive buffer."""
    messages = [{"role": "user", "content": "hi"}]
    data = json.dumps({"messages": messages, "ignore_eos": True, "stream": True, **more}).encode()
    address = urlsplit(function.url)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        client.connect((address.hostname, address.port))
        client.sendall(POST.replace(b"/chat", b"/v1/chat/completions").replace(b"100", b"%d" % len(data)) + data)
        yield client


def test_client_that_reads_nothing_does_not_block_the_model(tmp_path: Path, slow_model: Path) -> None:
    with serving(tmp_path, MODEL_URI=str(slow_model), N_CTX="8192", CLIENT_TIMEOUT="1") as function:
        function.wait("ready")
        with open_slow_reader(function):
            assert function.ask("/chat", {"prompt": "hi", "max_tokens": 2})[0] == 200, "it waited for its turn"


def test_client_that_reads_slowly_does_not_block_the_model_and_loses_nothing(tmp_path: Path, tiny_model: Path) -> None:
    with serving(tmp_path, MODEL_URI=str(tiny_model), N_CTX="2048", CLIENT_TIMEOUT="600") as function:
        function.wait("ready")
        with open_slow_reader(function, max_tokens=1900) as client:
            function.arrived()
            function.idle()
            assert function.ask("/chat", {"prompt": "hi", "max_tokens": 2})[0] == 200
            received = b""
            while b"[DONE]" not in received[-1000:]:
                more = client.recv(1 << 16)
                assert more, received[-1000:]
                received += more
        assert b'"finish_reason":"length"' in received


def test_client_that_reads_too_slowly_is_disconnected() -> None:
    server, client = socket.socketpair()
    with ClientSocket(server, timeout_seconds=0.5) as sending, client:

        def read_slowly() -> None:
            with contextlib.suppress(OSError):
                while client.recv(500):
                    time.sleep(0.01)

        reader = threading.Thread(target=read_slowly)
        reader.start()
        with pytest.raises(BrokenPipeError):
            sending.sendall(bytes(1 << 24))
        sending.shutdown(socket.SHUT_RDWR)
        reader.join()
