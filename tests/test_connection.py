import socket
import ssl
from collections.abc import Iterator

import pytest

from function.web.request.client_connection import ClientConnection

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    server, client = socket.socketpair()
    with server, client:
        yield server, client


@pytest.mark.parametrize("key", ["gunicorn.socket", "werkzeug.socket"])
def test_a_client_that_waits_is_there(pair: Pair, key: str) -> None:
    assert not ClientConnection({key: pair[0]}, 60).gone()


def test_a_client_that_sends_more_is_there(pair: Pair) -> None:
    pair[1].sendall(b"GET /next")
    assert not ClientConnection({"gunicorn.socket": pair[0]}, 60).gone()
    assert pair[0].recv(100) == b"GET /next", "looking takes nothing away"


def test_a_closed_client_is_gone(pair: Pair) -> None:
    pair[1].close()
    assert ClientConnection({"gunicorn.socket": pair[0]}, 60).gone()


def test_a_half_closed_client_is_gone(pair: Pair) -> None:
    pair[1].shutdown(socket.SHUT_WR)
    assert ClientConnection({"gunicorn.socket": pair[0]}, 60).gone()


def test_what_a_client_sent_before_it_left_does_not_hide_that_it_left(pair: Pair) -> None:
    connection = ClientConnection({"gunicorn.socket": pair[0]}, 60)
    pair[1].sendall(b"\r\n")
    assert not connection.gone()
    pair[1].close()
    assert connection.gone()


def test_a_client_that_never_reads_ends_what_is_sent_to_it(pair: Pair) -> None:
    connection = ClientConnection({"gunicorn.socket": pair[0]}, timeout=1)
    with pytest.raises(BlockingIOError):
        pair[0].sendall(bytes(64 << 20))
    assert not connection.gone(), "it only does not read"


def test_a_socket_the_server_closed_is_gone(pair: Pair) -> None:
    pair[0].close()
    assert ClientConnection({"gunicorn.socket": pair[0]}, 60).gone()


def test_without_a_socket_nobody_is_known_to_be_gone() -> None:
    assert not ClientConnection({}, 60).gone()


def test_a_tls_client_is_there_until_it_leaves(pair: Pair) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    wrapped = context.wrap_socket(pair[0], server_side=True, do_handshake_on_connect=False)
    with wrapped:
        assert not ClientConnection({"gunicorn.socket": wrapped}, 60).gone()
        pair[1].close()
        assert ClientConnection({"gunicorn.socket": wrapped}, 60).gone()
