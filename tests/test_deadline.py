import json
import time
from pathlib import Path

import pytest

from function.web.request.deadline import deadline
from tests.servers.doors import Stream, serving
from tests.servers.gated import gated_store


def left(context: str | None, timeout: float) -> float:
    return deadline(context, timeout) - time.monotonic()


def test_the_setting_bounds_a_request() -> None:
    assert 99 < left(None, 100) <= 100


def test_the_platforms_deadline_comes_first_with_a_margin() -> None:
    context = json.dumps({"deadline": int((time.time() + 60) * 1000)})
    assert 50 < left(context, 600) < 59.1
    assert 9 < left(context, 10) <= 10


def test_a_deadline_that_is_over_is_now() -> None:
    assert left('{"deadline": 1}', 600) <= 0


@pytest.mark.parametrize("context", ["", "{", "[]", '{"deadline": "soon"}', '{"deadline": null}', "7"])
def test_what_cannot_be_read_is_as_good_as_none(context: str) -> None:
    assert left(context, 100) > 99


def test_a_deadline_in_any_state_ends_a_stream_whole_and_frees_the_model(tmp_path: Path, slow_model: Path) -> None:
    with serving(tmp_path, MODEL_URI=str(slow_model), N_CTX="8192", REQUEST_TIMEOUT="1") as function:
        function.wait("ready")
        for content in ("word " * 1500, "hi"):  # over while the prompt is read, and while the reply is written
            messages = [{"role": "user", "content": content}]
            with Stream(function, {"messages": messages, "stream": True, "ignore_eos": True}) as stream:
                lines = stream.rest()
            assert lines[-1] == "data: [DONE]"
            assert json.loads(lines[-2][6:])["choices"][0]["finish_reason"] == "length"
            function.idle()
        assert function.ask("/chat", {"prompt": "hi", "max_tokens": 2})[0] == 200


def test_a_deadline_in_the_queue_or_a_cold_start_ends_with_an_error_event(tmp_path: Path, tiny_model: Path) -> None:
    with gated_store(tiny_model) as (uri, gate), serving(tmp_path, MODEL_URI=uri, REQUEST_TIMEOUT="1") as function:
        with Stream(function, {"messages": [{"role": "user", "content": "hi"}], "stream": True}) as stream:
            lines = stream.rest()
        assert lines[-2] == "event: error"
        assert json.loads(lines[-1][6:])["error"]["code"] == "unavailable"
        gate.set()
        function.wait("ready")
        assert function.ask("/chat", {"prompt": "hi", "max_tokens": 2})[0] == 200
