"""The trace a request belongs to, as its headers say. Pure."""

import re
from dataclasses import dataclass

from werkzeug.datastructures import Headers

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
_CLOUD_TRACE = re.compile(r"([0-9a-fA-F]{32})(?:/(\d{1,20}))?(?:;o=(\d))?")


@dataclass(frozen=True, slots=True)
class TraceContext:
    """``trace_id``: 32 hexadecimal digits; ``span_id``: 16, of the caller's span, where it named one."""

    trace_id: str
    span_id: str | None
    sampled: bool


def trace_of(headers: Headers) -> TraceContext | None:
    """The trace in W3C's ``traceparent``, else in Google's ``X-Cloud-Trace-Context``; None for neither or nonsense."""
    given = _TRACEPARENT.fullmatch(headers.get("traceparent", "").strip())
    if given and given[1].strip("0") and given[2].strip("0"):
        return TraceContext(given[1], given[2], bool(int(given[3], 16) & 1))
    google = _CLOUD_TRACE.fullmatch(headers.get("X-Cloud-Trace-Context", "").strip())
    if google and google[1].strip("0"):
        span = int(google[2] or 0)
        return TraceContext(google[1].lower(), f"{span:016x}" if 0 < span < 1 << 64 else None, google[3] == "1")
    return None
