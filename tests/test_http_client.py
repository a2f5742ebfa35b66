"""HTTP connections to stores: their timeouts."""

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from function.source.http_client import Request, StoreConnection
from tests.servers.scripted import ScriptedReply, ScriptedStore

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("seconds", [7.5, None])
def test_connection_waits_for_a_response_as_long_as_it_may(seconds: float | None) -> None:
    with (
        ScriptedStore(lambda seen: ScriptedReply(200, body=b"x")) as store,
        closing(StoreConnection(store.url, timeout=seconds)) as connection,
    ):
        assert connection.send(Request(f"{store.url}/m.gguf")).read() == b"x"
        assert connection._sock is not None
        assert connection._sock.gettimeout() == seconds


def test_exchange_does_not_hold_a_process_that_ends() -> None:
    program = """
import socket, threading
from function.source.http_client import Request, exchange
server = socket.create_server(("127.0.0.1", 0))
url = f"http://127.0.0.1:{server.getsockname()[1]}/"
threading.Thread(target=exchange, args=(Request(url),), kwargs={"timeout": 1000}, daemon=True).start()
connection, _ = server.accept()
connection.recv(1)
print(*(thread.name for thread in threading.enumerate() if not thread.daemon))
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "MainThread\n"
