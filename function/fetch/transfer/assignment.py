"""Assignments of blocks to workers: runs of blocks that shrink towards the end of the object."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class Assignment:
    """Blocks ``block`` … ``stop`` − 1, to be fetched in one request.

    The first block is written up to byte ``position`` and has the checksum ``check`` so far. The transfer may lower
    ``stop`` meanwhile. ``start`` and ``epoch`` are the position and the credentials' number at the time of the request.
    """

    block: int
    stop: int
    block_bytes: int
    size: int
    position: int
    check: int = 0
    start: int = 0
    epoch: int = 0

    @property
    def block_end(self) -> int:
        """End of the current block in bytes."""
        return min((self.block + 1) * self.block_bytes, self.size)

    @property
    def stop_byte(self) -> int:
        """End of the last block in bytes."""
        return min(self.stop * self.block_bytes, self.size)

    def split(self, block: int) -> "Assignment":
        """Cut the assignment before ``block`` and return the rest."""
        rest = Assignment(block, self.stop, self.block_bytes, self.size, position=block * self.block_bytes)
        self.stop = block
        return rest


class BlockPlan:
    """Blocks that no worker has. Not thread-safe: its owner holds a lock.

    ``first_bytes`` of the object, which are wanted before the rest, are spread over the connections.
    """

    def __init__(self, missing: Iterable[int], block_bytes: int, size: int, first_bytes: int = 0) -> None:
        self._first_blocks = -(-first_bytes // block_bytes)
        self._runs: list[Assignment] = []
        for block in sorted(missing):
            if self._runs and self._runs[-1].stop == block:
                self._runs[-1].stop += 1
            else:
                self._runs.append(Assignment(block, block + 1, block_bytes, size, position=block * block_bytes))
        self.left = sum(run.stop - run.block for run in self._runs)

    def take(self, connections: int, max_blocks: int) -> Assignment | None:
        """Return the next assignment: about half an even share of the rest, so that all connections end together.

        A single connection gets as much as one request may cover.
        """
        if not self._runs:
            return None
        run = self._runs.pop(0)
        share = self.left // (2 * connections) if connections > 1 else self.left
        if connections > 1 and run.block < self._first_blocks:
            share = 1
        count = max(1, min(max_blocks, share, run.stop - run.block))
        if run.block + count < run.stop:
            self._runs.insert(0, run.split(run.block + count))
        self.left -= count
        return run

    def give_back(self, assignment: Assignment) -> None:
        """Return the rest of an assignment, to be taken next."""
        if assignment.block < assignment.stop:
            self._runs.insert(0, assignment)
            self.left += assignment.stop - assignment.block
