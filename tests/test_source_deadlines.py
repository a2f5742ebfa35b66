"""Deadlines of the network: a store that is silent ends in a clear error."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from function.errors import SourceError
from function.fetch import fetch
from function.fetch.policy import Policy
from function.source import Request
from function.source.http_client import EXCHANGE_TIMEOUT_SECONDS, exchange
from function.system.stopwatch import Stopwatch
from tests.fetch_data import DATA, QUICK
from tests.servers.faulty import Fault, FaultyStore
from tests.servers.scripted import ScriptedReply, ScriptedStore, Seen

MAX_WAIT_SECONDS = 60.0
DRIP_SECONDS = 0.02


@pytest.fixture
def dripping_url() -> Iterator[str]:
    """URL of a server that sends one byte of its header at a time, without an end."""
    ended = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nx-drip: ")
                while not ended.wait(DRIP_SECONDS):
                    connection.sendall(b"x")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/m.gguf"
    ended.set()
    listener.close()
    thread.join()


@pytest.mark.parametrize("scheme", ["s3", "gs", "hf", "http"])
def test_description_that_never_arrives_is_an_error(scheme: str, tmp_path: Path) -> None:
    def wait(seen: Seen) -> ScriptedReply:
        store.ended.wait()
        return ScriptedReply(500)

    with ScriptedStore(wait) as store:
        uri = f"{store.url}/m.gguf" if scheme == "http" else f"{scheme}://models/repo/m.gguf"
        policy = replace(QUICK, describe_seconds=0.3)
        with pytest.raises(SourceError, match=r"did not describe the object within 0\.3 s") as caught:
            fetch(uri, cache=tmp_path, policy=policy, stores=store.stores())
        store.ended.set()
    assert not caught.value.permanent


def test_description_that_fails_for_long_names_the_last_error(tmp_path: Path) -> None:
    policy = replace(QUICK, describe_seconds=0.3, backoff_seconds=0.2, max_backoff_seconds=0.2, max_attempts=100)
    with ScriptedStore(lambda seen: ScriptedReply(503)) as store, pytest.raises(SourceError, match="503"):
        fetch(f"{store.url}/m.gguf", cache=tmp_path, policy=policy, stores=store.stores())


@pytest.mark.parametrize("scheme", ["s3", "gs", "hf", "http"])
def test_bytes_that_never_arrive_are_an_error(scheme: str, tmp_path: Path) -> None:
    policy = replace(QUICK, silence_seconds=0.5, stall_seconds=0.2, max_attempts=100)
    with FaultyStore(DATA, always=Fault("stall", 0.0)) as store:
        with pytest.raises(SourceError, match=r"sent nothing for 0\.5 s, over several attempts"):
            fetch(store.uri(scheme), cache=tmp_path, policy=policy, stores=store.stores)
        store.always = None
        fetched = fetch(store.uri(scheme), cache=tmp_path, policy=QUICK, stores=store.stores)
        assert fetched.path.read_bytes() == DATA


def test_exchange_ends_even_if_bytes_arrive_one_at_a_time(dripping_url: str) -> None:
    with pytest.raises(TimeoutError, match="no complete response"):
        exchange(Request(dripping_url), timeout=0.3)


def test_default_deadlines_are_at_most_a_minute() -> None:
    policy = Policy()
    assert max(policy.describe_seconds, policy.silence_seconds, EXCHANGE_TIMEOUT_SECONDS) <= MAX_WAIT_SECONDS
    assert policy.silence_seconds > policy.stall_seconds


def test_stopwatch_ignores_a_pause_of_the_process() -> None:
    now = 100.0
    stopwatch = Stopwatch(lambda: now)
    now += 0.5
    assert stopwatch.look() == 0.5
    now += 3600
    assert stopwatch.look() == 1.5
    stopwatch.restart()
    assert stopwatch.look() == 0.0
    stopwatch.restart(10.0)
    now += 1.0
    assert stopwatch.look() == -9.0
