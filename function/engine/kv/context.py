"""What the context has read, and what it had read before, for a prompt to take over; for the engine's thread."""

import logging
from collections.abc import Sequence

from function.engine.kv.cached_tokens import CachedTokens
from function.engine.kv.prefix_cache import CachedPrefix, PrefixCache
from function.engine.llama.model import ABORTED, Model
from function.engine.llama.state_io import SavedState
from function.engine.llama.state_layout import StateLayout

WORTHWHILE = 16
"""Tokens: what is displaced and fewer is as soon read again. A reply that comes back loses one or two at its end."""

log = logging.getLogger(__name__)


class KVContext:
    """The model's one sequence, and the conversations that made room for it, within ``budget`` bytes."""

    def __init__(self, model: Model, budget: int = 0) -> None:
        self.cache = CachedTokens(model.chunk)
        self._model = model
        self._states = model.states
        self._prefixes = PrefixCache(budget)

    def __len__(self) -> int:
        return len(self.cache)

    def prepare(self, prompt: Sequence[int], *, exact: bool, anew: bool = False) -> int:
        """Have as much of ``prompt`` in the context as was ever read and is still there; returns how many tokens.

        ``exact`` takes over only what is bit for bit what a prefill computes, ``anew`` nothing at all.
        """
        if anew:
            self._keep_displaced(())
            self.forget()
            return 0
        spared = self.cache.reusable(prompt, exact=exact)
        prefix, most = self._prefixes.best(prompt, exact=exact)
        if prefix is not None:
            self._prefixes.used(prefix)
        self._keep_displaced(prompt)
        if prefix is not None and most > spared:
            spared = most if self._restore(prefix) else 0
        if spared < len(self.cache):
            spared = self._model.cut(spared)
        self.cache.cut(spared)
        return spared

    def compute(self, tokens: Sequence[int], *, every: bool = False) -> bool:
        """Decode ``tokens``, at most a chunk, after what is there; whether it was not interrupted.

        ``every`` asks for the logits of all of them, not the last one's alone.
        """
        if self._model.decode(tokens, every=every) == ABORTED:
            self.cache.cut(self._model.settle())
            return False
        self.cache.add(tokens)
        if len(self.cache) <= self.cache.chunk:
            self._states.learn(len(self.cache))
        return True

    def forget(self) -> None:
        """Empty the context."""
        self._model.cut(0)
        self.cache.cut(0)

    @property
    def layout(self) -> StateLayout | None:
        """What saved states look like; None where none are to be had."""
        return self._states.layout

    def pin(self, tokens: Sequence[int], state: SavedState) -> bool:
        """Keep the state of ``tokens``, whole chunks, for good; put it into the context if that is empty.

        False, and nothing is kept, for a state that llama.cpp would not have written itself.
        """
        if not self._states.learned:
            self._model.warm_up()
        if self.layout is None or not self.layout.fits(state, len(tokens)):
            return False
        cache = CachedTokens(self.cache.chunk)
        cache.tokens, cache.chunked = list(tokens), len(tokens)
        self._prefixes.pinned = prefix = CachedPrefix(cache, state)
        return len(self.cache) > 0 or self._restore(prefix)

    def holds(self, tokens: Sequence[int]) -> bool:
        """Whether the context begins with ``tokens``, computed chunk by chunk."""
        cache = self.cache
        return len(tokens) <= cache.chunked and cache.tokens[: len(tokens)] == list(tokens)

    def save(self) -> bytearray | None:
        """The state of all that the context holds; None where states are not to be had."""
        return self._states.save(len(self.cache))

    def _keep_displaced(self, prompt: Sequence[int]) -> None:
        """Keep a conversation that ``prompt`` does not continue, or as much of its beginning as there is room for."""
        layout, cache = self._states.layout, self.cache
        if layout is None:
            return
        room = min(len(cache), self._prefixes.room(layout))
        if room < len(cache):
            room -= room % cache.chunk
        stays = cache.reusable(prompt, exact=False) if prompt else 0
        if room - stays < WORTHWHILE or self._prefixes.covers(cache, room):
            return
        if room < len(cache):
            cache.cut(self._model.cut(room))
        if state := self._states.save(len(cache)):
            self._prefixes.add(CachedPrefix(cache.copy(), state))

    def _restore(self, prefix: CachedPrefix) -> bool:
        """Put ``prefix`` into the context; whether that went well. The context is empty else."""
        self.forget()
        if not self._states.restore(prefix.state):
            log.warning("llama.cpp did not take back %d tokens it had read; they are read again", len(prefix.cache))
            self._prefixes.drop(prefix)
            self.forget()
            return False
        self.cache = prefix.cache.copy()
        return True
