"""Shutdown in every state, through each entry point: streams end with an error, and no process is left."""

import contextlib
import json
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.busy_streams import STATES, OpenStreams, fetching, loading, streaming
from tests.crashes import ENDLESS
from tests.servers.descendants import alive, descendants
from tests.servers.doors import WAIT_SECONDS, ServedFunction, Stream, serving
from tests.servers.gated import gated_store

EXIT_SECONDS = 20.0
"""Time until no process may be left. The exit takes up to six seconds; gunicorn alone would take thirty."""


@pytest.mark.parametrize("door", ["gunicorn", "functions-framework"])
@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_stop_ends_streams_with_an_error_and_leaves_no_process(
    door: str, state: Callable[[ServedFunction], OpenStreams], tmp_path: Path, tiny_model: Path, slow_model: Path
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
            assert function.process.wait(EXIT_SECONDS) == 0
        until = time.monotonic() + EXIT_SECONDS
        while left := [process for process in processes if alive(process)]:
            assert time.monotonic() < until, f"{left} are left"
            time.sleep(0.05)


def test_stop_ends_plain_text_with_its_last_chunk(tmp_path: Path, slow_model: Path) -> None:
    with serving(tmp_path, MODEL_URI=str(slow_model), N_CTX="8192") as function:
        function.wait("ready")
        with Stream(function, ENDLESS, "/chat") as stream:
            assert stream.response.headers["Content-Type"].startswith("text/plain")
            assert stream.response.read(1)
            function.process.send_signal(signal.SIGTERM)
            stream.response.read()  # it raises IncompleteRead without the last chunk
        assert function.process.wait(EXIT_SECONDS) == 0


@pytest.mark.parametrize("door", ["gunicorn", "functions-framework"])
def test_worker_ends_with_a_killed_master(door: str, tmp_path: Path, slow_model: Path) -> None:
    with serving(tmp_path, door, MODEL_URI=str(slow_model), N_CTX="8192") as function, streaming(function) as [stream]:
        processes = descendants(function.process.pid)
        function.process.kill()
        assert "stopping" in stream.rest()[-1]
        until = time.monotonic() + EXIT_SECONDS
        while left := [process for process in processes if alive(process)]:
            assert time.monotonic() < until, f"{left} are left"
            time.sleep(0.05)


@pytest.mark.parametrize("door", ["gunicorn", "functions-framework"])
def test_next_process_continues_a_stopped_fetch(door: str, tmp_path: Path, tiny_model: Path) -> None:
    with gated_store(tiny_model) as (uri, gate):
        with serving(tmp_path, door, MODEL_URI=uri) as function, Stream(function, ENDLESS) as stream:
            stream.until(": fetching")
            function.process.send_signal(signal.SIGTERM)
            assert "stopping" in stream.rest()[-1]
            assert function.process.wait(WAIT_SECONDS) == 0
        gate.set()
        with serving(tmp_path, door, MODEL_URI=uri) as function:
            assert function.ask("/chat", {"prompt": "hi", "max_tokens": 3})[0] == 200
