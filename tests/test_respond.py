"""Streams: their progress comments and their end."""

import contextlib
import http.client
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.servers.doors import WAIT_SECONDS, ServedFunction, Stream, serving
from tests.servers.gated import gated_store

ENDLESS: dict[str, Any] = {"prompt": "hi", "ignore_eos": True}


@pytest.mark.parametrize("switch", ["header", "field", None])
def test_progress_comments_can_be_switched_off(tmp_path: Path, tiny_model: Path, switch: str | None) -> None:
    body: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 2, "stream": True}
    if switch == "field":
        body["stream_options"] = {"include_progress": False}
    headers = {"Content-Type": "application/json"} | ({"X-Progress": "0"} if switch == "header" else {})
    with (
        gated_store(tiny_model) as (uri, gate),
        serving(tmp_path, MODEL_URI=uri) as function,
        _opened(function, "/v1/chat/completions", body, headers) as response,
    ):
        assert response.status == 200, "the headers arrive before the model"
        function.arrived()
        gate.set()
        lines = [line for line in response.read().decode().splitlines() if line]
    assert lines[-1] == "data: [DONE]"
    assert all(line.startswith("data: ") for line in lines) is (switch is not None)


def test_sigterm_ends_plain_text_stream_whole(tmp_path: Path, slow_model: Path) -> None:
    with serving(tmp_path, MODEL_URI=str(slow_model), N_CTX="8192") as function:
        function.wait("ready")
        with _opened(function, "/chat", ENDLESS, {"Content-Type": "application/json"}) as response:
            assert response.read(1)
            function.process.send_signal(signal.SIGTERM)
            assert response.read(), "the last chunk arrives: http.client raises IncompleteRead without it"
        assert function.process.wait(WAIT_SECONDS) == 0


def test_sigterm_ends_event_stream_with_error(tmp_path: Path, slow_model: Path) -> None:
    with serving(tmp_path, MODEL_URI=str(slow_model), N_CTX="8192") as function:
        function.wait("ready")
        body = {"messages": [{"role": "user", "content": "hi"}], "ignore_eos": True, "stream": True}
        with Stream(function, body) as stream:
            stream.until("data: ")
            function.process.send_signal(signal.SIGTERM)
            lines = stream.rest()
        assert lines[-2] == "event: error"
        assert json.loads(lines[-1][6:])["error"]["code"] == "stopping"


def test_compressed_body_is_rejected_with_reason(tmp_path: Path, tiny_model: Path) -> None:
    with serving(tmp_path, MODEL_URI=str(tiny_model)) as function:
        status, answer = function.ask("/v1/chat/completions", b"\x1f\x8b\x08", {"Content-Encoding": "gzip"})
    assert (status, "compressed" in answer["error"]["message"]) == (400, True)


@contextlib.contextmanager
def _opened(
    function: ServedFunction, path: str, body: dict[str, Any], headers: dict[str, str]
) -> Iterator[http.client.HTTPResponse]:
    address = urlsplit(function.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=WAIT_SECONDS)
    with contextlib.closing(connection):
        connection.request("POST", path, json.dumps(body), headers)
        with connection.getresponse() as response:
            yield response
