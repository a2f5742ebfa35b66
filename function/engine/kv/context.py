"""The engine's KV context: the tokens in it, and earlier conversations that a prompt can reuse; for its thread."""

import logging
from collections.abc import Sequence

from function.engine.kv.cached_tokens import CachedTokens
from function.engine.kv.prefix_cache import CachedPrefix, PrefixCache
from function.engine.llama.model import Model
from function.engine.llama.state_layout import SavedState, StateLayout

MIN_KEPT_TOKENS = 16
"""Fewer tokens are recomputed as fast as restored. A reply that comes back differs by one or two tokens at its end."""

log = logging.getLogger(__name__)


class KVContext:
    """The one sequence of ``model``, and ``prefix_bytes`` for the conversations that it displaced."""

    def __init__(self, model: Model, prefix_bytes: int = 0) -> None:
        self.cache = CachedTokens(model.chunk)
        self.model = model
        self._states = model.states
        self._prefixes = PrefixCache(prefix_bytes)

    def __len__(self) -> int:
        return len(self.cache)

    def reuse_prefix(self, prompt: Sequence[int], *, exact: bool) -> int:
        """Let the context begin with as many tokens of ``prompt`` as are cached; return how many.

        ``exact`` reuses only tokens that equal a prefill's bit for bit.
        """
        reusable = self.cache.count_reusable(prompt, exact=exact)
        prefix, most = self._prefixes.find_longest(prompt, exact=exact)
        if prefix is not None:
            self._prefixes.mark_used(prefix)
        self._keep_displaced(prompt)
        if prefix is not None and most > reusable:
            reusable = most if self._restore(prefix) else 0
        if reusable < len(self.cache):
            self._truncate(reusable)
        return len(self.cache)

    def start_over(self) -> None:
        """Clear the context for a prompt that reuses nothing; its conversation is kept for later."""
        self._keep_displaced(())
        self.clear()

    def compute(self, tokens: Sequence[int], *, every: bool = False) -> bool:
        """Decode ``tokens``, at most a chunk, after those in the context; return false if interrupted.

        ``every`` requests logits of all of them, not only the last one's.
        """
        if not self.model.decode(tokens, every=every):
            self.cache.truncate(self.model.count_after_abort())
            return False
        self.cache.add(tokens)
        if len(self.cache) <= self.cache.chunk:
            self._states.learn_layout(len(self.cache))
        return True

    def clear(self) -> None:
        """Empty the context."""
        self._truncate(0)

    @property
    def layout(self) -> StateLayout | None:
        """Layout of saved states; None if this model's states cannot be saved."""
        return self._states.layout

    def pin(self, tokens: Sequence[int], state: SavedState) -> bool:
        """Keep the state of ``tokens``, whole chunks, permanently; restore it into the context if that is empty.

        Returns false, and keeps nothing, for a state that llama.cpp cannot have saved.
        """
        if not self._states.is_learned:
            self.model.warm_up()
        if self.layout is None or not self.layout.fits(state, len(tokens)):
            return False
        prefix = CachedPrefix(CachedTokens(self.cache.chunk, tokens, len(tokens)), state)
        self._prefixes.pinned = prefix
        return len(self.cache) > 0 or self._restore(prefix)

    def holds(self, tokens: Sequence[int]) -> bool:
        """Return true if the context begins with ``tokens``, computed chunk by chunk."""
        cache = self.cache
        return len(tokens) <= cache.chunked and cache.tokens[: len(tokens)] == list(tokens)

    def save(self) -> bytearray | None:
        """Return the state of all tokens in the context; None if it cannot be saved."""
        return self._states.save(len(self.cache))

    def _truncate(self, length: int) -> None:
        self.cache.truncate(self.model.truncate(length))

    def _keep_displaced(self, prompt: Sequence[int]) -> None:
        """Keep the conversation if ``prompt`` does not continue it, or as much of its beginning as the budget holds."""
        layout, cache = self._states.layout, self.cache
        if layout is None:
            return
        # Half the budget: one conversation is restored while another is kept.
        fitting = max(0, self._prefixes.budget // 2 - layout.size(0)) // layout.token_size
        kept = min(len(cache), fitting)
        if kept < len(cache):
            kept -= kept % cache.chunk
        reused = cache.count_reusable(prompt, exact=False) if prompt else 0
        if kept - reused < MIN_KEPT_TOKENS or self._prefixes.covers(cache, kept):
            return
        if kept < len(cache):
            self._truncate(kept)
        if state := self._states.save(len(cache)):
            self._prefixes.add(CachedPrefix(cache.copy(), state))

    def _restore(self, prefix: CachedPrefix) -> bool:
        """Restore ``prefix`` into the context; after a failure, false, the context is empty."""
        self.clear()
        if not self._states.restore(prefix.state):
            log.warning("llama.cpp did not restore a state of %d tokens; they are computed again", len(prefix.cache))
            self._prefixes.remove(prefix)
            self.clear()
            return False
        self.cache = prefix.cache.copy()
        return True
