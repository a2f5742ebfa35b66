"""Cache of the states of earlier conversations, within a budget of bytes. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from function.engine.kv.cached_tokens import CachedTokens
from function.engine.kv.checkpoints import Checkpoints
from function.engine.llama.state_layout import SavedState

MAX_PREFIXES = 32
"""A search through them must stay cheap beside a prefill."""


@dataclass(frozen=True, slots=True, eq=False)
class CachedPrefix:
    """Tokens that were in the context, and the state that restores them."""

    cache: CachedTokens
    state: SavedState

    @property
    def states(self) -> list[SavedState]:
        """The state, and those of the checkpoints before it."""
        return [self.state, *(self.cache.checkpoints.states if self.cache.checkpoints is not None else ())]


def total_bytes(states: Iterable[SavedState]) -> int:
    """Return the bytes of ``states``; one that occurs twice counts once."""
    return sum(len(state) for state in {id(state): state for state in states}.values())


class PrefixCache:
    """The latest conversations within ``budget`` bytes; the least recently used one is dropped first.

    ``pinned`` is never dropped and does not count: the snapshot of the system prompt, whose memory is a file's.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.pinned: CachedPrefix | None = None
        self._kept: list[CachedPrefix] = []  # the last used one last

    def find_longest(self, prompt: Sequence[int], *, exact: bool) -> tuple[CachedPrefix | None, int]:
        """Return the prefix with most tokens for ``prompt``, and their number (see CachedTokens.count_reusable)."""
        found, most = None, 0
        for prefix in [*([self.pinned] if self.pinned else []), *self._kept]:
            if (reusable := prefix.cache.count_reusable(prompt, exact=exact)) > most:
                found, most = prefix, reusable
        return found, most

    def covers(self, cache: CachedTokens, tokens: int) -> bool:
        """Return true if the first ``tokens`` of ``cache`` are kept already; then they count as used."""
        for prefix in self._kept:
            kept = prefix.cache
            if kept.chunked >= min(cache.chunked, tokens) and kept.tokens[:tokens] == cache.tokens[:tokens]:
                self.mark_used(prefix)
                return True
        return False

    def mark_used(self, prefix: CachedPrefix) -> None:
        """Let ``prefix`` be the last to be dropped."""
        if prefix in self._kept:
            self._kept.remove(prefix)
            self._kept.append(prefix)

    def add(self, prefix: CachedPrefix) -> None:
        """Keep ``prefix`` in place of those that it continues, and drop prefixes until the budget holds."""
        self._kept = [old for old in self._kept if not _continues(prefix.cache, old.cache)]
        self._kept.append(prefix)
        while len(self._kept) > MAX_PREFIXES or self.count_bytes() > self.budget:
            self.drop_oldest()

    def count_bytes(self, checkpoints: Checkpoints | None = None) -> int:
        """Return the bytes of all prefixes except the pinned one, and of ``checkpoints``."""
        states = [state for prefix in self._kept for state in prefix.states]
        return total_bytes([*states, *(checkpoints.states if checkpoints is not None else ())])

    @property
    def is_empty(self) -> bool:
        """True if no prefix is kept, the pinned one aside."""
        return not self._kept

    def drop_oldest(self) -> None:
        """Drop the prefix that was not used for the longest time."""
        self._kept.pop(0)

    def remove(self, prefix: CachedPrefix) -> None:
        """Remove a prefix that cannot be restored."""
        if prefix is self.pinned:
            self.pinned = None
        if prefix in self._kept:
            self._kept.remove(prefix)


def _continues(cache: CachedTokens, old: CachedTokens) -> bool:
    return cache.chunked >= old.chunked and cache.tokens[: len(old)] == old.tokens
