"""What a reply may say next, token by token: llguidance, over the model's own vocabulary."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from function.engine.grammar import probe
from function.engine.grammar.grammar import Grammar
from function.engine.llama.vocabulary import Vocabulary
from function.errors import EngineError, RequestError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Constraint:
    """A grammar on its way through one reply. Belongs to the thread that follows the reply."""

    def __init__(self, matcher: Any, size: int, param: str) -> None:
        self._matcher = matcher
        self._size = size
        self._param = param

    def allowed(self) -> "NDArray[np.intp]":
        """The tokens that may come next, rising; those that end a reply only where it may end.

        Raises RequestError when the grammar needs more than it may to tell them.
        """
        import numpy as np

        mask = np.frombuffer(self._matcher.compute_bitmask(), np.uint8)
        self._check()
        return np.flatnonzero(np.unpackbits(mask, count=self._size, bitorder="little"))

    def forced(self) -> list[int]:
        """The tokens that come next whatever the model thinks, as far as there is no choice. Often none."""
        return list(self._matcher.compute_ff_tokens())

    def commit(self, token: int) -> None:
        """``token``, an allowed one, came. Raises as ``allowed`` does."""
        self._matcher.consume_token(token)
        self._check()

    @property
    def complete(self) -> bool:
        """Whether nothing can follow any more."""
        return bool(self._matcher.is_stopped())

    def _check(self) -> None:
        if self._matcher.is_error():
            raise RequestError(
                f"{self._param}: the reply reached a point where it is too complex to follow: "
                f"{self._matcher.get_error().splitlines()[0]}",
                param=self._param,
            )


class Constraints:
    """Makes constraints for one model. Any thread may use it while the vocabulary lives.

    Making it takes 0.3 to 1 s for a large vocabulary, and imports.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        import llguidance
        import numpy  # noqa: F401  here, so that the engine's thread need not wait for it

        self._vocabulary = vocabulary
        self._size = vocabulary.size
        self._limits = llguidance.LLParserLimits(**probe.LIMITS)
        words = _Words(vocabulary)
        self._tokenizer = llguidance.LLTokenizer(words, eos_token=words.ends)  # type: ignore[arg-type]  # by its shape

    def make(self, grammar: Grammar) -> Constraint:
        """Raises RequestError, with the place, for a grammar that cannot be used."""
        import llguidance

        probe.attempt(grammar)
        lark = grammar.lark(self._vocabulary.marks(grammar.marks))
        matcher = llguidance.LLMatcher(self._tokenizer, lark, log_level=0, limits=self._limits)
        if matcher.is_error():
            raise RequestError(
                f"{grammar.param}: it is too complex for this model's vocabulary: {matcher.get_error()}",
                param=grammar.param,
            )
        return Constraint(matcher, self._size, grammar.param)


class _Words:
    """The vocabulary as llguidance takes it: what each token writes, and a function that tokenizes."""

    is_tokenizer_wrapper = True

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self.tokens, self.special_token_ids, self.ends = vocabulary.table()
        if not self.ends:
            raise EngineError("The model has no token that ends a reply; what it says cannot be constrained.")
        self.eos_token_id, self.bos_token_id = self.ends[0], vocabulary.bos

    def __call__(self, text: str) -> Sequence[int]:
        return self._vocabulary.continuation(text)
