"""Drafts of a reply's next tokens for speculative decoding, from repetitions in the prompt and the reply. Pure.

A reply that copies (edited code, quotes, JSON of the prompt's facts) repeats long runs of earlier tokens. A draft is
the continuation of an earlier occurrence of the latest tokens. The engine computes it in one batch and keeps as much of
it as the sampler chooses, so a draft changes the speed of a reply, and not its tokens.
"""

from collections.abc import Sequence

NGRAM_TOKENS = 4
"""Tokens by which an earlier occurrence is found."""
DRAFT_TOKENS = (3, 7, 15)
"""Lengths of drafts. With the token before it a draft fills whole groups of four rows, as kernels compute them."""
MAX_MATCH_TOKENS = 64
"""A longer common run of tokens is not measured."""


class Drafter:
    """Drafts for one reply to ``prompt``. The same tokens lead to the same drafts, on every machine.

    The length of a draft grows with the length of the repeated run and with the success of the drafts before. After a
    draft that fails, the next one needs a run twice as long: a text that does not copy gets two or three short drafts.
    """

    def __init__(self, prompt: Sequence[int]) -> None:
        self._tokens = list(prompt)
        self._indexed = 0
        self._found: dict[tuple[int, ...], int] = {}  # n-gram -> number of tokens up to its latest end
        self._needed = NGRAM_TOKENS
        self._size = 0  # index in DRAFT_TOKENS
        self.drafted = 0
        """Tokens of all drafts."""
        self.accepted = 0
        """Tokens of drafts that became part of the reply."""

    def add(self, token: int) -> None:
        """Append ``token`` to the reply."""
        self._tokens.append(token)

    def draft(self, limit: int) -> list[int]:
        """Return at most ``limit`` tokens that may follow; none if nothing is repeated."""
        source, match = self._find_source()
        if match < self._needed:
            return []
        fitting = max(length for length in DRAFT_TOKENS if length < match)
        count = min(limit, fitting, DRAFT_TOKENS[self._size])
        draft = self._tokens[source : source + count]
        while 0 < len(draft) < count:  # the occurrence is at the end, so the text goes in a circle
            draft += draft[: count - len(draft)]
        return draft

    def report(self, drafted: int, accepted: int) -> None:
        """Count a draft of ``drafted`` tokens, of which the first ``accepted`` became part of the reply."""
        self.drafted += drafted
        self.accepted += accepted
        if accepted == drafted:
            self._needed, self._size = NGRAM_TOKENS, min(self._size + 1, len(DRAFT_TOKENS) - 1)
        elif 2 * accepted < drafted:
            self._needed, self._size = min(2 * self._needed, MAX_MATCH_TOKENS), 0

    def _find_source(self) -> tuple[int, int]:
        """Return the position that follows the latest earlier occurrence of the last tokens, and its common length."""
        tokens = self._tokens
        if len(tokens) <= NGRAM_TOKENS:
            return 0, 0
        for end in range(max(self._indexed + 1, NGRAM_TOKENS), len(tokens)):
            self._found[tuple(tokens[end - NGRAM_TOKENS : end])] = end
        self._indexed = len(tokens) - 1
        source = self._found.get(tuple(tokens[-NGRAM_TOKENS:]))
        if source is None:
            return 0, 0
        longest = min(source, MAX_MATCH_TOKENS)
        match = NGRAM_TOKENS
        while match < longest and tokens[source - match - 1] == tokens[-match - 1]:
            match += 1
        return source, match
