"""The phases of a cold start: how long each took, and when it was over."""

import time


class PhaseTimings(dict[str, float]):
    """Seconds by phase. A phase is set when it ends; ``ended`` keeps that moment, on ``time.monotonic()``'s clock."""

    def __init__(self) -> None:
        super().__init__()
        self.ended: dict[str, float] = {}

    def __setitem__(self, phase: str, seconds: float) -> None:
        self.ended[phase] = time.monotonic()
        super().__setitem__(phase, seconds)

    def rounded(self) -> dict[str, float]:
        """To the millisecond, as they are told everywhere."""
        return {phase: round(seconds, 3) for phase, seconds in self.items()}

    def __str__(self) -> str:
        """For people: ``fetch 0.41s, load 0.19s``."""
        return ", ".join(f"{phase} {seconds:.2f}s" for phase, seconds in self.items())
