"""One exchange: a request, its ids, when each phase ended and what became of it.

Whoever handles the request reaches its exchange by ``current()``. The first word about how it ended counts, and is told
once, to the log, the metrics and the traces.
"""

import re
import time
import uuid
from contextvars import ContextVar
from typing import Any

from flask import Flask, Response, request
from werkzeug.datastructures import Headers

from function.engine import Finished, Timings
from function.errors import FunctionError
from function.lifecycle.service import Service
from function.observability.log_format import request_fields
from function.observability.tracing import make_exporter
from function.settings import Telemetry
from function.web.exchange.receipt import PhaseDurations, Receipt, server_timing
from function.web.exchange.report import ExchangeReporter
from function.web.exchange.spans import Timeline
from function.web.exchange.trace_context import TraceContext, trace_of

REQUEST_ID = "X-Request-Id"
RECEIPT = "X-Receipt"
_SANE = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_current: ContextVar["Exchange"] = ContextVar("exchange")


class Exchange:
    """One request from its arrival on. Phases are marked by the thread that handles it."""

    def __init__(self, recorder: ExchangeReporter, name: str = "", headers: Headers | None = None) -> None:
        headers = headers or Headers()
        given = headers.get(REQUEST_ID, "")
        self._recorder = recorder
        self._began = self._marked = time.monotonic()
        self._epoch = time.time() - self._began
        self.timeline = Timeline(self._epoch + self._began)
        self.name = name
        """Method and route: ``POST /chat``."""
        self.request_id = given if _SANE.fullmatch(given) else f"req_{uuid.uuid4().hex}"
        self.trace: TraceContext | None = trace_of(headers)
        self.wants_receipt = headers.get(RECEIPT, "").strip().lower() not in ("", "0", "false", "no")
        self.cold: bool | None = None
        """Whether the model was yet to come; None before that was asked."""
        self.receipt: Receipt | None = None
        self.outcome: str | None = None
        """Why it ended: a reply's reason, ``cancelled``, or an error's code."""
        self._seconds: dict[str, float] = {}

    @property
    def seconds(self) -> PhaseDurations:
        """The phases that have ended."""
        return self._seconds

    def opens(self, *, cold: bool) -> None:
        """It is about to wait for the model or its turn."""
        self.cold = cold
        self._marked = time.monotonic()

    def waited(self) -> None:
        """The model is there. What the instance's start consisted of is part of a cold request's story."""
        if self.cold:
            start = self._recorder.service.timings
            self._seconds |= start.rounded()
            self._mark("wait")
            for phase, ended in start.ended.items():
                self.timeline.start[phase] = self._epoch + ended - start[phase], self._epoch + ended

    def queued(self) -> None:
        """It is its turn."""
        self._mark("queued")

    def first_text(self) -> None:
        """The first piece of the reply is there."""
        if "first_token" not in self._seconds:
            self._seconds["first_token"] = self._since_arrival()

    def finished(self, end: Finished, tokens_per_second: float | None) -> None:
        """The engine is done with it."""
        if self.outcome is not None:
            return
        if end.error is not None:
            self._end(end.error.code)
            self._recorder.failure(self, end.error)
            return
        self._timed(end.timings)
        self._end(end.reason)
        usage = end.usage
        self.receipt = Receipt(
            request_id=self.request_id,
            cold=bool(self.cold),
            seconds=dict(self._seconds),
            prompt_tokens=usage.prompt_tokens,
            cached_tokens=usage.cached_tokens,
            completion_tokens=usage.completion_tokens,
            tokens_per_second=round(tokens_per_second, 2) if tokens_per_second else None,
            finish_reason=end.reason,
            made=self._recorder.service.provenance,
        )
        self._recorder.reply(self, self.receipt)

    def refused(self, error: FunctionError) -> None:
        """It ends with ``error``."""
        if self.outcome is None:
            self._end(error.code)
            self._recorder.refusal(self, error)

    def block(self) -> dict[str, Any]:
        """What the last object of a reply has besides, if the caller asked for it: its receipt."""
        return {"receipt": self.receipt.as_json()} if self.wants_receipt and self.receipt else {}

    def left(self) -> None:
        """It is over; if nothing else ended it, its client did."""
        if self.outcome is None:
            self._end("cancelled")
            self._recorder.cancel(self)

    def _timed(self, timings: Timings) -> None:
        """Take over the engine's times, which end now."""
        self._seconds["prefill"] = round(timings.prefill, 3)
        now = self._epoch + time.monotonic()
        prefilled = now - timings.total + timings.prefill
        self.timeline.phases |= {"prefill": (now - timings.total, prefilled), "decode": (prefilled, now)}

    def _end(self, outcome: str) -> None:
        self.outcome = outcome
        self._seconds["total"] = self._since_arrival()

    def _since_arrival(self) -> float:
        return round(time.monotonic() - self._began, 3)

    def _mark(self, phase: str) -> None:
        now = time.monotonic()
        self._seconds[phase] = round(now - self._marked, 3)
        self.timeline.phases[phase] = self._epoch + self._marked, self._epoch + now
        self._marked = now


def current(service: Service) -> Exchange:
    """The exchange of the request that this thread handles; a new one where there is none."""
    known = _current.get(None)
    return Exchange(ExchangeReporter(service)) if known is None else known


def refused(error: FunctionError) -> None:
    """The request that this thread handles, if any, is answered with ``error``."""
    if (made := _current.get(None)) is not None:
        made.refused(error)


def watch(app: Flask, service: Service) -> None:
    """Begin an exchange with every request; put its id, and the times that are known by then, into the response."""

    recorder = ExchangeReporter(service, make_exporter(Telemetry.from_env()))

    @app.before_request
    def begin() -> None:
        route = request.url_rule.rule if request.url_rule else "(no such path)"
        made = Exchange(recorder, f"{request.method} {route}", request.headers)
        _current.set(made)
        request_fields.set({"request_id": made.request_id} | _traced(made.trace))

    @app.after_request
    def stamp(response: Response) -> Response:
        made = current(service)
        response.headers[REQUEST_ID] = made.request_id
        if timing := server_timing(made.cold, made.seconds):
            response.headers["Server-Timing"] = timing
        return response


def _traced(trace: TraceContext | None) -> dict[str, object]:
    return {"trace": trace.trace_id, "span": trace.span_id, "sampled": trace.sampled} if trace else {}
