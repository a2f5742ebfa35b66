"""Checkpoints: states of a recurrent or hybrid model at earlier lengths of the conversation in the context. Pure.

A recurrent state cannot be cut back, only replaced by an older one. So the context returns to a checkpoint and computes
the tokens after it again.
"""

from dataclasses import dataclass

from function.engine.llama.state_layout import SavedState


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """State after the first ``length`` tokens, of the layers that cannot be cut back.

    ``is_boundary``: taken where a later prompt is likely to differ, not only because enough tokens had passed.
    """

    length: int
    state: SavedState
    is_boundary: bool


class Checkpoints:
    """The checkpoints of one conversation, in ascending order of their lengths."""

    def __init__(self, kept: tuple[Checkpoint, ...] = ()) -> None:
        self._kept = list(kept)

    def __len__(self) -> int:
        return len(self._kept)

    def copy(self) -> "Checkpoints":
        """Return an independent copy that shares the states."""
        return Checkpoints(tuple(self._kept))

    @property
    def states(self) -> list[SavedState]:
        """The states of all checkpoints."""
        return [checkpoint.state for checkpoint in self._kept]

    @property
    def latest(self) -> int:
        """Length of the last checkpoint; 0 without any."""
        return self._kept[-1].length if self._kept else 0

    def find(self, length: int) -> SavedState | None:
        """Return the state of exactly ``length`` tokens; None without one."""
        return next((each.state for each in self._kept if each.length == length), None)

    def floor(self, length: int, step: int = 1) -> int:
        """Return the length of the last checkpoint, among multiples of ``step``, up to ``length``; 0 without one."""
        return max((each.length for each in self._kept if each.length <= length and each.length % step == 0), default=0)

    def add(self, checkpoint: Checkpoint) -> None:
        """Add a checkpoint in place of one of the same length."""
        kept = [each for each in self._kept if each.length != checkpoint.length]
        self._kept = sorted([*kept, checkpoint], key=lambda each: each.length)

    def truncate(self, length: int) -> None:
        """Drop the checkpoints after ``length`` tokens."""
        self._kept = [each for each in self._kept if each.length <= length]

    def drop_least_useful(self, *, spared: int = 0, boundaries: bool = True) -> bool:
        """Drop one checkpoint, but not that of ``spared`` tokens; return false if there is no other.

        Boundaries stay longer than others, or for good without ``boundaries``, and the last checkpoint longest. Among
        equals the one goes that saves the fewest tokens: those since the checkpoint before it are few, compared to
        those after it.
        """
        lengths = [0, *(each.length for each in self._kept)]

        def usefulness(index: int) -> tuple[bool, bool, float]:
            kept = self._kept[index]
            after = lengths[-1] - kept.length
            return after == 0, kept.is_boundary, (kept.length - lengths[index]) / max(after, 1)

        droppable = (
            index
            for index, kept in enumerate(self._kept)
            if kept.length != spared and (boundaries or not kept.is_boundary)
        )
        index = min(droppable, key=usefulness, default=None)
        if index is None:
            return False
        del self._kept[index]
        return True
