"""Trace of a request, from its headers. Pure."""

import re
from dataclasses import dataclass

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
_CLOUD_TRACE = re.compile(r"([0-9a-fA-F]{32})(?:/(\d{1,20}))?(?:;o=(\d))?")


@dataclass(frozen=True, slots=True)
class TraceContext:
    """Trace and caller's span: 32 and 16 hexadecimal digits. ``span_id`` is None where the caller named no span."""

    trace_id: str
    span_id: str | None
    sampled: bool


def parse_trace_context(traceparent: str, cloud_trace_context: str) -> TraceContext | None:
    """Return the trace of W3C's ``traceparent``, else of Google's ``X-Cloud-Trace-Context``, if valid."""
    given = _TRACEPARENT.fullmatch(traceparent.strip())
    if given and given[1].strip("0") and given[2].strip("0"):
        return TraceContext(given[1], given[2], bool(int(given[3], 16) & 1))
    google = _CLOUD_TRACE.fullmatch(cloud_trace_context.strip())
    if google and google[1].strip("0"):
        span = int(google[2] or 0)
        return TraceContext(google[1].lower(), f"{span:016x}" if 0 < span < 1 << 64 else None, google[3] == "1")
    return None
