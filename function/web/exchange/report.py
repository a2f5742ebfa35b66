"""Report of an exchange's outcome: a log line, metrics and a trace. Never a prompt, a reply or a key.

Spans are named by OpenTelemetry's conventions for HTTP servers and generative AI.
"""

import logging
from typing import TYPE_CHECKING

from function.errors import MethodNotAllowed, NotFound
from function.observability.metrics import Metrics
from function.web.exchange.receipt import ExchangeOutcome, Receipt, log_seconds

if TYPE_CHECKING:
    from function.observability.tracing import Attribute, Exporter, Span

log = logging.getLogger(__name__)

OPERATIONS = {
    "/v1/completions": "text_completion", "/completion": "text_completion", "/completions": "text_completion",
    "/v1/embeddings": "embeddings", "/v1/rerank": "rerank",
}  # fmt: skip
"""Names of operations in traces, by route; every other one is ``chat``."""


class ExchangeReporter:
    """Reports outcomes to the log, to ``metrics`` and to ``exporter``, if any."""

    def __init__(self, metrics: Metrics, exporter: "Exporter | None" = None) -> None:
        self._metrics = metrics
        self._exporter = exporter

    def report(self, outcome: ExchangeOutcome) -> None:
        """Report ``outcome`` once."""
        _log(outcome)
        self._metrics.add("chat_requests", outcome=outcome.code)
        if outcome.receipt is not None:
            self._measure(outcome.receipt)
        if self._exporter is not None and outcome.cold is not None:
            self._exporter.export(request_span(outcome), outcome.trace)

    def _measure(self, receipt: Receipt) -> None:
        metrics = self._metrics
        for phase, seconds in receipt.seconds.items():
            metrics.observe("chat_request_seconds", seconds, phase=phase, cold=str(receipt.cold).lower())
        metrics.add("chat_tokens", receipt.prompt_tokens, kind="prompt")
        metrics.add("chat_tokens", receipt.cached_tokens, kind="cached")
        metrics.add("chat_tokens", receipt.completion_tokens, kind="completion")
        metrics.add("chat_tokens", receipt.drafted_tokens, kind="drafted")
        metrics.add("chat_tokens", receipt.accepted_tokens, kind="accepted")
        if receipt.tokens_per_second is not None:
            metrics.observe("chat_tokens_per_second", receipt.tokens_per_second)


def _log(outcome: ExchangeOutcome) -> None:
    error = outcome.error
    extra: dict[str, object] = {"event": outcome.event, "code": outcome.code}
    if outcome.receipt is not None:
        log.info("%s", outcome.receipt, extra={"event": outcome.event, **outcome.receipt.log_fields()})
    elif error is None:
        extra = {"event": outcome.event, "cold": bool(outcome.cold), **log_seconds(outcome.seconds)}
        log.info("the client left after %.3f s", outcome.seconds["total"], extra=extra)
    elif outcome.event == "failure":
        log.error("a reply failed: %s", error, extra=extra)
    else:
        # The message of a caller's mistake may quote the prompt.
        reason = error.message if error.status >= 500 else type(error).__doc__
        level = logging.DEBUG if isinstance(error, NotFound | MethodNotAllowed) else logging.INFO
        extra |= {"status": error.status, **log_seconds(outcome.seconds)}
        log.log(level, "refused with %d: %s", error.status, reason, extra=extra)


def request_span(outcome: ExchangeOutcome) -> "Span":
    """Return the span of the request, with those of its phases as children."""
    from function.observability.tracing import Span

    phases, receipt = outcome.phases, outcome.receipt
    method, _, route = outcome.name.partition(" ")
    children = []
    if "wait" in phases:
        start = tuple(Span(phase, *interval) for phase, interval in outcome.cold_start.items())
        children.append(Span("wait for the model", *phases["wait"], children=start))
    if "queued" in phases:
        children.append(Span("queued", *phases["queued"]))
    about: dict[str, Attribute] = {
        "http.request.method": method,
        "http.route": route,
        "request.id": outcome.request_id,
    }
    if receipt is not None:
        about["chat.cold"] = receipt.cold
        inner = tuple(Span(phase, *phases[phase]) for phase in ("prefill", "decode"))
        operation = OPERATIONS.get(route, "chat")
        attributes = {"gen_ai.operation.name": operation, **_generation_attributes(receipt)}
        name = f"{operation} {receipt.provenance.model}"
        children.append(Span(name, phases["prefill"][0], outcome.ended, attributes, inner))
    code = outcome.code if outcome.error is not None else None
    return Span(outcome.name, outcome.began, outcome.ended, about, tuple(children), server=True, error=code)


def _generation_attributes(receipt: Receipt) -> "dict[str, Attribute]":
    model = receipt.provenance.model
    attributes: dict[str, Attribute] = {
        "gen_ai.provider.name": "llama.cpp",
        "gen_ai.request.model": model,
        "gen_ai.response.model": model,
        "gen_ai.response.finish_reasons": (receipt.finish_reason,),
        "gen_ai.usage.input_tokens": receipt.prompt_tokens,
        "gen_ai.usage.output_tokens": receipt.completion_tokens,
        "gen_ai.usage.cache_read.input_tokens": receipt.cached_tokens,
        "chat.system_fingerprint": receipt.provenance.fingerprint,
    }
    if receipt.tokens_per_second is not None:
        attributes["chat.tokens_per_second"] = receipt.tokens_per_second
    return attributes
