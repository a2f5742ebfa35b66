"""Where the model is on its way to the first token, as everybody who waits is told."""

from dataclasses import dataclass
from typing import Literal

from function.errors import FunctionError

State = Literal["starting", "fetching", "loading", "ready", "failed", "stopping"]

ENDS: tuple[State, ...] = ("ready", "failed", "stopping")
"""The states that waiting ends with."""


@dataclass(frozen=True, slots=True)
class Status:
    """Where the model is. ``done`` is the finished share of the state (0 … 1), ``eta`` the seconds it still takes,
    ``rate`` in bytes/s."""

    state: State
    done: float | None = None
    eta: float | None = None
    bytes: int | None = None
    total: int | None = None
    rate: float | None = None
    error: FunctionError | None = None

    def __str__(self) -> str:
        """As a stream tells it: ``fetching 41% eta 3.2s``."""
        words: list[str] = [self.state]
        if self.done is not None:
            words.append(f"{self.done:.0%}")
        if self.eta is not None:
            words.append(f"eta {self.eta:.1f}s")
        return " ".join(words)
