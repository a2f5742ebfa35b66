"""Where a reply's next token comes from: sampled, sampled among what is allowed, or known without asking the model."""

from collections import deque
from typing import TYPE_CHECKING

from function.engine.llama.model import Model
from function.engine.llama.sampler import Sampler

if TYPE_CHECKING:
    from function.engine.constraint import Constraint


class FreeTokenSource:
    """Whatever the sampler chooses."""

    def __init__(self, sampler: Sampler, model: Model) -> None:
        self._sampler = sampler
        self._model = model

    @property
    def known(self) -> bool:
        """Whether the next token is known already, so that nothing need be computed for it."""
        return False

    @property
    def complete(self) -> bool:
        """Whether no token can follow."""
        return False

    def next(self) -> int:
        """The next token, from the last logits unless it is ``known``."""
        return self._sampler.sample(self._model.context)


class ConstrainedTokenSource(FreeTokenSource):
    """Only what ``constraint`` allows. ``skip``: what it leaves no choice about is not sampled."""

    def __init__(self, sampler: Sampler, model: Model, constraint: "Constraint", *, skip: bool) -> None:
        super().__init__(sampler, model)
        self._constraint = constraint
        self._skip = skip
        self._forced = deque(constraint.forced() if skip else ())

    @property
    def known(self) -> bool:
        return bool(self._forced)

    @property
    def complete(self) -> bool:
        return not self._forced and self._constraint.complete

    def next(self) -> int:
        """Raises RequestError when the constraint gives up."""
        if self._forced:
            token = self._forced.popleft()
            self._sampler.accept(token)
        else:
            token = self._sampler.sample(self._model.context, among=self._constraint.allowed())
        if not self._model.vocabulary.is_end(token):
            self._constraint.commit(token)
            if self._skip and not self._forced:
                self._forced.extend(self._constraint.forced())
        return token
