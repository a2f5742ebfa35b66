"""States in which a function is busy: each context manager yields the streams that are open in it."""

import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from tests.crashes import ENDLESS
from tests.servers.doors import ServedFunction, Stream

LONG_PROMPT: dict[str, Any] = {"messages": [{"role": "user", "content": "word " * 1500}], "stream": True}

OpenStreams = contextlib.AbstractContextManager[list[Stream]]


@contextlib.contextmanager
def fetching(function: ServedFunction) -> Iterator[list[Stream]]:
    with Stream(function, ENDLESS) as stream:
        stream.until(": fetching")
        yield [stream]


@contextlib.contextmanager
def loading(function: ServedFunction) -> Iterator[list[Stream]]:
    with Stream(function, ENDLESS) as stream:
        stream.until(": loading")
        yield [stream]


@contextlib.contextmanager
def prefill(function: ServedFunction) -> Iterator[list[Stream]]:
    function.wait("ready")
    with Stream(function, LONG_PROMPT) as stream:
        stream.until(": prefill")
        yield [stream]


@contextlib.contextmanager
def streaming(function: ServedFunction) -> Iterator[list[Stream]]:
    function.wait("ready")
    with Stream(function, ENDLESS) as stream:
        stream.until("data: {")
        yield [stream]


@contextlib.contextmanager
def queued(function: ServedFunction) -> Iterator[list[Stream]]:
    with streaming(function) as first, Stream(function, ENDLESS) as second:
        second.until(": queued")
        yield [*first, second]


@contextlib.contextmanager
def stalled(function: ServedFunction) -> Iterator[list[Stream]]:
    """A client that never completes its request, so that there is no stream to end."""
    function.wait("ready")
    address = urlsplit(function.url)
    with socket.create_connection((address.hostname or "", address.port or 0)) as client:
        client.sendall(b"GET / HT")
        yield []


STATES: list[Callable[[ServedFunction], OpenStreams]] = [fetching, loading, queued, prefill, streaming, stalled]
