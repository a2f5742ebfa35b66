"""What the KV cache holds, and how much of it a new prompt may reuse. Pure bookkeeping; the memory is llama.cpp's."""

from collections.abc import Sequence


class CachedTokens:
    """The tokens at positions 0, 1, 2, … of the one sequence.

    ``chunked`` of them, always whole chunks from the beginning, were computed chunk by chunk. Only those are equal,
    bit by bit, to what any other prefill of the same tokens computes: splitting elsewhere rounds differently.
    """

    def __init__(self, chunk: int) -> None:
        self.chunk = chunk
        self.tokens: list[int] = []
        self.chunked = 0

    def __len__(self) -> int:
        return len(self.tokens)

    def copy(self) -> "CachedTokens":
        """One of its own that holds the same."""
        other = CachedTokens(self.chunk)
        other.tokens, other.chunked = self.tokens.copy(), self.chunked
        return other

    def reusable(self, prompt: Sequence[int], *, exact: bool) -> int:
        """How many of ``prompt``'s first tokens need not be computed again; its last always is, for its logits.

        ``exact`` allows only what was computed in chunks, cut to whole chunks.
        """
        limit = min(len(self.tokens), len(prompt) - 1)
        if exact:
            limit = min(limit, self.chunked)
        common = next((i for i in range(limit) if self.tokens[i] != prompt[i]), limit)
        return common - common % self.chunk if exact else common

    def cut(self, length: int) -> None:
        """Only the first ``length`` tokens are left."""
        del self.tokens[length:]
        self.chunked = min(self.chunked, length - length % self.chunk)

    def add(self, tokens: Sequence[int]) -> None:
        """``tokens`` were computed in one go after those that are here."""
        if len(tokens) == self.chunk and self.chunked == len(self.tokens):
            self.chunked += self.chunk
        self.tokens.extend(tokens)

    def next_chunk(self, prompt: Sequence[int]) -> Sequence[int]:
        """What of ``prompt`` to compute next: up to the next chunk boundary or its end."""
        start = len(self.tokens)
        return prompt[start : start - start % self.chunk + self.chunk]
