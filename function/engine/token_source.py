"""Source of a reply's next token: sampled freely, sampled among allowed tokens, or forced by a grammar."""

from collections import deque
from typing import TYPE_CHECKING

from function.engine.llama.sampling import Sampler

if TYPE_CHECKING:
    from function.engine.grammar.constraint import Constraint


class FreeTokenSource:
    """Tokens as ``sampler`` chooses them."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler

    @property
    def next_is_forced(self) -> bool:
        """True if the next token is known without logits."""
        return False

    @property
    def is_complete(self) -> bool:
        """True if no token can follow."""
        return False

    def next_token(self) -> int:
        """Return the next token, from the last logits unless ``next_is_forced``."""
        return self._sampler.sample()

    def advance(self, token: int) -> None:
        """Account for ``token``, which does not end the reply."""


class ConstrainedTokenSource(FreeTokenSource):
    """Tokens that ``constraint`` allows. With ``skip``, tokens without an alternative are not sampled."""

    def __init__(self, sampler: Sampler, constraint: "Constraint", *, skip: bool) -> None:
        super().__init__(sampler)
        self._constraint = constraint
        self._skip = skip
        self._forced = deque(constraint.forced_tokens() if skip else ())

    @property
    def next_is_forced(self) -> bool:
        return bool(self._forced)

    @property
    def is_complete(self) -> bool:
        return not self._forced and self._constraint.is_complete

    def next_token(self) -> int:
        """Return the next token. Raises RequestError when the constraint exceeds its limits."""
        if self._forced:
            token = self._forced.popleft()
            self._sampler.accept(token)
            return token
        return self._sampler.sample(self._constraint.allowed_tokens())

    def advance(self, token: int) -> None:
        self._constraint.accept(token)
        if self._skip and not self._forced:
            self._forced.extend(self._constraint.forced_tokens())
