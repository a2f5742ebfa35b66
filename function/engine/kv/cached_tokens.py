"""Tokens in the KV cache, and how many of them a new prompt can reuse. Pure; the memory itself is llama.cpp's."""

from collections.abc import Sequence

from function.engine.kv.checkpoints import Checkpoints


class CachedTokens:
    """The tokens at positions 0, 1, 2, … of the one sequence.

    The first ``chunked`` tokens, whole chunks, were computed chunk by chunk. Only those equal, bit by bit, the result
    of any other prefill of the same tokens: another split rounds differently.

    ``checkpoints`` is None if the sequence can be cut anywhere; else it can only return to them.
    """

    def __init__(
        self, chunk: int, tokens: Sequence[int] = (), chunked: int = 0, checkpoints: Checkpoints | None = None
    ) -> None:
        self.chunk = chunk
        self.tokens = list(tokens)
        self.chunked = chunked
        self.checkpoints = checkpoints

    def __len__(self) -> int:
        return len(self.tokens)

    def copy(self) -> "CachedTokens":
        """Return an independent copy."""
        checkpoints = self.checkpoints.copy() if self.checkpoints is not None else None
        return CachedTokens(self.chunk, self.tokens, self.chunked, checkpoints)

    def count_reusable(self, prompt: Sequence[int], *, exact: bool) -> int:
        """Return how many of ``prompt``'s first tokens can be reused; its last one is always computed, for its logits.

        ``exact`` allows only tokens that were computed in chunks, and whole chunks of them.
        """
        common = self.count_common(prompt[:-1])
        if exact:
            common = min(common, self.chunked)
            common -= common % self.chunk
        if self.checkpoints is None or common == len(self.tokens):
            return common
        return self.checkpoints.floor(common, self.chunk if exact else 1)

    def count_common(self, prompt: Sequence[int]) -> int:
        """Return how many of ``prompt``'s first tokens are the first tokens here."""
        limit = min(len(self.tokens), len(prompt))
        return next((i for i in range(limit) if self.tokens[i] != prompt[i]), limit)

    def truncate(self, length: int) -> None:
        """Keep only the first ``length`` tokens."""
        del self.tokens[length:]
        self.chunked = min(self.chunked, length - length % self.chunk)
        if self.checkpoints is not None:
            self.checkpoints.truncate(length)

    def add(self, tokens: Sequence[int]) -> None:
        """Append ``tokens`` that were computed in one call."""
        if len(tokens) == self.chunk and self.chunked == len(self.tokens):
            self.chunked += self.chunk
        self.tokens.extend(tokens)

    def next_chunk(self, prompt: Sequence[int]) -> Sequence[int]:
        """Return the tokens of ``prompt`` to compute next, up to a chunk boundary or the prompt's end."""
        start = len(self.tokens)
        return prompt[start : start - start % self.chunk + self.chunk]
