"""Telling how an exchange ended: one log line, the metrics, a trace. Never a prompt, a reply or a key."""

import logging
from typing import TYPE_CHECKING

from function.errors import FunctionError, MethodNotAllowed, NotFound
from function.service import Service
from function.web.receipt import Receipt, timed

if TYPE_CHECKING:
    from function.web.exchange import Exchange

log = logging.getLogger(__name__)


def reply(service: Service, exchange: "Exchange", receipt: Receipt) -> None:
    """A reply came to its end, whichever."""
    metrics = service.metrics
    metrics.add("chat_requests", outcome=receipt.finish_reason)
    for phase, seconds in receipt.seconds.items():
        metrics.observe("chat_request_seconds", seconds, phase=phase, cold=str(receipt.cold).lower())
    metrics.add("chat_tokens", receipt.prompt_tokens, kind="prompt")
    metrics.add("chat_tokens", receipt.cached_tokens, kind="cached")
    metrics.add("chat_tokens", receipt.completion_tokens, kind="completion")
    if receipt.tokens_per_second is not None:
        metrics.observe("chat_tokens_per_second", receipt.tokens_per_second)
    log.info("%s", receipt, extra={"event": "reply", **receipt.fields()})


def failure(service: Service, exchange: "Exchange", error: FunctionError) -> None:
    """A reply that had begun failed."""
    service.metrics.add("chat_requests", outcome=error.code)
    log.error("a reply failed: %s", error, extra={"event": "failure", "code": error.code})


def refusal(service: Service, exchange: "Exchange", error: FunctionError) -> None:
    """A request got an error for an answer. What callers did wrong is not quoted: it may be their prompt."""
    service.metrics.add("chat_requests", outcome=error.code)
    said = error.message if error.status >= 500 else type(error).__doc__
    level = logging.DEBUG if isinstance(error, NotFound | MethodNotAllowed) else logging.INFO
    extra = {"event": "refusal", "code": error.code, "status": error.status, **timed(exchange.seconds)}
    log.log(level, "refused with %d: %s", error.status, said, extra=extra)


def cancel(service: Service, exchange: "Exchange") -> None:
    """A client left before its reply was whole."""
    service.metrics.add("chat_requests", outcome="cancelled")
    extra = {"event": "cancelled", "cold": bool(exchange.cold), **timed(exchange.seconds)}
    log.info("the client left after %.3f s", exchange.seconds["total"], extra=extra)
