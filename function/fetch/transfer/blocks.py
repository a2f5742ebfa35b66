"""Which bytes are asked for next: an object cut into blocks, taken in runs that shrink towards the end."""

from collections.abc import Iterable
from dataclasses import dataclass

from function.fetch.policy import Policy


def block_size(size: int, policy: Policy) -> int:
    """Bytes per block: a power-of-two multiple of the least, so that every connection gets several."""
    block = policy.min_block
    while block * 2 <= policy.max_block and block * 2 * policy.connections * policy.blocks_per_connection <= size:
        block *= 2
    return block


@dataclass(frozen=True, slots=True)
class BlockRange:
    """Blocks ``first`` … ``last`` − 1, asked for in one request."""

    first: int
    last: int


class BlockPlan:
    """The blocks nobody has taken. Not thread-safe: its owner holds a lock."""

    def __init__(self, missing: Iterable[int]) -> None:
        self._runs: list[BlockRange] = []
        for block in sorted(missing):
            if self._runs and self._runs[-1].last == block:
                self._runs[-1] = BlockRange(self._runs[-1].first, block + 1)
            else:
                self._runs.append(BlockRange(block, block + 1))
        self.left = sum(run.last - run.first for run in self._runs)

    def take(self, connections: int, most: int) -> BlockRange | None:
        """The next run: about half an even share of what is left, so that all connections end together.

        A single connection takes all it may at once: nobody else can.
        """
        if not self._runs:
            return None
        run = self._runs.pop(0)
        share = self.left // (2 * connections) if connections > 1 else self.left
        count = max(1, min(most, share, run.last - run.first))
        if run.first + count < run.last:
            self._runs.insert(0, BlockRange(run.first + count, run.last))
        self.left -= count
        return BlockRange(run.first, run.first + count)

    def give_back(self, run: BlockRange) -> None:
        """What is left of a taken run; it is the next to be taken."""
        if run.first < run.last:
            self._runs.insert(0, run)
            self.left += run.last - run.first
