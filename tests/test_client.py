"""Client of one request: its connection and its deadline."""

import json
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from function.web.request.client import Client, ClientGone, reply_deadline
from tests.servers.doors import WAIT_SECONDS, Stream, serving
from tests.servers.gated import gated_store

Pair = tuple[socket.socket, socket.socket]


def connect(environ: dict[str, socket.socket], send_timeout: float) -> Client:
    return Client(environ, send_timeout=send_timeout, reply_timeout=60)


@pytest.fixture
def pair() -> Iterator[Pair]:
    server, client = socket.socketpair()
    with server, client:
        yield server, client


@pytest.mark.parametrize("key", ["gunicorn.socket", "werkzeug.socket"])
def test_waiting_client_is_not_gone(pair: Pair, key: str) -> None:
    assert not connect({key: pair[0]}, 60).is_gone()


def test_client_that_sends_more_is_not_gone(pair: Pair) -> None:
    pair[1].sendall(b"GET /next")
    assert not connect({"gunicorn.socket": pair[0]}, 60).is_gone()
    assert pair[0].recv(100) == b"GET /next", "looking takes nothing away"


def test_closed_client_is_gone(pair: Pair) -> None:
    pair[1].close()
    assert connect({"gunicorn.socket": pair[0]}, 60).is_gone()


@pytest.fixture
def tcp_pair() -> Iterator[Pair]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    with server, client:
        yield server, client


def http_client(pair: Pair, protocol: str = "HTTP/1.1") -> Client:
    environ = {"gunicorn.socket": pair[0], "SERVER_PROTOCOL": protocol}
    return Client(environ, send_timeout=60, reply_timeout=60)


def test_half_closed_client_is_not_gone_and_gets_interim_response(tcp_pair: Pair) -> None:
    connection = http_client(tcp_pair)
    tcp_pair[1].shutdown(socket.SHUT_WR)
    for _ in range(3):
        assert not connection.is_gone()
    assert tcp_pair[1].recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n", "once"


def test_closed_client_is_gone_after_interim_response(tcp_pair: Pair) -> None:
    connection = http_client(tcp_pair)
    tcp_pair[1].close()
    deadline = time.monotonic() + WAIT_SECONDS
    while not connection.is_gone():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_half_closed_client_of_stream_gets_probe_in_the_stream(tcp_pair: Pair) -> None:
    connection = http_client(tcp_pair)
    connection.begin_stream()
    tcp_pair[1].shutdown(socket.SHUT_WR)
    assert not connection.is_gone()
    assert connection.take_probe()
    assert not connection.take_probe()
    tcp_pair[1].setblocking(False)
    with pytest.raises(BlockingIOError):
        tcp_pair[1].recv(100)


def test_half_closed_client_of_http_1_0_is_gone(tcp_pair: Pair) -> None:
    connection = http_client(tcp_pair, "HTTP/1.0")
    assert not connection.is_gone()
    tcp_pair[1].shutdown(socket.SHUT_WR)
    assert connection.is_gone()


def test_unread_bytes_do_not_hide_closed_client(pair: Pair) -> None:
    connection = connect({"gunicorn.socket": pair[0]}, 60)
    pair[1].sendall(b"\r\n")
    assert not connection.is_gone()
    pair[1].close()
    assert connection.is_gone()


def test_sending_to_client_that_never_reads_fails(pair: Pair) -> None:
    connection = connect({"gunicorn.socket": pair[0]}, 1)
    with pytest.raises(BlockingIOError):
        pair[0].sendall(bytes(64 << 20))
    assert not connection.is_gone(), "it only does not read"


def test_socket_closed_by_server_is_gone(pair: Pair) -> None:
    pair[0].close()
    assert connect({"gunicorn.socket": pair[0]}, 60).is_gone()


def test_client_without_socket_is_not_gone() -> None:
    assert not connect({}, 60).is_gone()


def test_tls_client_is_gone_only_after_it_closes(pair: Pair) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    wrapped = context.wrap_socket(pair[0], server_side=True, do_handshake_on_connect=False)
    with wrapped:
        assert not connect({"gunicorn.socket": wrapped}, 60).is_gone()
        pair[1].close()
        assert connect({"gunicorn.socket": wrapped}, 60).is_gone()


def left(context: str | None, timeout: float) -> float:
    return reply_deadline(context, timeout) - time.monotonic()


def test_wait_ends_with_the_progress_the_deadline_or_the_client(pair: Pair) -> None:
    client = connect({"gunicorn.socket": pair[0]}, 60)
    reports: list[str | None] = ["queued 2", "queued 1", None]
    pauses: list[int] = []
    waited = client.wait(lambda: reports.pop(0), lambda: pauses.append(len(reports)))
    assert list(waited) == ["queued 2", "queued 1"]
    assert pauses == [2, 1]
    late = Client({"gunicorn.socket": pair[0]}, send_timeout=60, reply_timeout=0)
    assert list(late.wait(lambda: "queued 1", lambda: None)) == []
    waited = client.wait(lambda: "queued 1", pair[1].close)
    assert next(waited) == "queued 1"
    with pytest.raises(ClientGone):
        next(waited)


def test_deadline_follows_setting() -> None:
    assert 99 < left(None, 100) <= 100


def test_deadline_of_platform_comes_first_with_margin() -> None:
    context = json.dumps({"deadline": int((time.time() + 60) * 1000)})
    assert 50 < left(context, 600) < 59.1
    assert 9 < left(context, 10) <= 10


def test_deadline_in_the_past_is_now() -> None:
    assert left('{"deadline": 1}', 600) <= 0


@pytest.mark.parametrize("context", ["", "{", "[]", '{"deadline": "soon"}', '{"deadline": null}', "7"])
def test_deadline_that_is_unreadable_is_ignored(context: str) -> None:
    assert left(context, 100) > 99


def test_deadline_ends_stream_with_done_and_frees_model(tmp_path: Path, slow_model: Path) -> None:
    with serving(tmp_path, MODEL_URI=str(slow_model), N_CTX="8192", REQUEST_TIMEOUT="1") as function:
        function.wait("ready")
        for content in ("word " * 1500, "hi"):  # over while the prompt is read, and while the reply is written
            messages = [{"role": "user", "content": content}]
            with Stream(function, {"messages": messages, "stream": True, "ignore_eos": True}) as stream:
                lines = stream.rest()
            assert lines[-1] == "data: [DONE]"
            assert json.loads(lines[-2][6:])["choices"][0]["finish_reason"] == "length"
            function.idle()
        assert function.ask("/chat", {"prompt": "hi", "max_tokens": 2})[0] == 200


def test_deadline_in_cold_start_ends_with_error_event(tmp_path: Path, tiny_model: Path) -> None:
    with gated_store(tiny_model) as (uri, gate), serving(tmp_path, MODEL_URI=uri, REQUEST_TIMEOUT="1") as function:
        with Stream(function, {"messages": [{"role": "user", "content": "hi"}], "stream": True}) as stream:
            lines = stream.rest()
        assert lines[-2] == "event: error"
        assert json.loads(lines[-1][6:])["error"]["code"] == "unavailable"
        gate.set()
        function.wait("ready")
        assert function.ask("/chat", {"prompt": "hi", "max_tokens": 2})[0] == 200
