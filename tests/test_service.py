"""Service: starts, waits, failures and stops, as clients see them."""

import json
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from function.app import create_app
from function.engine.types import Finished, Job, TextPiece
from function.lifecycle.service import Service
from function.settings import Settings
from tests.servers.doors import WAIT_SECONDS, Stream, serving
from tests.servers.filling import filling_store
from tests.servers.gated import gated_store

ENDLESS: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}], "ignore_eos": True, "stream": True}


def test_stop_during_a_stream_ends_it_with_an_error_event(tmp_path: Path, slow_model: Path) -> None:
    with serving(tmp_path, MODEL_URI=str(slow_model)) as function:
        function.wait("ready")
        with Stream(function, ENDLESS) as stream:
            stream.until("data: ")
            function.process.send_signal(signal.SIGTERM)
            lines = stream.rest()
        assert lines[-2] == "event: error"
        assert json.loads(lines[-1][6:])["error"]["code"] == "stopping"
        assert "data: [DONE]" not in lines
        assert function.process.wait(WAIT_SECONDS) == 0


def test_stop_ends_queued_streams_with_an_error_event(tmp_path: Path, slow_model: Path) -> None:
    with serving(tmp_path, MODEL_URI=str(slow_model)) as function:
        function.wait("ready")
        with Stream(function, ENDLESS) as first, Stream(function, ENDLESS) as second:
            first.until("data: ")
            second.until(": queued")
            function.process.send_signal(signal.SIGTERM)
            assert "stopping" in first.rest()[-1]
            assert "stopping" in second.rest()[-1]
        assert function.process.wait(WAIT_SECONDS) == 0


def test_deadline_ends_a_reply_with_length_and_a_complete_last_event(tmp_path: Path, slow_model: Path) -> None:
    with serving(tmp_path, MODEL_URI=str(slow_model), REQUEST_TIMEOUT="2") as function:
        function.wait("ready")
        with Stream(function, ENDLESS) as stream:
            lines = stream.rest()
        assert lines[-1] == "data: [DONE]"
        assert json.loads(lines[-2][6:])["choices"][0]["finish_reason"] == "length"
        function.idle()


def test_cold_start_progress_precedes_the_reply_in_the_stream(tmp_path: Path, tiny_model: Path) -> None:
    with gated_store(tiny_model) as (uri, gate), serving(tmp_path, MODEL_URI=uri) as function:
        with Stream(function, ENDLESS | {"max_tokens": 3}) as stream:
            line = stream.until(": fetching")
            while "%" not in line or " 0%" in line:
                line = stream.until(": fetching")
            status, ready = function.get("/health/ready")
            assert (status, ready["state"]) == (503, "fetching")
            assert 0 < ready["bytes"] < ready["total"] == tiny_model.stat().st_size
            assert ready["rate"] >= 0, "zero while the store sends nothing"
            assert function.get("/health/live") == (200, {"state": "fetching"})
            gate.set()
            lines = stream.rest()
        assert any(line.startswith(": prefill") for line in lines)
        assert lines[-1] == "data: [DONE]"
        assert function.get("/health/ready")[0] == 200
        assert "unverified" in function.log.read_text(), "this server offers no checksum"


def test_client_that_leaves_during_a_cold_start_does_not_cancel_it(tmp_path: Path, tiny_model: Path) -> None:
    with gated_store(tiny_model) as (uri, gate), serving(tmp_path, MODEL_URI=uri) as function:
        with Stream(function, ENDLESS) as leaving:
            leaving.until(": fetching")
            staying = Stream(function, ENDLESS | {"max_tokens": 3})
            staying.until(": fetching")
        gate.set()
        assert staying.rest()[-1] == "data: [DONE]"


def test_plain_requests_and_warmup_pings_wait_for_the_model(tmp_path: Path, tiny_model: Path) -> None:
    with gated_store(tiny_model) as (uri, gate), serving(tmp_path, MODEL_URI=uri) as function:
        with ThreadPoolExecutor(2) as pool:
            reply = pool.submit(function.ask, "/chat", {"prompt": "hi", "max_tokens": 3})
            ping = pool.submit(function.ask, "/events", {})
            function.wait("fetching")
            assert not reply.done()
            assert not ping.done()
            gate.set()
            assert reply.result()[0] == 200
            status, report = ping.result()
        assert (status, report["state"], report["first_token"]) == (200, "ready", True)
        assert set(report["cold_start_seconds"]) == {"engine", "header", "fetch", "load"}


def test_too_long_prompt_during_a_fetch_ends_with_an_error_event(tmp_path: Path, tiny_model: Path) -> None:
    with gated_store(tiny_model) as (uri, gate), serving(tmp_path, MODEL_URI=uri) as function:
        long = {"messages": [{"role": "user", "content": "word " * 3000}], "stream": True}
        with Stream(function, long) as stream:
            stream.until(": fetching")
            gate.set()
            lines = stream.rest()
        assert lines[-2] == "event: error"
        assert json.loads(lines[-1][6:])["error"]["code"] == "context_length_exceeded"


def test_stream_after_a_failed_cold_start_is_a_503(tmp_path: Path) -> None:
    with serving(tmp_path, MODEL_URI=str(tmp_path / "none.gguf")) as function:
        function.wait("failed")
        with Stream(function, ENDLESS) as stream:
            lines = stream.rest()
        assert stream.response.status == 503
        assert json.loads(lines[-1])["error"]["code"] == "model_not_found"


