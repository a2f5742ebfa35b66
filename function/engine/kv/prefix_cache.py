"""Conversations that were read and had to make room, kept in memory while a budget lasts. Pure bookkeeping."""

from collections.abc import Sequence
from dataclasses import dataclass

from function.engine.kv.cached_tokens import CachedTokens
from function.engine.llama.state_io import SavedState
from function.engine.llama.state_layout import StateLayout

MOST = 32
"""Conversations kept at most: looking through them must stay cheap beside a prefill."""


@dataclass(frozen=True, slots=True, eq=False)
class CachedPrefix:
    """What a cache held, and the state to put it back."""

    cache: CachedTokens
    state: SavedState


class PrefixCache:
    """The last conversations within ``budget`` bytes; the one that was not used for longest goes first.

    ``pinned`` is one that stays whatever comes, and does not count: the snapshot of the system prompt, whose memory is
    that of a file.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.pinned: CachedPrefix | None = None
        self._kept: list[CachedPrefix] = []  # the last used one last

    def best(self, prompt: Sequence[int], *, exact: bool) -> tuple[CachedPrefix | None, int]:
        """The one that spares most of ``prompt``, and how many tokens it spares (see Cache.reusable)."""
        found, most = None, 0
        for prefix in [*([self.pinned] if self.pinned else []), *self._kept]:
            if (spared := prefix.cache.reusable(prompt, exact=exact)) > most:
                found, most = prefix, spared
        return found, most

    def room(self, layout: StateLayout) -> int:
        """Tokens that one conversation may have: half the budget, as one is put back while another is kept."""
        return max(0, self.budget // 2 - layout.size(0)) // layout.token_size

    def covers(self, cache: CachedTokens, tokens: int) -> bool:
        """Whether ``cache``'s first ``tokens`` are kept already; then they count as used."""
        for prefix in self._kept:
            kept = prefix.cache
            if kept.chunked >= min(cache.chunked, tokens) and kept.tokens[:tokens] == cache.tokens[:tokens]:
                self.used(prefix)
                return True
        return False

    def used(self, prefix: CachedPrefix) -> None:
        """Let ``prefix`` be the last to go."""
        if prefix in self._kept:
            self._kept.remove(prefix)
            self._kept.append(prefix)

    def add(self, prefix: CachedPrefix) -> None:
        """Keep ``prefix``, in place of those that it continues, and drop what there is no room for."""
        self._kept = [old for old in self._kept if not _continues(prefix.cache, old.cache)]
        self._kept.append(prefix)
        while len(self._kept) > MOST or sum(len(kept.state) for kept in self._kept) > self.budget:
            self._kept.pop(0)

    def drop(self, prefix: CachedPrefix) -> None:
        """Forget one that turned out to be of no use."""
        if prefix is self.pinned:
            self.pinned = None
        if prefix in self._kept:
            self._kept.remove(prefix)


def _continues(cache: CachedTokens, old: CachedTokens) -> bool:
    return cache.chunked >= old.chunked and cache.tokens[: len(old)] == old.tokens
