"""What the loop tells of each token while it generates, for those who want to know more than the text."""

from function.engine.text_stream import TextStream
from function.engine.types import Logprob


class TokenObserver:
    """Notes nothing; it is for the jobs that ask for nothing, and costs them nothing. See ``logprobs.Record``."""

    def look(self) -> None:
        """The next token is about to be sampled."""

    def add(self, token: int, stream: TextStream) -> None:
        """``token`` was sampled and is to be fed to ``stream``."""

    def given(self, text: str) -> tuple[Logprob, ...]:
        """``text`` goes out; what is told with it."""
        return ()

    def rest(self) -> tuple[Logprob, ...]:
        """The reply is over; what is told at its end."""
        return ()
