"""Trace of a request, from its headers."""

import pytest

from function.observability.trace_context import TraceContext, parse_trace_context

ID, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"traceparent": f"00-{ID}-{SPAN}-01"}, TraceContext(ID, SPAN, True)),
        ({"traceparent": f"00-{ID}-{SPAN}-00"}, TraceContext(ID, SPAN, False)),
        ({"traceparent": f"01-{ID}-{SPAN}-01-of-a-later-version"}, TraceContext(ID, SPAN, True)),
        ({"traceparent": f"00-{'0' * 32}-{SPAN}-01"}, None),
        ({"traceparent": f"00-{ID}-{'0' * 16}-01"}, None),
        ({"traceparent": "nonsense\x00"}, None),
        ({"X-Cloud-Trace-Context": f"{ID.upper()}/255;o=1"}, TraceContext(ID, "00000000000000ff", True)),
        ({"X-Cloud-Trace-Context": f"{ID}/255"}, TraceContext(ID, "00000000000000ff", False)),
        ({"X-Cloud-Trace-Context": ID}, TraceContext(ID, None, False)),
        ({"X-Cloud-Trace-Context": f"{ID}/{1 << 64}"}, TraceContext(ID, None, False)),
        ({"X-Cloud-Trace-Context": f"{'0' * 32}/1"}, None),
        ({"traceparent": f"00-{ID}-{SPAN}-01", "X-Cloud-Trace-Context": f"{'a' * 32}/1"}, TraceContext(ID, SPAN, True)),
        ({}, None),
    ],
)
def test_trace_context_is_read_from_either_header(headers: dict[str, str], expected: TraceContext | None) -> None:
    given = headers.get("traceparent", ""), headers.get("X-Cloud-Trace-Context", "")
    assert parse_trace_context(*given) == expected