def make_service(model: Path, tmp_path: Path) -> Service:
    return Service(Settings(model_uri=str(model), model_cache_dir=tmp_path))


def test_service_goes_from_starting_to_ready_and_answers(tiny_model: Path, tmp_path: Path) -> None:
    service = make_service(tiny_model, tmp_path)
    try:
        assert service.status().state == "starting"
        service.start()
        service.start()
        assert service.await_ready(WAIT_SECONDS).state == "ready"
        assert create_app(service).test_client().get("/events").get_json()["first_token"] is True
        prompt = service.engine.tokenize_chat([{"role": "user", "content": "hi"}])
        events = list(service.runner.submit(service.engine, Job(prompt, max_tokens=5)))
        assert any(isinstance(event, TextPiece) for event in events)
        assert isinstance(events[-1], Finished)
    finally:
        service.close()
    assert service.status().state == "stopping"


def test_status_of_a_load_has_the_share_that_is_done(tmp_path: Path, tiny_model: Path) -> None:
    template = tmp_path / "template.jinja"
    template.write_text("{{ messages[0].content }}" + " " * 5000)
    with gated_store(template) as (uri, gate):
        service = Service(Settings(model_uri=str(tiny_model), model_cache_dir=tmp_path, chat_template=uri))
        try:
            service.start()
            deadline = time.monotonic() + WAIT_SECONDS
            while (status := service.status()).state != "loading":
                assert time.monotonic() < deadline
                service.wait(status.state, 1)
            assert status.done == 0
            gate.set()
            assert service.await_ready(WAIT_SECONDS).done is None
        finally:
            service.close()


def test_start_that_exceeds_its_timeout_fails_and_is_retried(tmp_path: Path, tiny_model: Path) -> None:
    with gated_store(tiny_model) as (uri, gate):
        service = Service(Settings(model_uri=uri, model_cache_dir=tmp_path, start_timeout=0.5))
        client = create_app(service).test_client()
        try:
            reply = client.post("/chat", json={"prompt": "hi", "max_tokens": 3})
            assert (reply.status_code, reply.get_json()["error"]["code"]) == (503, "start_timeout")
            assert "within 0.5 s, but fetching" in reply.get_json()["error"]["message"]
            assert service.status().state == "failed"
            gate.set()
            deadline = time.monotonic() + WAIT_SECONDS
            while client.post("/chat", json={"prompt": "hi", "max_tokens": 3}).status_code != 200:
                assert time.monotonic() < deadline
        finally:
            service.close()


def test_wait_for_the_load_ends_when_it_begins(tmp_path: Path, tiny_model: Path) -> None:
    with filling_store(tiny_model, 1) as store:
        service = Service(Settings(model_uri=store.url, model_cache_dir=tmp_path))
        service.await_load(WAIT_SECONDS)  # returns at once: there is no start
        service.start()
        try:
            service.await_load(0.05)
            assert service.status().state == "fetching"
            store.gate.set()
            service.await_load(WAIT_SECONDS)
            assert service.status().state in ("fetching", "loading", "ready")
            assert service.await_ready(WAIT_SECONDS).state == "ready"
        finally:
            store.gate.set()
            service.close()


def test_wait_for_the_load_ends_when_the_start_fails(tmp_path: Path) -> None:
    model = tmp_path / "model.gguf"
    model.write_bytes(b"no model" * 100_000)
    with filling_store(model, 1) as store:
        service = Service(Settings(model_uri=store.url, model_cache_dir=tmp_path))
        service.start()
        waiter = threading.Thread(target=service.await_load, args=(100 * WAIT_SECONDS,), daemon=True)
        waiter.start()
        store.gate.set()
        waiter.join(WAIT_SECONDS)
        assert not waiter.is_alive()
        assert service.await_ready(WAIT_SECONDS).state == "failed"
        service.await_load(WAIT_SECONDS)
        service.close()


def test_permanent_failure_is_not_retried(tmp_path: Path, tiny_model: Path) -> None:
    model = tmp_path / "model.gguf"
    service = make_service(model, tmp_path / "cache")
    service.start()
    status = service.await_ready(WAIT_SECONDS)
    assert status.error is not None
    assert status.error.code == "model_not_found"
    model.write_bytes(tiny_model.read_bytes())
    service.start()
    assert service.status().state == "failed", "a missing file is permanent: a second start reads nothing"
    service.close()


def test_damaged_weights_fail_the_service_during_the_first_request(tmp_path: Path, tiny_model: Path) -> None:
    data = bytearray(tiny_model.read_bytes())
    data[-4 * 64 :] = b"\xff\xff\xff\x7f" * 64  # NaN in the norm before the output
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(data)
    with (
        filling_store(damaged, 1) as store,
        serving(tmp_path, MODEL_URI=store.url) as function,
        ThreadPoolExecutor() as pool,
    ):
        answer = pool.submit(function.ask, "/chat", {"prompt": "hi"})
        function.arrived()
        store.gate.set()
        status, body = answer.result()
        assert (status, body["error"]["code"]) == (503, "model_unusable")
        assert "NaN" in function.wait("failed")["error"]["message"]
        assert function.get("/events")[1]["first_token"] is False
