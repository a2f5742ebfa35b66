"""Source of a reply's next token: sampled freely, sampled among allowed tokens, inserted, or forced by a grammar."""

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from function.engine.llama.sampling import Sampler

if TYPE_CHECKING:
    from function.engine.grammar.constraint import Constraint


class FreeTokenSource:
    """Tokens as ``sampler`` chooses them. With ``skip``, tokens without an alternative need no logits."""

    def __init__(self, sampler: Sampler, *, skip: bool) -> None:
        self._sampler = sampler
        self._skip = skip
        self._inserted: deque[int] = deque()

    @property
    def next_is_inserted(self) -> bool:
        """True if the next token is an inserted one."""
        return bool(self._inserted)

    @property
    def next_is_forced(self) -> bool:
        """True if the next token is known without logits."""
        return self._skip and bool(self._inserted)

    @property
    def is_complete(self) -> bool:
        """True if no token can follow."""
        return False

    def insert(self, tokens: Sequence[int]) -> bool:
        """Make ``tokens`` the next ones. Return false, and change nothing, if they cannot follow now."""
        self._inserted.extend(tokens)
        return True

    def count_possible(self, tokens: Sequence[int]) -> int:
        """Return how many of ``tokens``, from the first one, may come next."""
        return 0 if self._inserted else len(tokens)

    def next_token(self, position: int) -> int:
        """Return the next token, from the logits at ``position`` of the last batch unless it is known without them."""
        return self._accept(self._inserted) if self._inserted else self._sampler.sample(position=position)

    def advance(self, token: int) -> None:
        """Account for ``token``, which does not end the reply."""

    def _accept(self, known: deque[int]) -> int:
        token = known.popleft()
        self._sampler.accept(token)
        return token


class ConstrainedTokenSource(FreeTokenSource):
    """Tokens that ``constraint`` allows."""

    def __init__(self, sampler: Sampler, constraint: "Constraint", *, skip: bool) -> None:
        super().__init__(sampler, skip=skip)
        self._constraint = constraint
        self._forced = deque(constraint.forced_tokens() if skip else ())

    @property
    def next_is_forced(self) -> bool:
        return bool(self._forced) or super().next_is_forced

    @property
    def is_complete(self) -> bool:
        return not self._forced and not self._inserted and self._constraint.is_complete

    def insert(self, tokens: Sequence[int]) -> bool:
        return not self._forced and self._constraint.count_allowed(tokens) == len(tokens) and super().insert(tokens)

    def count_possible(self, tokens: Sequence[int]) -> int:
        return 0 if self._forced else self._constraint.count_allowed(tokens[: super().count_possible(tokens)])

    def next_token(self, position: int) -> int:
        """Return the next token. Raises RequestError when the constraint exceeds its limits."""
        if known := self._inserted or self._forced:
            return self._accept(known)
        return self._sampler.sample(self._constraint.allowed_tokens(), position)

    def advance(self, token: int) -> None:
        self._constraint.accept(token)
        if self._skip and not self._forced and not self._inserted:
            self._forced.extend(self._constraint.forced_tokens())
