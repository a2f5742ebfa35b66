"""The function without receipts, log lines, metrics and traces, for comparison in bench.overhead."""

import logging

from function.engine import Finished
from function.errors import FunctionError
from function.web.exchange import exchange as module


class SilentExchange(module.Exchange):
    """Exchange that measures and reports nothing."""

    def begin_wait(self, *, cold: bool) -> None:
        pass

    def end_wait(self) -> None:
        pass

    def end_queue(self) -> None:
        pass

    def mark_text(self) -> None:
        pass

    def finish(self, end: Finished, tokens_per_second: float | None) -> None:
        pass

    def refuse(self, error: FunctionError) -> None:
        pass

    def leave(self) -> None:
        pass


module.Exchange = SilentExchange  # type: ignore[misc]  # the bench measures the difference
logging.disable()

from function.main import app  # noqa: E402  after the replacement

__all__ = ["app"]
