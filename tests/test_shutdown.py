"""A stop in every state, through the doors that platforms use: streams are told, and nothing is left."""

import contextlib
import json
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.servers.descendants import alive, descendants
from tests.servers.doors import PATIENCE, ServedFunction, Stream, serving
from tests.servers.gated import gated_store

ENDLESS: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}], "ignore_eos": True, "stream": True}
LONG_PROMPT: dict[str, Any] = {"messages": [{"role": "user", "content": "word " * 1500}], "stream": True}
GONE = 20.0
"""Seconds until nothing may be left. It takes six at most where there is time; gunicorn alone would take thirty."""

Held = contextlib.AbstractContextManager[list[Stream]]


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
    """Nobody to tell: clients that never finish what they say."""
    function.wait("ready")
    address = urlsplit(function.url)
    with socket.create_connection((address.hostname or "", address.port or 0)) as client:
        client.sendall(b"GET / HT")
        yield []


STATES: list[Callable[[ServedFunction], Held]] = [fetching, loading, queued, prefill, streaming, stalled]


@pytest.mark.parametrize("door", ["gunicorn", "functions-framework"])
@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_a_stop_is_told_and_leaves_nothing(
    door: str, state: Callable[[ServedFunction], Held], tmp_path: Path, tiny_model: Path, slow_model: Path
) -> None:
    template = tmp_path / "template.jinja"
    template.write_text("{{ messages[0].content }}" + " " * 5000)
    with contextlib.ExitStack() as stack:
        settings = {"MODEL_URI": str(slow_model), "N_CTX": "8192"}
        if state is fetching:
            settings["MODEL_URI"], _ = stack.enter_context(gated_store(tiny_model))
        elif state is loading:
            settings["CHAT_TEMPLATE"], _ = stack.enter_context(gated_store(template))
        function = stack.enter_context(serving(tmp_path, door, **settings))
        with state(function) as streams:
            processes = descendants(function.process.pid)
            assert processes
            function.process.send_signal(signal.SIGTERM)
            for stream in streams:
                lines = stream.rest()
                assert lines[-2] == "event: error", lines
                assert json.loads(lines[-1][6:])["error"]["code"] == "stopping"
            assert function.process.wait(GONE) == 0
        until = time.monotonic() + GONE
        while left := [process for process in processes if alive(process)]:
            assert time.monotonic() < until, f"{left} are left"
            time.sleep(0.05)


@pytest.mark.parametrize("door", ["gunicorn", "functions-framework"])
def test_a_killed_master_takes_its_worker_with_it(door: str, tmp_path: Path, slow_model: Path) -> None:
    with serving(tmp_path, door, MODEL_URI=str(slow_model), N_CTX="8192") as function, streaming(function) as [stream]:
        processes = descendants(function.process.pid)
        function.process.kill()
        assert "stopping" in stream.rest()[-1]
        until = time.monotonic() + GONE
        while left := [process for process in processes if alive(process)]:
            assert time.monotonic() < until, f"{left} are left"
            time.sleep(0.05)


@pytest.mark.parametrize("door", ["gunicorn", "functions-framework"])
def test_what_a_stopped_fetch_left_serves_the_next_process(door: str, tmp_path: Path, tiny_model: Path) -> None:
    with gated_store(tiny_model) as (uri, gate):
        with serving(tmp_path, door, MODEL_URI=uri) as function, Stream(function, ENDLESS) as stream:
            stream.until(": fetching")
            function.process.send_signal(signal.SIGTERM)
            assert "stopping" in stream.rest()[-1]
            assert function.process.wait(PATIENCE) == 0
        gate.set()
        with serving(tmp_path, door, MODEL_URI=uri) as function:
            assert function.ask("/chat", {"prompt": "hi", "max_tokens": 3})[0] == 200
