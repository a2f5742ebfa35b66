"""Cost of receipts, log lines, metrics and traces: tokens per second with all of them and with none.

    python -m bench.overhead [--rounds 20] [--tokens 100] [--threads N]

Two functions under gunicorn serve the same 135M shape and answer in turns; the order alternates. One writes its log,
returns receipts and exports traces to a collector on loopback; the other is bench/silent.py. Speed is that of a whole
reply, from the request to the last byte. The added work is also timed alone, without a model, because two replies on
one machine differ by more than a percent.
"""

import argparse
import contextlib
import http.client
import json
import logging
import os
import statistics
import time
from pathlib import Path

from bench.decode import MESSAGES, N_CTX, REPLY_TIMEOUT_SECONDS, REST_SECONDS
from bench.servers import function_server
from bench.shapes import model
from function.engine import Finished, Timings, Usage
from function.lifecycle.service import Service
from function.observability.log_format import JsonLines
from function.observability.tracing import Exporter
from function.settings import Settings
from function.system.limits import cpus
from function.web.exchange import Exchange
from function.web.exchange.report import ExchangeReporter
from tests.servers.collector import collecting

REPETITIONS = 2000


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--tokens", type=int, default=100)
    parser.add_argument("--threads", type=int, default=cpus())
    arguments = parser.parse_args()
    path = model("135M", "Q8_0")
    settings = {"MODEL_URI": str(path), "N_CTX": str(N_CTX), "N_THREADS": str(arguments.threads)}
    with contextlib.ExitStack() as stack:
        otel = {"OTEL_EXPORTER_OTLP_ENDPOINT": stack.enter_context(collecting()).url}
        servers = {
            True: stack.enter_context(function_server(**settings, **otel)),
            False: stack.enter_context(function_server("bench.silent:app", **settings)),
        }
        speeds: dict[bool, list[float]] = {True: [], False: []}
        for number in range(arguments.rounds + 1):
            for reporting in (True, False) if number % 2 else (False, True):
                time.sleep(REST_SECONDS)
                speed = _asked(servers[reporting].port, arguments.tokens, reporting)
                if number:  # the first round warms up
                    speeds[reporting].append(speed)
    ratio = statistics.median(a / b for a, b in zip(speeds[True], speeds[False], strict=True))
    print(f"135M Q8_0, {arguments.threads} threads, {arguments.rounds} rounds of {arguments.tokens} tokens\n")
    print("| | tokens/s of whole replies, median | lowest … highest |\n|---|---|---|")
    for reporting, name in ((True, "receipts, log, metrics, traces"), (False, "none of them")):
        each = speeds[reporting]
        print(f"| {name} | {statistics.median(each):.1f} | {min(each):.1f} … {max(each):.1f} |")
    per_reply, per_token = _timed()
    whole = arguments.tokens / statistics.median(speeds[False])
    share = (per_reply + arguments.tokens * per_token) / whole
    print(f"\nwith / without, median of the rounds: {ratio:.1%}")
    print(f"timed alone: {per_reply * 1e6:.0f} µs a reply, {per_token * 1e6:.2f} µs a token: {share:.2%} of a reply")


def _asked(port: int, tokens: int, reporting: bool) -> float:
    """Return the tokens per second of one streamed reply."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=REPLY_TIMEOUT_SECONDS)
    body = {"messages": MESSAGES, "stream": True, "max_tokens": tokens, "ignore_eos": True}
    headers = {"Content-Type": "application/json"} | ({"X-Receipt": "1"} if reporting else {})
    began = time.monotonic()
    connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
    text = connection.getresponse().read()
    took = time.monotonic() - began
    connection.close()
    assert text.endswith(b"data: [DONE]\n\n"), text[-200:]
    assert (b'"receipt"' in text) is reporting
    return tokens / took


def _timed() -> tuple[float, float]:
    """Return the seconds of accounting for one reply and for one token, including spans and log lines."""
    log = logging.getLogger("function")
    with Path(os.devnull).open("w") as nowhere:
        handler = logging.StreamHandler(nowhere)
        handler.setFormatter(JsonLines())
        log.handlers, log.propagate = [handler], False
        log.setLevel(logging.INFO)
        service = Service(Settings())
        reporter = ExchangeReporter(service.metrics, _DiscardingExporter())
        end = Finished("stop", Usage(30, 100, 0), Timings(0.1, 0.1, 1.2))
        began = time.perf_counter()
        for _ in range(REPETITIONS):
            made = Exchange(service, reporter.report, "POST /chat")
            made.begin_wait(cold=False)
            made.end_wait()
            made.end_queue()
            made.mark_text()
            made.finish(end, 80.0)
            made.wants_receipt = True
            json.dumps(made.receipt_block())
            made.leave()
        reply = (time.perf_counter() - began) / REPETITIONS
        began = time.perf_counter()
        for _ in range(REPETITIONS):
            made.mark_text()
        return reply, (time.perf_counter() - began) / REPETITIONS


class _DiscardingExporter(Exporter):
    """Exporter that drops spans: real ones are sent by another thread, after the reply."""

    def export(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    main()
