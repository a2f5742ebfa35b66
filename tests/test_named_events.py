"""Streams of named events: progress before them, and failures that no client takes for the end of a reply."""

import contextlib
import json
import signal
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.servers.doors import WAIT_SECONDS, Stream, serving
from tests.servers.gated import gated_store

USER = {"role": "user", "content": "hi"}
RESPONSES, MESSAGES = "/v1/responses", "/v1/messages"
BODIES: dict[str, dict[str, Any]] = {
    RESPONSES: {"input": "hi", "stream": True, "ignore_eos": True},
    MESSAGES: {"messages": [USER], "max_tokens": 100_000, "stream": True, "ignore_eos": True},
}
BEGINNINGS = {RESPONSES: "event: response.created", MESSAGES: "event: message_start"}
ENDS = ("event: response.completed", "event: response.incomplete", "event: message_stop")


def test_progress_comes_before_events(tmp_path: Path, tiny_model: Path) -> None:
    with (
        gated_store(tiny_model) as (uri, gate),
        serving(tmp_path, MODEL_URI=uri) as function,
        contextlib.ExitStack() as stack,
    ):
        streams = {
            path: stack.enter_context(Stream(function, body | {"ignore_eos": False, "max_tokens": 2}, path))
            for path, body in BODIES.items()
        }
        for stream in streams.values():
            assert stream.until(": fetching")
        gate.set()
        for path, stream in streams.items():
            assert stream.until("event: ") == BEGINNINGS[path]
            assert stream.rest()[-2] in ENDS


def test_sigterm_ends_streams_with_error(tmp_path: Path, slow_model: Path) -> None:
    """The first stream has begun, and the second one waits for its turn."""
    with (
        serving(tmp_path, MODEL_URI=str(slow_model), N_CTX="8192") as function,
        openai.OpenAI(base_url=f"{function.url}/v1", api_key="none", max_retries=0) as client,
    ):
        function.wait("ready")
        running = client.responses.create(model="any", input="hi", extra_body={"ignore_eos": True}, stream=True)
        assert next(running).type == "response.created"
        with Stream(function, BODIES[MESSAGES], MESSAGES) as waiting:
            waiting.until(": queued")
            function.process.send_signal(signal.SIGTERM)
            with pytest.raises(openai.APIError, match="shutting down"):
                for _ in running:
                    pass
            lines = waiting.rest()
        assert lines[-2] == "event: error"
        assert not any(line in ENDS for line in lines)
        error = json.loads(lines[-1][6:])
        assert (error["type"], error["error"]["code"]) == ("error", "stopping")
        assert function.process.wait(WAIT_SECONDS) == 0


def test_failure_known_before_the_stream_has_its_status(tmp_path: Path) -> None:
    with serving(tmp_path, MODEL_URI=str(tmp_path / "missing.gguf")) as function:
        function.wait("failed")
        for path, body in BODIES.items():
            status, headers, text = function.exchange(path, body)
            assert (status, headers["x-should-retry"]) == (503, "false")
            error = json.loads(text)
            assert ("type" in error) is (path == MESSAGES)
            assert error["error"]["code"] == "model_not_found"
