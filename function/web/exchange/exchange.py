"""One exchange: a request, its ids, the end of each phase and its outcome.

The handler of a request reaches its exchange by ``current()``. The first outcome counts, and is reported once.
"""

import re
import time
import uuid
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from flask import Flask, Response, request
from werkzeug.datastructures import Headers

from function.engine import Finished
from function.errors import FunctionError
from function.lifecycle.service import Service
from function.observability.log_format import request_fields
from function.observability.trace_context import parse_trace_context
from function.settings import Telemetry
from function.web.exchange.receipt import EndEvent, ExchangeOutcome, PhaseSeconds, Receipt, header_list, server_timing
from function.web.exchange.report import ExchangeReporter

REQUEST_ID = "X-Request-Id"
RECEIPT = "X-Receipt"
IGNORED_FIELDS = "X-Ignored-Fields"
_SAFE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_current: ContextVar["Exchange"] = ContextVar("exchange")


class Exchange:
    """One request from its arrival on. ``name``: method and route, ``POST /chat``.

    Its phases are marked by the thread that handles it.
    """

    def __init__(
        self,
        service: Service,
        report: Callable[[ExchangeOutcome], None],
        name: str = "",
        headers: Headers | None = None,
    ) -> None:
        headers = headers or Headers()
        given = headers.get(REQUEST_ID, "")
        self._service = service
        self._report = report
        self._name = name
        self._began = self._marked = time.monotonic()
        self._epoch = time.time() - self._began
        self._seconds: dict[str, float] = {}
        self._phases: dict[str, tuple[float, float]] = {}
        self._cold_start: dict[str, tuple[float, float]] = {}
        self._outcome: ExchangeOutcome | None = None
        self.request_id = given if _SAFE_ID.fullmatch(given) else f"req_{uuid.uuid4().hex}"
        self.trace = parse_trace_context(headers.get("traceparent", ""), headers.get("X-Cloud-Trace-Context", ""))
        self.wants_receipt = headers.get(RECEIPT, "").strip().lower() not in ("", "0", "false", "no")
        self.ignored_fields: list[str] = []
        """Names of the request's fields that had no effect."""
        self.cold: bool | None = None
        """True if the model was not loaded when the request asked for it; None before."""

    @property
    def seconds(self) -> PhaseSeconds:
        """Phases that have ended."""
        return self._seconds

    def begin_wait(self, *, cold: bool) -> None:
        """Mark the beginning of the wait for the model or the queue."""
        self.cold = cold
        self._marked = time.monotonic()

    def end_wait(self) -> None:
        """Mark that the model is loaded. A cold request takes over the phases of the instance's start."""
        if self.cold:
            start = self._service.timings
            self._seconds |= start.rounded()
            self._mark("wait")
            for phase, ended in start.ended.items():
                self._cold_start[phase] = self._epoch + ended - start[phase], self._epoch + ended

    def end_queue(self) -> None:
        """Mark that the request's turn has come."""
        self._mark("queued")

    def mark_text(self) -> None:
        """Mark a piece of the reply; the first one counts."""
        if "first_token" not in self._seconds:
            self._seconds["first_token"] = self._since_arrival()

    def finish(self, end: Finished, tokens_per_second: float | None) -> None:
        """End with the engine's last event."""
        if self._outcome is not None:
            return
        if end.error is not None:
            self._end("failure", end.error.code, error=end.error)
            return
        total, prefill = end.timings.total, end.timings.prefill
        self._seconds |= {"prefill": round(prefill, 3), "total": self._since_arrival()}
        ended = self._epoch + time.monotonic()
        prefilled = ended - total + prefill
        self._phases |= {"prefill": (ended - total, prefilled), "decode": (prefilled, ended)}
        receipt = Receipt(
            request_id=self.request_id,
            cold=bool(self.cold),
            seconds=dict(self._seconds),
            prompt_tokens=end.usage.prompt_tokens,
            cached_tokens=end.usage.cached_tokens,
            completion_tokens=end.usage.completion_tokens,
            reasoning_tokens=end.usage.reasoning_tokens,
            drafted_tokens=end.usage.drafted_tokens,
            accepted_tokens=end.usage.accepted_tokens,
            tokens_per_second=round(tokens_per_second, 2) if tokens_per_second else None,
            finish_reason=end.reason,
            provenance=self._service.provenance,
            ignored_fields=tuple(self.ignored_fields),
        )
        self._end("reply", end.reason, receipt=receipt)

    def refuse(self, error: FunctionError) -> None:
        """End with ``error`` instead of a reply."""
        self._end("refusal", error.code, error=error)

    def leave(self) -> None:
        """End; without an earlier outcome the client has left."""
        self._end("cancelled", "cancelled")

    def receipt_block(self) -> dict[str, Any]:
        """Return the receipt for the last object of a reply; empty unless the caller asked for it."""
        receipt = self._outcome.receipt if self._outcome else None
        return {"receipt": receipt.as_json()} if self.wants_receipt and receipt else {}

    def _end(
        self, event: EndEvent, code: str, error: FunctionError | None = None, receipt: Receipt | None = None
    ) -> None:
        if self._outcome is not None:
            return
        self._seconds.setdefault("total", self._since_arrival())
        self._outcome = ExchangeOutcome(
            event=event,
            code=code,
            name=self._name,
            request_id=self.request_id,
            trace=self.trace,
            cold=self.cold,
            seconds=dict(self._seconds),
            began=self._epoch + self._began,
            ended=self._epoch + time.monotonic(),
            phases=self._phases,
            cold_start=self._cold_start,
            error=error,
            receipt=receipt,
        )
        self._report(self._outcome)

    def _since_arrival(self) -> float:
        return round(time.monotonic() - self._began, 3)

    def _mark(self, phase: str) -> None:
        now = time.monotonic()
        self._seconds[phase] = round(now - self._marked, 3)
        self._phases[phase] = self._epoch + self._marked, self._epoch + now
        self._marked = now


def current() -> Exchange:
    """Return the exchange of the request that this thread handles."""
    return _current.get()


def watch(app: Flask, service: Service) -> None:
    """Begin an exchange with every request of ``app``; put its id and known times into the response."""
    exporter = None
    if Telemetry.from_env().exports_traces:
        from function.observability.tracing import Exporter

        exporter = Exporter()
    reporter = ExchangeReporter(service.metrics, exporter)

    @app.before_request
    def begin() -> None:
        route = request.url_rule.rule if request.url_rule else "(no such path)"
        exchange = Exchange(service, reporter.report, f"{request.method} {route}", request.headers)
        _current.set(exchange)
        fields: dict[str, object] = {"request_id": exchange.request_id}
        if (trace := exchange.trace) is not None:
            fields |= {"trace": trace.trace_id, "span": trace.span_id, "sampled": trace.sampled}
        request_fields.set(fields)

    @app.after_request
    def stamp(response: Response) -> Response:
        exchange = current()
        response.headers[REQUEST_ID] = exchange.request_id
        if names := header_list(exchange.ignored_fields):
            response.headers[IGNORED_FIELDS] = names
        if timing := server_timing(exchange.cold, exchange.seconds):
            response.headers["Server-Timing"] = timing
        return response
