"""Drafts of a reply's next tokens for speculative decoding, from repetitions in the prompt and the reply. Pure.

A reply that copies (edited code, quotes, JSON of the prompt's facts) repeats long runs of earlier tokens. A draft is
the continuation of an earlier occurrence of the latest tokens. The engine computes it in one batch and keeps as much of
it as the sampler chooses, so a draft changes the speed of a reply, and not its tokens.
"""

from collections.abc import Sequence

NGRAM_TOKENS = 3
"""Tokens by which an earlier occurrence is found."""
MIN_MATCH_TOKENS = 6
"""Shortest repeated run that is drafted before drafts have succeeded."""
MAX_MATCH_TOKENS = 64
"""A longer common run of tokens is not measured."""
MAX_OCCURRENCES = 32
"""Latest occurrences of an n-gram that are compared."""
DRAFTS = ((15, 10), (7, 3), (3, None))
"""Lengths of drafts in tokens, each with the credit that it needs.

With the token before it a draft fills whole groups of four rows, as kernels compute them.
"""
MAX_CREDIT, MAX_CREDIT_AFTER_FAILURE = 30, 9
"""A draft that fails for the most part is followed by a shorter one."""


class Drafter:
    """Drafts for one reply to ``prompt``. The same tokens lead to the same drafts, on every machine.

    A token in a batch takes up to half the time of one alone. So an accepted token earns two credits, and each token of
    a draft costs one. Credit makes drafts longer. A draft that leaves a debt makes the next one need a repeated run
    twice as long: a text that does not copy gets two or three short drafts.
    """

    def __init__(self, prompt: Sequence[int]) -> None:
        self._tokens = list(prompt)
        self._indexed = 0
        self._found: dict[tuple[int, ...], list[int]] = {}  # n-gram -> positions after its occurrences
        self._needed = MIN_MATCH_TOKENS
        self._credit = 0
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
        count = min(limit, next(length for length, credit in DRAFTS if credit is None or self._credit >= credit))
        draft = self._tokens[source : source + count]
        while 0 < len(draft) < count:  # the occurrence is at the end, so the text goes in a circle
            draft += draft[: count - len(draft)]
        return draft

    def report(self, drafted: int, accepted: int) -> None:
        """Count a draft of ``drafted`` tokens, of which the first ``accepted`` became part of the reply."""
        self.drafted += drafted
        self.accepted += accepted
        most = MAX_CREDIT if 2 * accepted >= drafted else MAX_CREDIT_AFTER_FAILURE
        self._credit = min(self._credit + 2 * accepted - drafted, most)
        if self._credit < 0 and accepted < drafted:
            self._needed = min(2 * self._needed, MAX_MATCH_TOKENS)
        else:
            self._needed = NGRAM_TOKENS if self._credit > 0 else MIN_MATCH_TOKENS

    def _find_source(self) -> tuple[int, int]:
        """Return the position after the occurrence that has most in common with the last tokens, and its length."""
        tokens = self._tokens
        for end in range(max(self._indexed + 1, NGRAM_TOKENS), len(tokens)):
            self._found.setdefault(tuple(tokens[end - NGRAM_TOKENS : end]), []).append(end)
        self._indexed = len(tokens) - 1
        found = self._found.get(tuple(tokens[-NGRAM_TOKENS:]))
        if found is None:
            return 0, 0
        match, source = max((self._count_common(end), end) for end in found[-MAX_OCCURRENCES:])
        return source, match

    def _count_common(self, end: int) -> int:
        """Return how many tokens before ``end`` equal the last ones."""
        tokens, match = self._tokens, NGRAM_TOKENS
        longest = min(end, MAX_MATCH_TOKENS)
        while match < longest and tokens[end - match - 1] == tokens[-match - 1]:
            match += 1
        return match
