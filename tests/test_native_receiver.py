"""Native receiver: checksums, files, connections with and without TLS, and their ends."""

import os
import random
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPResponse
from pathlib import Path

import pytest

from function.source import ALGORITHMS, Request, StoreConnection
from function.source.native import LIBRARY, NativeTarget, Receiver, Reception, native_receiver
from tests.servers.scripted import Certificate, ScriptedStore, make_certificate, object_reply
from tools import native_libraries

DATA = random.Random(8).randbytes(900_000)
CRC32 = ALGORITHMS["crc32"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def receiver() -> Receiver:
    found = native_receiver()
    assert found is not None, f"{LIBRARY} is missing: make install-dev compiles it"
    return found


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    yield descriptor
    os.close(descriptor)


def target(receiver: Receiver, file: int) -> NativeTarget:
    return receiver.open_target(file, CRC32.width, CRC32.polynomial)


def start(connection: StoreConnection, url: str) -> tuple[HTTPResponse, bytes]:
    """Send a request; return the response and the bytes that came into its buffer with the headers."""
    response = connection.send(Request(url))
    buffer = bytearray(len(DATA))
    count = connection.read_into(response, memoryview(buffer)) if not connection.receivable(response) else 0
    return response, bytes(buffer[:count])


def receive_all(connection: StoreConnection, response: HTTPResponse, at: NativeTarget, begin: int) -> Reception:
    """Receive what the response holds up to its last byte; return the last result, with the sum of the bytes."""
    count, check, buffer = 0, 0, memoryview(bytearray(70_000))
    while wanted := connection.receivable(response):
        last = connection.receive(response, at, begin + count, wanted, check, buffer, 0.01)
        count, check = count + last.count, last.check
        if not last.count or last.broken or last.unwritten:
            return Reception(count, check, last.broken, last.unwritten)
    return Reception(count, check)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_checksums_equal_those_of_the_packages(name: str, receiver: Receiver) -> None:
    algorithm, chance = ALGORITHMS[name], random.Random(1)
    ours, theirs = receiver.update(algorithm.width, algorithm.polynomial), algorithm.load_library()
    for size in (*range(200), 4095, 4096, 65_537):
        data = memoryview(bytearray(chance.randbytes(size + 3)))[chance.randrange(4) :]
        check = chance.getrandbits(algorithm.width)
        assert ours(check, data) == theirs(check, data)


@pytest.mark.parametrize("tls", [False, True])
def test_body_is_written_and_checked(tls: bool, certificate: Certificate, receiver: Receiver, file: int) -> None:
    with ScriptedStore(lambda seen: object_reply(seen, DATA), certificate if tls else None) as store:
        bundle = str(certificate.path) if tls else None
        with closing(StoreConnection(store.url, ca_bundle=bundle, timeout=None, receiver=receiver)) as connection:
            for _ in range(2):  # the second response comes over the same connection
                response, first = start(connection, f"{store.url}/m.gguf")
                assert connection.receivable(response) == len(DATA) - len(first) - 1
                reception = receive_all(connection, response, target(receiver, file), len(first))
                assert len(first) + reception.count == len(DATA) - 1
                assert os.pread(file, len(DATA), len(first)) == DATA[len(first) : -1]
                assert reception.check == CRC32.load_library()(0, memoryview(DATA)[len(first) : -1])
                assert response.read() == DATA[-1:]
                os.ftruncate(file, 0)


def test_tunnel_of_a_proxy_is_received_natively(
    certificate: Certificate, receiver: Receiver, file: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedStore(lambda seen: object_reply(seen, DATA), certificate) as store, Tunnel(store.address) as tunnel:
        monkeypatch.setenv("https_proxy", tunnel.url)
        monkeypatch.delenv("no_proxy", raising=False)
        connection = StoreConnection(store.url, ca_bundle=str(certificate.path), timeout=None, receiver=receiver)
        with closing(connection):
            response, first = start(connection, f"{store.url}/m.gguf")
            reception = receive_all(connection, response, target(receiver, file), len(first))
            assert reception.count > len(DATA) // 2
            assert os.pread(file, len(DATA), len(first)) == DATA[len(first) : -1]
            assert tunnel.asked == [f"CONNECT {store.address} HTTP/1.0"] or tunnel.asked == [
                f"CONNECT {store.address} HTTP/1.1"
            ]


def test_unknown_authority_is_rejected_before_a_byte_of_the_request(
    certificate: Certificate, receiver: Receiver
) -> None:
    with (
        ScriptedStore(lambda seen: object_reply(seen, DATA), certificate) as store,
        closing(StoreConnection(store.url, timeout=None, receiver=receiver)) as connection,
    ):
        with pytest.raises(ssl.SSLCertVerificationError):
            connection.send(Request(f"{store.url}/m.gguf"))
        assert store.seen == []


def test_only_the_own_thread_and_socket_find_a_connection(certificate: Certificate, receiver: Receiver) -> None:
    context = ssl.create_default_context(cafile=str(certificate.path))
    with ScriptedStore(lambda seen: object_reply(seen, DATA), certificate) as store:
        host, _, port = store.address.partition(":")
        receiver.forget_tls()
        with context.wrap_socket(socket.create_connection((host, int(port))), server_hostname=host) as connected:
            found: list[int | None] = []
            other = threading.Thread(target=lambda: found.append(receiver.take_tls(connected)))
            other.start()
            other.join()
            assert found == [None]
            assert receiver.take_tls(connected)
            assert receiver.take_tls(connected) is None  # it is handed out once
        receiver.forget_tls()
        with (
            context.wrap_socket(socket.create_connection((host, int(port))), server_hostname=host) as one,
            context.wrap_socket(socket.create_connection((host, int(port))), server_hostname=host) as two,
        ):
            assert receiver.take_tls(one) is None  # the newest is another one
            assert two.version()


def test_closed_target_takes_no_more_bytes(receiver: Receiver, file: int) -> None:
    ours, peer = socket.socketpair()
    with ours, peer:
        peer.sendall(DATA[:1000])
        closed = target(receiver, file)
        closed.close()
        reception = receiver.receive(ours.fileno(), None, closed, 0, 1000, 7, memoryview(bytearray(1000)), 1.0)
    assert reception == Reception(0, 7)
    assert os.fstat(file).st_size == 0


def test_bytes_before_the_end_of_a_connection_are_kept(receiver: Receiver, file: int) -> None:
    ours, peer = socket.socketpair()
    with ours:
        with peer:
            peer.sendall(DATA[:1000])
        first = receiver.receive(
            ours.fileno(), None, target(receiver, file), 0, 5000, 0, memoryview(bytearray(3000)), 1.0
        )
    assert (first.count, first.broken, first.unwritten) == (1000, None, None)
    assert os.pread(file, 5000, 0) == DATA[:1000]


def test_reset_connection_raises_the_same_error_as_in_python(receiver: Receiver, file: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        peer, _ = server.accept()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, (1).to_bytes(4, "little") + bytes(4))
        peer.close()
        with ours:
            reception = receiver.receive(
                ours.fileno(), None, target(receiver, file), 0, 10, 0, memoryview(bytearray(10)), 1.0
            )
    assert isinstance(reception.broken, ConnectionResetError)
    assert reception.count == 0


def test_file_that_cannot_be_written_is_reported_apart(receiver: Receiver, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    descriptor = os.open(tmp_path / "file", os.O_RDONLY)
    ours, peer = socket.socketpair()
    with ours, peer:
        peer.sendall(b"abc")
        reception = receiver.receive(
            ours.fileno(), None, target(receiver, descriptor), 0, 3, 0, memoryview(bytearray(10)), 1.0
        )
    os.close(descriptor)
    assert isinstance(reception.unwritten, OSError)
    assert reception.broken is None


@pytest.mark.parametrize("interface", [b"int receive_interface(void) { return 0; }", None])
def test_library_of_another_interface_is_not_used(interface: bytes | None, tmp_path: Path) -> None:
    library = tmp_path / "libreceive.so"
    if interface is None:
        library.write_bytes(b"no library")
    else:
        command = ["cc", "-shared", "-x", "c", "-", "-o", str(library)]
        subprocess.run(command, input=interface, check=True)
    with pytest.raises(OSError, match="libreceive"):
        Receiver(library)


def test_library_is_compiled_once(tmp_path: Path) -> None:
    assert native_libraries.compile_libraries(tmp_path) == 0
    library = native_libraries.library_path(tmp_path, native_libraries.SOURCES[0])
    compiled = library.stat().st_mtime_ns
    Receiver(library)
    assert native_libraries.compile_libraries(tmp_path) == 0
    assert library.stat().st_mtime_ns == compiled


class Tunnel:
    """Proxy that connects its clients with one address; ``asked`` lists the first lines of their requests."""

    def __init__(self, address: str) -> None:
        host, _, port = address.partition(":")
        self._address = host, int(port)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        self.asked: list[str] = []

    def __enter__(self) -> "Tunnel":
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()

    def _serve(self) -> None:
        client, _ = self._server.accept()
        with client, socket.create_connection(self._address) as store:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += client.recv(1)
            self.asked.append(head.split(b"\r\n")[0].decode())
            client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            back = threading.Thread(target=self._pump, args=(store, client), daemon=True)
            back.start()
            self._pump(client, store)
            back.join()

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(1 << 16):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:  # one side has hung up
            return
