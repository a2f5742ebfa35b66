"""The engine's KV context: the tokens in it, and earlier states that a prompt can reuse; for its thread."""

import logging
from collections.abc import Sequence

from function.engine.kv.cached_tokens import CachedTokens
from function.engine.kv.checkpoints import Checkpoint, Checkpoints
from function.engine.kv.prefix_cache import CachedPrefix, PrefixCache, total_bytes
from function.engine.llama.model import Model
from function.engine.llama.state_layout import SavedState, StateLayout
from function.errors import EngineError

MIN_KEPT_TOKENS = 16
"""Fewer tokens are recomputed as fast as restored. A reply that comes back differs by one or two tokens at its end."""
CHECKPOINT_TOKENS = 256
"""Tokens between checkpoints where no boundary is known."""
REPLY_START_TOKENS, MAX_REPLY_START_TOKENS = 8, 32
"""Tokens at a prompt's end that begin the reply, at most. A later prompt has others if the reply's thought is dropped.

The last message ends at the last token that ends a turn. Without one, the first number is used.
"""

log = logging.getLogger(__name__)


class KVContext:
    """The one sequence of ``model``, and ``prefix_bytes`` for checkpoints and the conversations that it displaced."""

    def __init__(self, model: Model, prefix_bytes: int = 0) -> None:
        self.model = model
        self._states = model.states
        self.cache = CachedTokens(model.chunk, checkpoints=Checkpoints() if self._states.is_recurrent else None)
        self._prefixes = PrefixCache(prefix_bytes)
        self._system_prompt: list[int] = []
        self._boundaries: set[int] = set()
        """Lengths at which the prompt that is being computed gets a checkpoint."""
        self._reported = False
        self._reply_start = 0
        """Length of the last prompt up to the tokens that begin its reply."""

    def __len__(self) -> int:
        return len(self.cache)

    def reuse_prefix(self, prompt: Sequence[int], *, exact: bool) -> int:
        """Let the context begin with as many tokens of ``prompt`` as are cached; return how many.

        ``exact`` reuses only tokens that equal a prefill's bit for bit.
        """
        common = 0 if self.cache.checkpoints is None else self.cache.count_common(prompt)
        if exact and not self._states.is_exact:
            self.start_over()
            self._plan_checkpoints(prompt, common, exact=exact)
            return 0
        reusable = self.cache.count_reusable(prompt, exact=exact)
        prefix, most = self._prefixes.find_longest(prompt, exact=exact)
        if prefix is not None:
            self._prefixes.mark_used(prefix)
        self._keep_displaced(prompt)
        if prefix is not None and most > reusable:
            reusable = most if self._restore(prefix) else 0
        if reusable < len(self.cache):
            self._truncate(reusable)
        self._plan_checkpoints(prompt, common, exact=exact)
        return len(self.cache)

    def next_chunk(self, prompt: Sequence[int]) -> Sequence[int]:
        """Return the tokens of ``prompt`` to compute next: up to a boundary of chunks, a checkpoint, or its end."""
        chunk, start = self.cache.next_chunk(prompt), len(self.cache)
        return chunk[: min((at - start for at in self._boundaries if at > start), default=len(chunk))]

    def mark_system_prompt(self, tokens: Sequence[int]) -> None:
        """Take a checkpoint after ``tokens``, whole chunks, when a prompt begins with them."""
        self._system_prompt = list(tokens)

    def start_over(self) -> None:
        """Clear the context for a prompt that reuses nothing; its conversation is kept for later."""
        self._keep_displaced(())
        self.clear()

    def compute(self, tokens: Sequence[int], *, outputs: int = 1) -> bool:
        """Decode ``tokens``, at most a chunk, after those in the context; return false if interrupted.

        Then the last ``outputs`` of them have logits.
        """
        cache = self.cache
        if not self.model.decode(tokens, outputs=outputs):
            if cache.checkpoints is None:
                cache.truncate(self.model.count_after_abort())
            else:  # a part of the layers may have read the tokens
                self._truncate(cache.checkpoints.floor(len(cache)))
            return False
        cache.add(tokens)
        if len(cache) <= cache.chunk:
            self._states.learn_layout(cache.tokens)
        if cache.checkpoints is not None:
            is_boundary = len(cache) in self._boundaries
            if is_boundary or len(cache) >= cache.checkpoints.latest + CHECKPOINT_TOKENS:
                self._take_checkpoint(cache.checkpoints, is_boundary=is_boundary)
        return True

    @property
    def can_withdraw(self) -> bool:
        """True if ``withdraw`` is possible: no layer has a recurrent state."""
        return self.cache.checkpoints is None

    def withdraw(self, count: int) -> None:
        """Remove the last ``count`` tokens. Raises EngineError if llama.cpp does not."""
        length = len(self.cache) - count
        self._truncate(length)
        if len(self.cache) != length:
            raise EngineError("llama.cpp did not remove the last tokens from its context.", tokens=count)

    def clear(self) -> None:
        """Empty the context."""
        self._boundaries, self._reply_start = set(), 0
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
        if self.layout is None or not self.layout.fits(state, tokens):
            return False
        checkpoints = Checkpoints() if self._states.is_recurrent else None
        prefix = CachedPrefix(CachedTokens(self.cache.chunk, tokens, len(tokens), checkpoints), state)
        self._prefixes.pinned = prefix
        return len(self.cache) > 0 or self._restore(prefix)

    def holds(self, tokens: Sequence[int]) -> bool:
        """Return true if the context begins with ``tokens``, computed chunk by chunk, and can return to them."""
        cache = self.cache
        if len(tokens) > cache.chunked or cache.tokens[: len(tokens)] != list(tokens):
            return False
        return cache.checkpoints is None or len(tokens) in (len(cache), cache.checkpoints.floor(len(tokens)))

    def find_checkpoint(self, length: int) -> SavedState | None:
        """Return the checkpoint after ``length`` tokens; None without one, or if the model needs none."""
        checkpoints = self.cache.checkpoints
        return checkpoints.find(length) if checkpoints is not None else None

    @property
    def saved_bytes(self) -> int:
        """Bytes of all checkpoints and displaced conversations."""
        return self._prefixes.count_bytes(self.cache.checkpoints)

    def save(self) -> bytearray | None:
        """Return the state of all tokens in the context; None if it cannot be saved."""
        return self._states.save(len(self.cache))

    def _truncate(self, length: int) -> None:
        """Return to ``length`` tokens, which ``count_reusable`` or a checkpoint allows."""
        checkpoints = self.cache.checkpoints
        if checkpoints is not None and length:
            state = checkpoints.find(length)
            if state is None or not self._states.restore_checkpoint(state):
                length = 0
        self.cache.truncate(self.model.truncate(length))

    def _plan_checkpoints(self, prompt: Sequence[int], common: int, *, exact: bool) -> None:
        """Choose the lengths of ``prompt`` after which a later prompt may differ, and take the first checkpoint.

        Those are the end of the system prompt, the point at which this prompt differs from the last one (``common``),
        the end of the last reply, and the start of the new one. Chunks are divided for the last alone, and not if
        tokens must be ``exact``.
        """
        cache = self.cache
        if cache.checkpoints is None:
            return
        chunk, start = cache.chunk, len(cache)
        reply = self._find_reply_start(prompt)
        self._reply_start = reply - reply % chunk if exact else reply
        self._boundaries = {common - common % chunk, self._reply_start}
        if list(prompt[: len(self._system_prompt)]) == self._system_prompt:
            self._boundaries.add(len(self._system_prompt))
        if cache.checkpoints.latest < start:
            self._take_checkpoint(cache.checkpoints, is_boundary=True)

    def _find_reply_start(self, prompt: Sequence[int]) -> int:
        """Return the length of ``prompt`` up to the end of its last message."""
        is_end = self.model.vocabulary.is_end
        last = range(len(prompt) - 2, max(-1, len(prompt) - 2 - MAX_REPLY_START_TOKENS), -1)
        return next((at + 1 for at in last if is_end(prompt[at])), max(0, len(prompt) - REPLY_START_TOKENS))

    def _take_checkpoint(self, checkpoints: Checkpoints, *, is_boundary: bool) -> None:
        """Take a checkpoint of the context, unless one exceeds the budget; that is logged once."""
        size = self._states.checkpoint_size()
        if size > self._prefixes.budget:
            if not self._reported:
                log.info("no checkpoints: one has %d bytes, and the prefix cache %d", size, self._prefixes.budget)
            self._reported = True
        elif self._make_room(checkpoints, size, boundaries=is_boundary) and (
            state := self._states.save_checkpoint(size)
        ):
            checkpoints.add(Checkpoint(len(self.cache), state, is_boundary))

    def _make_room(self, checkpoints: Checkpoints, size: int, *, spared: int = 0, boundaries: bool = True) -> bool:
        """Drop old states until ``size`` more bytes are within the budget; return false if they never are.

        ``checkpoints`` of the context, and displaced conversations, may each take half of the budget, and more while
        the others leave room. See Checkpoints.drop_least_useful for ``spared`` and ``boundaries``.
        """
        prefixes = self._prefixes
        while prefixes.count_bytes(checkpoints) + size > prefixes.budget:
            is_large = prefixes.is_empty or total_bytes(checkpoints.states) > prefixes.budget // 2
            if is_large and checkpoints.drop_least_useful(spared=spared, boundaries=boundaries):
                continue
            if prefixes.is_empty:
                return False
            prefixes.drop_oldest()
        return True

    def _keep_displaced(self, prompt: Sequence[int]) -> None:
        """Keep the conversation if ``prompt`` does not continue it, or as much of its beginning as the budget holds."""
        layout, cache = self._states.layout, self.cache
        if layout is None:
            return
        reused = cache.count_reusable(prompt, exact=False) if prompt else 0
        if cache.checkpoints is not None and 0 < self._reply_start <= reused:
            return  # only the last reply is lost, and its state is large
        # Half the budget: one conversation is restored while another is kept.
        half = self._prefixes.budget // 2
        kept = self._count_fitting(layout, half)
        if kept - reused < MIN_KEPT_TOKENS or self._prefixes.covers(cache, kept):
            return
        if cache.checkpoints is not None and not self._make_room(cache.checkpoints, layout.size(kept), spared=reused):
            return
        if kept < len(cache):
            self._truncate(kept)
        if state := self._states.save(len(cache)):
            prefix = CachedPrefix(cache.copy(), state)
            checkpoints = prefix.cache.checkpoints
            while checkpoints and total_bytes(prefix.states) > half:
                checkpoints.drop_least_useful()
            self._prefixes.add(prefix)

    def _count_fitting(self, layout: StateLayout, budget: int) -> int:
        """Return the number of tokens, from the first one, whose state fits into ``budget`` bytes."""
        cache = self.cache
        left = budget - layout.size(0)
        if left < 0 or left >= len(cache) * layout.token_size:
            return len(cache) if left >= 0 else 0
        kept = left // layout.token_size
        kept -= kept % cache.chunk
        return kept if cache.checkpoints is None else cache.checkpoints.floor(kept)

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
