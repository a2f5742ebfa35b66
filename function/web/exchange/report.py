"""Telling how an exchange ended: one log line, the metrics, a trace. Never a prompt, a reply or a key."""

import logging
import time
from typing import TYPE_CHECKING

from function.errors import FunctionError, MethodNotAllowed, NotFound
from function.lifecycle.service import Service
from function.observability.tracing import Exporter, Parent
from function.web.exchange.receipt import Receipt, timed
from function.web.exchange.spans import spans

if TYPE_CHECKING:
    from function.web.exchange.exchange import Exchange

log = logging.getLogger(__name__)


class ExchangeReporter:
    """Tells the log, the service's metrics and, where there is one, the exporter of traces."""

    def __init__(self, service: Service, exporter: Exporter | None = None) -> None:
        self.service = service
        self._exporter = exporter

    def reply(self, exchange: "Exchange", receipt: Receipt) -> None:
        """A reply came to its end, whichever."""
        metrics = self.service.metrics
        for phase, seconds in receipt.seconds.items():
            metrics.observe("chat_request_seconds", seconds, phase=phase, cold=str(receipt.cold).lower())
        metrics.add("chat_tokens", receipt.prompt_tokens, kind="prompt")
        metrics.add("chat_tokens", receipt.cached_tokens, kind="cached")
        metrics.add("chat_tokens", receipt.completion_tokens, kind="completion")
        if receipt.tokens_per_second is not None:
            metrics.observe("chat_tokens_per_second", receipt.tokens_per_second)
        log.info("%s", receipt, extra={"event": "reply", **receipt.fields()})
        self._ended(exchange, receipt.finish_reason)

    def failure(self, exchange: "Exchange", error: FunctionError) -> None:
        """A reply that had begun failed."""
        log.error("a reply failed: %s", error, extra={"event": "failure", "code": error.code})
        self._ended(exchange, error.code, error=True)

    def refusal(self, exchange: "Exchange", error: FunctionError) -> None:
        """A request got an error for an answer. What callers did wrong is not quoted: it may be their prompt."""
        said = error.message if error.status >= 500 else type(error).__doc__
        level = logging.DEBUG if isinstance(error, NotFound | MethodNotAllowed) else logging.INFO
        extra = {"event": "refusal", "code": error.code, "status": error.status, **timed(exchange.seconds)}
        log.log(level, "refused with %d: %s", error.status, said, extra=extra)
        self._ended(exchange, error.code, error=True)

    def cancel(self, exchange: "Exchange") -> None:
        """A client left before its reply was whole."""
        extra = {"event": "cancelled", "cold": bool(exchange.cold), **timed(exchange.seconds)}
        log.info("the client left after %.3f s", exchange.seconds["total"], extra=extra)
        self._ended(exchange, "cancelled")

    def _ended(self, exchange: "Exchange", outcome: str, *, error: bool = False) -> None:
        self.service.metrics.add("chat_requests", outcome=outcome)
        if self._exporter is None or exchange.cold is None:  # it asked nothing of the model
            return
        trace, code = exchange.trace, outcome if error else None
        made = spans(exchange.name, exchange.request_id, exchange.timeline, time.time(), exchange.receipt, code)
        parent = Parent(trace.trace_id, trace.span_id, trace.sampled) if trace and trace.span_id else None
        self._exporter.export(made, parent)
