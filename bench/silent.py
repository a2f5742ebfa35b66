"""The function without what tells of it, which bench.overhead compares with: no receipt, log line, metric or trace."""

import logging

from function.engine import Finished
from function.errors import FunctionError
from function.web.exchange import exchange


class Silent(exchange.Exchange):
    """An exchange that marks and tells nothing."""

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


exchange.Exchange = Silent  # type: ignore[misc]  # a bench may: it measures what is left out
logging.disable()

from function.main import app  # noqa: E402  after the replacement

__all__ = ["app"]
