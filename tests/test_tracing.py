"""Traces as an OpenTelemetry collector receives them, and no imports for them unless they are configured."""

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from function.observability import tracing
from function.observability.tracing import Exporter, Span
from function.settings import Telemetry
from tests.servers.collector import attributes, collecting
from tests.servers.doors import serving
from tests.servers.gated import gated_store

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CHAT = {"messages": [{"role": "user", "content": "a secret plan"}], "max_tokens": 4, "ignore_eos": True}


@pytest.mark.parametrize(
    ("environ", "on"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_standard_variables_enable_traces(environ: Mapping[str, str], on: bool) -> None:
    assert Telemetry.from_env(environ).exports_traces is on


def test_cold_and_rejected_requests_are_traced_with_their_phases(tmp_path: Path, tiny_model: Path) -> None:
    with collecting() as collector, gated_store(tiny_model) as (uri, gate):
        otel = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_SERVICE_NAME": "shop",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }
        with serving(tmp_path, MODEL_URI=uri, **otel) as function:
            function.wait("fetching")
            headers = {"traceparent": f"00-{TRACE}-{CALLER}-01", "X-Receipt": "1"}
            with ThreadPoolExecutor(1) as pool:
                asked = pool.submit(function.ask, "/v1/chat/completions", CHAT, headers)
                function.arrived()
                gate.set()
                receipt = asked.result()[1]["receipt"]
            server = collector.wait("POST /v1/chat/completions")
            too_long = CHAT | {"messages": [{"role": "user", "content": "word " * 3000}]}
            assert function.ask("/chat", too_long)[0] == 400
            failed = collector.wait("POST /chat")
        spans = collector.spans
        chat = spans["chat tiny random"]
        assert collector.resource["service.name"] == "shop"
        assert (server.trace_id.hex(), server.parent_span_id.hex()) == (TRACE, CALLER)
        assert {span.trace_id.hex() for span in spans.values() if span is not failed} == {TRACE}
        for name, parent in {
            "wait for the model": server,
            "fetch": spans["wait for the model"],
            "load": spans["wait for the model"],
            "queued": server,
            "chat tiny random": server,
            "prefill": chat,
            "decode": chat,
        }.items():
            assert spans[name].parent_span_id == parent.span_id, name
        for name, seconds in {"prefill": "prefill", "fetch": "fetch", "wait for the model": "wait"}.items():
            span = spans[name]
            took = (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9
            assert took == pytest.approx(receipt["seconds"][seconds], abs=0.001)
        chat_attributes = attributes(chat)
        assert chat_attributes["gen_ai.operation.name"] == "chat"
        assert chat_attributes["gen_ai.response.finish_reasons"] == ["length"]
        assert chat_attributes["gen_ai.usage.input_tokens"] == receipt["tokens"]["prompt"]
        assert chat_attributes["gen_ai.usage.output_tokens"] == 4
        assert attributes(server)["request.id"] == receipt["request_id"]
        assert attributes(failed)["error.type"] == "context_length_exceeded"
        assert not [span for span in spans.values() if "secret" in str(span)]


def test_missing_sdk_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    logged = threading.Event()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "pip install opentelemetry-sdk" in record.getMessage():
                logged.set()

    tracing.log.addHandler(listener := Listener())
    try:
        exporting = Exporter()
        for _ in range(2):
            exporting.export(Span("x", 0, 1), None)
        assert logged.wait(60)
    finally:
        tracing.log.removeHandler(listener)


def test_first_reply_imports_neither_opentelemetry_nor_prometheus(tiny_model: Path) -> None:
    code = (
        "import json, sys\nfrom function.app import create_app\nfrom function.lifecycle.service import Service\n"
        "from function.settings import Settings\nservice = Service(Settings(model_uri=sys.argv[1], n_threads=1))\n"
        "reply = create_app(service).test_client().post('/chat', json={'prompt': 'hi', 'max_tokens': 2}).get_data()\n"
        "print(json.dumps(sorted({'opentelemetry', 'prometheus_client', 'requests'} & set(sys.modules))))\n"
        "service.close()\n"
    )
    command = [sys.executable, "-c", code, str(tiny_model)]
    outcome = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=True, cwd=Path(__file__).parents[1]
    )
    assert json.loads(outcome.stdout) == []
