"""The function without what tells of it, which bench.overhead compares with: no receipt, log line, metric or trace."""

import logging

from function.engine.types import Finished
from function.errors import FunctionError
from function.web.exchange import exchange as module


class Silent(module.Exchange):
    """An exchange that marks and tells nothing."""

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


module.Exchange = Silent  # type: ignore[misc]  # a bench may: it measures what is left out
logging.disable()

from function.main import app  # noqa: E402  after the replacement

__all__ = ["app"]
