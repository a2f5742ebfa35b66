"""States of the model, and its progress to the first token."""

from dataclasses import dataclass
from typing import Literal

from function.errors import FunctionError

State = Literal["starting", "fetching", "loading", "ready", "failed", "stopping"]

STARTING_STATES: tuple[State, ...] = ("starting", "fetching", "loading")
FINAL_STATES: tuple[State, ...] = ("ready", "failed", "stopping")
"""States in which there is nothing left to wait for."""


@dataclass(frozen=True, slots=True)
class Status:
    """State with its progress. ``done`` is a share (0 … 1), ``eta`` in seconds, ``rate`` in bytes per second."""

    state: State
    done: float | None = None
    eta: float | None = None
    bytes: int | None = None
    total: int | None = None
    rate: float | None = None
    error: FunctionError | None = None

    def __str__(self) -> str:
        """Return the status as streams show it: ``fetching 41% eta 3.2s``."""
        words: list[str] = [self.state]
        if self.done is not None:
            words.append(f"{self.done:.0%}")
        if self.eta is not None:
            words.append(f"eta {self.eta:.1f}s")
        return " ".join(words)
