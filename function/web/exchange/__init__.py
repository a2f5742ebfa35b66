"""One HTTP exchange: its ids, timings, outcome, receipt and report."""

from function.web.exchange.exchange import Exchange, current, watch

__all__ = ["Exchange", "current", "watch"]
