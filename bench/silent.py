"""The function without receipts, log lines, metrics and traces, for comparison in bench.overhead."""

import logging

from function.engine import Finished
from function.errors import FunctionError
from function.web.exchange import exchange


class SilentExchange(exchange.Exchange):
    """Exchange that measures and reports nothing."""

    def opens(self, *, cold: bool) -> None:
        pass

    def waited(self) -> None:
        pass

    def queued(self) -> None:
        pass

    def first_text(self) -> None:
        pass

    def finished(self, end: Finished, tokens_per_second: float | None) -> None:
        pass

    def refused(self, error: FunctionError) -> None:
        pass

    def left(self) -> None:
        pass


exchange.Exchange = SilentExchange  # type: ignore[misc]  # the bench measures the difference
logging.disable()

from function.main import app  # noqa: E402  after the replacement

__all__ = ["app"]
