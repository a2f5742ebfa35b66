"""Function on Lambda. tests/servers/lambdas.py describes the commands that the environment must name."""

import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.doors import WAIT_SECONDS, ServedFunction
from tests.servers.lambdas import INVOKE, SCHEDULED, adapted, emulated

LONG = {"messages": [{"role": "user", "content": "hi"}], "ignore_eos": True, "stream": True}


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory, slow_model: Path) -> Iterator[ServedFunction]:
    """One instance, frozen between requests, with a model whose replies outlast its deadline of 10 s."""
    tmp = tmp_path_factory.mktemp("lambda")
    options = ("--timeout", "10", "--freeze", "--sandboxes", "1")
    with emulated(tmp, adapted(), *options, MODEL_URI=str(slow_model), N_CTX="8192") as function:
        deadline = time.monotonic() + WAIT_SECONDS
        while (report := function.ask(INVOKE, SCHEDULED)[1]).get("first_token") is not True:
            assert time.monotonic() < deadline, report
            time.sleep(0.5)
        yield function


def test_scheduled_event_gets_the_warmup_report(function: ServedFunction) -> None:
    status, headers, text = function.exchange(INVOKE, SCHEDULED)
    assert (status, headers.get("x-amz-function-error")) == (200, None)
    report = json.loads(text)
    assert report["state"] == "ready"
    assert report["loaded"] is True
    assert report["first_token"] is True


def test_stream_arrives_in_chunks(function: ServedFunction) -> None:
    request = urllib.request.Request(
        function.url + "/v1/chat/completions",
        json.dumps(LONG | {"max_tokens": 24}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=WAIT_SECONDS) as response:
        chunks = list(iter(lambda: response.read1(65536), b""))
    assert len(chunks) > 4, "a reply of 24 tokens arrives in several chunks"
    assert b"".join(chunks).endswith(b"data: [DONE]\n\n")


def test_deadline_ends_a_stream_cleanly(function: ServedFunction) -> None:
    body = LONG | {"stream_options": {"include_usage": True}}
    status, _, text = function.exchange("/v1/chat/completions", body)
    assert status == 200
    assert text.endswith("data: [DONE]\n\n")
    events = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
    assert [c["finish_reason"] for e in events for c in e["choices"] if c["finish_reason"]] == ["length"]
    usage = next(event["usage"] for event in events if event.get("usage"))
    assert usage["total_tokens"] < 8192, "the context ended the reply before the deadline could"


@pytest.mark.slow
def test_deadline_ends_a_plain_reply_cleanly(function: ServedFunction) -> None:
    status, reply = function.ask("/v1/chat/completions", LONG | {"stream": False})
    assert status == 200
    assert reply["choices"][0]["finish_reason"] == "length"


@pytest.mark.slow
def test_init_longer_than_ten_seconds_ends_in_the_first_request(tmp_path: Path, tiny_model: Path) -> None:
    late = adapted("sleep 12; ")
    with emulated(tmp_path, late, "--timeout", "60", MODEL_URI=str(tiny_model)) as function:
        status, text = function.ask("/chat", {"prompt": "hi", "max_tokens": 8})
        assert status == 200, function.log.read_text()
        assert text


@pytest.mark.slow
def test_startup_can_wait_for_the_model(tmp_path: Path, tiny_model: Path) -> None:
    """``startup_waits_for = "model"``: the first request finds it loaded."""
    settings = {"MODEL_URI": str(tiny_model), "AWS_LWA_READINESS_CHECK_PATH": "/health/ready"}
    with emulated(tmp_path, adapted(), "--timeout", "60", **settings) as function:
        assert function.get("/health/ready")[1]["state"] == "ready"
