"""Spans, handed to OpenTelemetry where it is installed and its own variables name an endpoint; otherwise to nobody.

A request's spans are made when it is over, as plain values. OpenTelemetry is imported by a thread of its own when the
first of them are there: nothing that leads to a token waits for it.
"""

import logging
import queue
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from function.observability.trace_context import TraceContext
from function.settings import Telemetry

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

log = logging.getLogger(__name__)

Attribute = str | int | float | bool | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """``start`` and ``end`` in seconds since the epoch. ``error``: the code of what it ended with."""

    name: str
    start: float
    end: float
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    children: tuple["Span", ...] = ()
    server: bool = False
    error: str | None = None


class Exporter:
    """Takes spans from any thread and exports them from its own."""

    def __init__(self) -> None:
        self._spans: queue.SimpleQueue[tuple[Span, TraceContext | None]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def export(self, span: Span, parent: TraceContext | None) -> None:
        """Hand over a span and its children. Returns at once."""
        self._spans.put((span, parent))
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="traces", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        try:
            tracer = _tracer()
        except ImportError as e:
            log.warning(
                "traces are configured and cannot be exported (%s): "
                "pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-http",
                e,
            )
            tracer = None
        while True:
            span, parent = self._spans.get()
            if tracer is not None:
                _export(tracer, span, _context(parent))


def exporter(telemetry: Telemetry) -> Exporter | None:
    """What takes spans, if OpenTelemetry's variables ask for any."""
    return Exporter() if telemetry.traces else None


def _tracer() -> "Tracer":
    """OpenTelemetry's SDK, which reads its other variables itself; it exports what is left when the process ends."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider.get_tracer("function")


def _context(parent: TraceContext | None) -> Any:
    from opentelemetry.context import Context
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

    if parent is None or parent.span_id is None:
        return Context()
    flags = TraceFlags(TraceFlags.SAMPLED if parent.sampled else TraceFlags.DEFAULT)
    caller = SpanContext(int(parent.trace_id, 16), int(parent.span_id, 16), is_remote=True, trace_flags=flags)
    return set_span_in_context(NonRecordingSpan(caller), Context())


def _export(tracer: "Tracer", span: Span, context: Any) -> None:
    from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

    kind = SpanKind.SERVER if span.server else SpanKind.INTERNAL
    made = tracer.start_span(span.name, context, kind, dict(span.attributes), start_time=_nanoseconds(span.start))
    if span.error is not None:
        made.set_attribute("error.type", span.error)
        made.set_status(Status(StatusCode.ERROR))
    inner = set_span_in_context(made, context)
    for child in span.children:
        _export(tracer, child, inner)
    made.end(_nanoseconds(span.end))


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)
