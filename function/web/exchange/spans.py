"""An exchange as spans, named by OpenTelemetry's conventions for HTTP servers and generative AI. Pure."""

from dataclasses import dataclass, field

from function.observability.tracing import Attribute, Span
from function.web.exchange.receipt import Receipt


@dataclass(slots=True)
class Timeline:
    """When each phase began and ended, in seconds since the epoch."""

    began: float
    phases: dict[str, tuple[float, float]] = field(default_factory=dict)
    start: dict[str, tuple[float, float]] = field(default_factory=dict)
    """The phases of the instance's cold start, if this request waited for it."""


def spans(
    name: str, request_id: str, timeline: Timeline, end: float, receipt: Receipt | None, error: str | None
) -> Span:
    """One span for the request, of which those of its phases are children. ``error``: the code it ended with."""
    phases = timeline.phases
    method, _, route = name.partition(" ")
    children = []
    if "wait" in phases:
        start = tuple(Span(phase, *moments) for phase, moments in timeline.start.items())
        children.append(Span("wait for the model", *phases["wait"], children=start))
    if "queued" in phases:
        children.append(Span("queued", *phases["queued"]))
    if receipt is not None and "prefill" in phases:
        inner = tuple(Span(phase, *phases[phase]) for phase in ("prefill", "decode") if phase in phases)
        begun = phases["prefill"][0]
        operation = "text_completion" if route == "/v1/completions" else "chat"
        attributes = {"gen_ai.operation.name": operation} | _generation(receipt)
        children.append(Span(f"{operation} {receipt.made.model}", begun, end, attributes, inner))
    about: dict[str, Attribute] = {"http.request.method": method, "http.route": route, "request.id": request_id}
    if receipt is not None:
        about["chat.cold"] = receipt.cold
    return Span(name, timeline.began, end, about, tuple(children), server=True, error=error)


def _generation(receipt: Receipt) -> dict[str, Attribute]:
    made = receipt.made
    attributes: dict[str, Attribute] = {
        "gen_ai.provider.name": "llama.cpp",
        "gen_ai.request.model": made.model,
        "gen_ai.response.model": made.model,
        "gen_ai.response.finish_reasons": (receipt.finish_reason,),
        "gen_ai.usage.input_tokens": receipt.prompt_tokens,
        "gen_ai.usage.output_tokens": receipt.completion_tokens,
        "gen_ai.usage.cache_read.input_tokens": receipt.cached_tokens,
        "chat.system_fingerprint": made.fingerprint,
    }
    if receipt.tokens_per_second is not None:
        attributes["chat.tokens_per_second"] = receipt.tokens_per_second
    return attributes
