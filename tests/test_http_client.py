"""HTTP connections to stores: their timeouts."""

from contextlib import closing

import pytest

from function.source.http_client import Request, StoreConnection
from tests.servers.scripted import ScriptedReply, ScriptedStore


@pytest.mark.parametrize("seconds", [7.5, None])
def test_connection_waits_for_a_response_as_long_as_it_may(seconds: float | None) -> None:
    with (
        ScriptedStore(lambda seen: ScriptedReply(200, body=b"x")) as store,
        closing(StoreConnection(store.url, timeout=seconds)) as connection,
    ):
        assert connection.send(Request(f"{store.url}/m.gguf")).read() == b"x"
        assert connection._sock is not None
        assert connection._sock.gettimeout() == seconds
