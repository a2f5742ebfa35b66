"""Tokens in the KV cache, and how many of them a new prompt can reuse. Pure; the memory itself is llama.cpp's."""

from collections.abc import Sequence


class CachedTokens:
    """The tokens at positions 0, 1, 2, … of the one sequence.

    The first ``chunked`` tokens, whole chunks, were computed chunk by chunk. Only those equal, bit by bit, the result
    of any other prefill of the same tokens: another split rounds differently.
    """

    def __init__(self, chunk: int, tokens: Sequence[int] = (), chunked: int = 0) -> None:
        self.chunk = chunk
        self.tokens = list(tokens)
        self.chunked = chunked

    def __len__(self) -> int:
        return len(self.tokens)

    def copy(self) -> "CachedTokens":
        """Return an independent copy."""
        return CachedTokens(self.chunk, self.tokens, self.chunked)

    def count_reusable(self, prompt: Sequence[int], *, exact: bool) -> int:
        """Return how many of ``prompt``'s first tokens can be reused; its last one is always computed, for its logits.

        ``exact`` allows only tokens that were computed in chunks, and whole chunks of them.
        """
        limit = min(len(self.tokens), len(prompt) - 1)
        if exact:
            limit = min(limit, self.chunked)
        common = next((i for i in range(limit) if self.tokens[i] != prompt[i]), limit)
        return common - common % self.chunk if exact else common

    def truncate(self, length: int) -> None:
        """Keep only the first ``length`` tokens."""
        del self.tokens[length:]
        self.chunked = min(self.chunked, length - length % self.chunk)

    def add(self, tokens: Sequence[int]) -> None:
        """Append ``tokens`` that were computed in one call."""
        if len(tokens) == self.chunk and self.chunked == len(self.tokens):
            self.chunked += self.chunk
        self.tokens.extend(tokens)

    def next_chunk(self, prompt: Sequence[int]) -> Sequence[int]:
        """Return the tokens of ``prompt`` to compute next, up to a chunk boundary or the prompt's end."""
        start = len(self.tokens)
        return prompt[start : start - start % self.chunk + self.chunk]
