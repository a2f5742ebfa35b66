"""Log, header, metrics and receipt of one cold and one warm request."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from function.lifecycle.provenance import Provenance
from function.web.exchange.receipt import Receipt, server_timing
from tests.servers.doors import ServedFunction, Stream, serving
from tests.servers.gated import gated_store

PROMPT = {"prompt": "hello there", "max_tokens": 6, "ignore_eos": True, "seed": 1}
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def lines(function: ServedFunction, event: str) -> list[dict[str, Any]]:
    """Return the log lines of one kind of event."""
    entries = [json.loads(line) for line in function.log.read_text().splitlines() if line.startswith("{")]
    return [line for line in entries if line.get("event") == event]


def timings(header: str) -> dict[str, float]:
    """Return the seconds of a Server-Timing header by name; 0 for a name alone."""
    entries = [entry.partition(";dur=") for entry in header.split(", ")]
    return {name: float(value or 0) / 1000 for name, _, value in entries}


def scraped(function: ServedFunction) -> dict[str, float]:
    """Return the samples of /metrics by name and labels."""
    _, _, text = function.exchange("/metrics", None)
    return {
        sample.name + "".join(f" {name}={value}" for name, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@dataclass(frozen=True, slots=True)
class Reply:
    """Receipt and headers of one reply."""

    receipt: dict[str, Any]
    headers: Any


@dataclass(frozen=True, slots=True)
class Run:
    """Function after one cold and one warm request; its metrics at that moment."""

    function: ServedFunction
    cold: Reply
    warm: Reply
    metrics: dict[str, float]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[Run]:
    """Serve a function and send it one cold and one warm request."""
    tmp = tmp_path_factory.mktemp("receipt")
    with gated_store(tiny_model) as (uri, gate), serving(tmp, MODEL_URI=uri, GOOGLE_CLOUD_PROJECT="shop") as running:
        running.wait("fetching")
        with ThreadPoolExecutor(1) as pool:
            asked = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 4, "ignore_eos": True}
            waits = pool.submit(running.exchange, "/v1/chat/completions", asked, {"X-Receipt": "1"})
            running.arrived()
            gate.set()
            _, got, text = waits.result()
        cold = Reply(json.loads(text)["receipt"], got)
        headers = {"X-Receipt": "1", "X-Request-Id": "mine-1", "traceparent": f"00-{TRACE}-{SPAN}-01"}
        asked = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 5, "ignore_eos": True}
        _, got, text = running.exchange("/v1/chat/completions", asked, headers)
        warm = Reply(json.loads(text)["receipt"], got)
        yield Run(running, cold, warm, scraped(running))


def test_log_line_equals_receipt(run: Run) -> None:
    for line, each in zip(lines(run.function, "reply")[:2], (run.cold, run.warm), strict=True):
        receipt = each.receipt
        assert line["request_id"] == receipt["request_id"] == each.headers["x-request-id"]
        assert line["cold"] == receipt["cold"]
        assert line["seconds"] == receipt["seconds"]["total"]
        assert {phase: line[phase] for phase in receipt["seconds"] if phase != "total"} | {
            "total": line["seconds"]
        } == receipt["seconds"]
        assert line["prompt_tokens"] == receipt["tokens"]["prompt"]
        assert line["cached_tokens"] == receipt["tokens"]["cached"]
        assert line["completion_tokens"] == receipt["tokens"]["completion"]
        assert line["drafted_tokens"] == receipt["tokens"]["drafted"] >= line["accepted_tokens"]
        assert line["tokens_per_second"] == receipt["tokens"]["per_second"] > 0
        assert line["finish_reason"] == receipt["finish_reason"] == "length"


def test_metrics_equal_receipts(run: Run) -> None:
    metrics, cold, warm = run.metrics, run.cold.receipt, run.warm.receipt
    for receipt, label in ((cold, "true"), (warm, "false")):
        for phase, seconds in receipt["seconds"].items():
            assert metrics[f"chat_request_seconds_sum cold={label} phase={phase}"] == seconds
            assert metrics[f"chat_request_seconds_count cold={label} phase={phase}"] == 1
    for kind in ("prompt", "cached", "completion", "drafted", "accepted"):
        assert metrics[f"chat_tokens_total kind={kind}"] == cold["tokens"][kind] + warm["tokens"][kind]
    speeds = cold["tokens"]["per_second"] + warm["tokens"]["per_second"]
    assert metrics["chat_tokens_per_second_sum"] == pytest.approx(speeds)
    assert metrics["chat_requests_total outcome=length"] == 2
    assert metrics["chat_cold_starts_total outcome=ready"] == 1
    for phase in ("fetch", "load"):
        assert metrics[f"chat_cold_start_seconds_sum phase={phase}"] == cold["seconds"][phase]


def test_metrics_have_model_queue_and_memory(run: Run, tiny_model: Path) -> None:
    metrics = run.metrics
    assert (metrics["chat_ready"], metrics["chat_running"], metrics["chat_queue"]) == (1, 0, 0)
    assert metrics["chat_queue_limit"] == 2
    assert 0 < metrics["chat_memory_bytes kind=used"] <= metrics["chat_memory_bytes kind=limit"]
    assert metrics["chat_model_bytes"] == tiny_model.stat().st_size
    (info,) = (name for name in metrics if name.startswith("chat_model_info"))
    assert "model=tiny random" in info
    assert not [name for name in metrics if name.startswith(("python_", "process_"))]


def test_cold_start_is_one_log_line_and_in_cold_receipt_only(run: Run) -> None:
    running, cold, warm = run.function, run.cold, run.warm
    (ready,) = lines(running, "ready")
    assert cold.receipt["cold"]
    assert not warm.receipt["cold"]
    for phase in ("fetch", "load"):
        assert ready[phase] == cold.receipt["seconds"][phase]
        assert phase not in warm.receipt["seconds"]
    assert cold.receipt["seconds"]["wait"] > 0
    assert set(warm.receipt["seconds"]) == {"queued", "prefill", "first_token", "total"}
    assert ready["cpu"] == cold.receipt["engine"]["cpu"]


def test_server_timing_equals_receipt_in_milliseconds(run: Run) -> None:
    assert timings(run.cold.headers["server-timing"]) == {"cold": 0.0} | run.cold.receipt["seconds"]
    assert timings(run.warm.headers["server-timing"]) == {"warm": 0.0} | run.warm.receipt["seconds"]


def test_stream_ends_with_receipt_and_begins_with_known_timings(run: Run) -> None:
    asked = {"messages": [{"role": "user", "content": "hi"}], "stream": True, "max_tokens": 4}
    with Stream(run.function, asked | {"stream_options": {"include_usage": True}, "ignore_eos": True}) as stream:
        assert stream.response.getheader("Server-Timing") == "warm"
        last = json.loads(stream.rest()[-2].removeprefix("data: "))
    assert last["usage"]["completion_tokens"] == last["receipt"]["tokens"]["completion"] == 4
    assert last["receipt"]["request_id"] == stream.response.getheader("X-Request-Id")


def test_receipt_names_model_and_engine(run: Run) -> None:
    running, warm = run.function, run.warm
    assert warm.receipt["model"]["name"] == "tiny random"
    assert warm.receipt["model"]["version"]
    assert warm.receipt["engine"]["build"].startswith("llama-cpp-python ")
    body = running.ask("/v1/chat/completions", {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 1})[1]
    assert body["system_fingerprint"] == warm.receipt["system_fingerprint"]


def test_log_line_has_request_id_and_trace(run: Run) -> None:
    running, cold, warm = run.function, run.cold, run.warm
    first, second = lines(running, "reply")[:2]
    assert cold.receipt["request_id"].startswith("req_")
    assert warm.receipt["request_id"] == "mine-1" == second["request_id"]
    assert second["logging.googleapis.com/trace"] == f"projects/shop/traces/{TRACE}"
    assert second["logging.googleapis.com/spanId"] == SPAN
    assert second["logging.googleapis.com/trace_sampled"] is True
    assert not [name for name in first if name.startswith("logging.")]


def test_receipt_is_sent_on_request_only(run: Run) -> None:
    running = run.function
    status, headers, text = running.exchange("/chat", PROMPT)
    assert status == 200
    _, _, with_receipt = running.exchange("/chat", PROMPT, {"X-Receipt": "1"})
    reply, _, receipt = with_receipt.rstrip().rpartition("\n\n")
    assert reply == text
    assert json.loads(receipt)["receipt"]["tokens"]["completion"] == 6
    assert "first_token" in timings(headers["server-timing"]), "plain text waits for its first piece"
    body = running.ask("/v1/chat/completions", {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 1})[1]
    assert "receipt" not in body


@pytest.mark.parametrize("given", ["two words", "line\tbreak", "x" * 200, ""])
def test_request_id_with_unsafe_characters_is_replaced(run: Run, given: str) -> None:
    _, headers, _ = run.function.exchange("/health/live", None, {"X-Request-Id": given})
    assert headers["x-request-id"].startswith("req_")


def test_refusal_is_logged_by_code_without_request_text(run: Run) -> None:
    running = run.function
    status, headers, _ = running.exchange("/chat", {"prompt": "a secret plan", "temperature": "a secret plan"})
    assert status == 400
    (line,) = [line for line in lines(running, "refusal") if line["request_id"] == headers["x-request-id"]]
    assert (line["code"], line["status"]) == ("invalid_request", 400)
    assert "secret" not in running.log.read_text()
    assert scraped(running)["chat_requests_total outcome=invalid_request"] == 1


def test_client_that_leaves_is_logged_once(run: Run) -> None:
    running = run.function
    with Stream(running, {"messages": [{"role": "user", "content": "hi"}], "stream": True, "ignore_eos": True}) as left:
        left.until("data: ")
    running.idle()
    (line,) = lines(running, "cancelled")
    assert scraped(running)["chat_requests_total outcome=cancelled"] == 1
    assert line["seconds"] > 0


def test_server_timing_has_whole_milliseconds() -> None:
    assert server_timing(True, {"wait": 1.5, "total": 2.0}) == "cold, wait;dur=1500, total;dur=2000"
    assert server_timing(None, {}) == ""


def test_metrics_require_model_and_key(tmp_path: Path, tiny_model: Path) -> None:
    with gated_store(tiny_model) as (uri, gate), serving(tmp_path, MODEL_URI=uri, API_KEY="k") as function:
        function.wait("fetching")
        assert function.ask("/metrics", None)[0] == 401
        assert function.ask("/metrics", None, {"x-api-key": "k"})[0] == 503
        gate.set()
        function.wait("ready")
        _, headers, text = function.exchange(
            "/metrics", None, {"x-api-key": "k", "Accept": "application/openmetrics-text; version=1.0.0"}
        )
        assert headers["content-type"].startswith("application/openmetrics-text")
        assert text.endswith("# EOF\n")


@pytest.mark.parametrize(
    ("cold", "first", "speed", "text"),
    [
        (True, 0.9124, 81.94, "24 tokens, stop; cold, first token after 0.912 s, 81.9 tokens/s, 1.205 s in all"),
        (False, None, None, "24 tokens, stop; warm, 1.205 s in all"),
    ],
)
def test_receipt_is_one_line_for_people(cold: bool, first: float | None, speed: float | None, text: str) -> None:
    seconds = {"total": 1.2054} | ({} if first is None else {"first_token": first})
    provenance = Provenance("m", "chat", None, None, "b1", "cpu", "fp")
    assert str(Receipt("id", cold, seconds, 12, 3, 24, 0, 0, 0, speed, "stop", provenance)) == text
