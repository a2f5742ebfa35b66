"""Constraint of one reply to a grammar, token by token, with llguidance over the model's vocabulary."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from function.engine.grammar.grammar import Grammar
from function.engine.grammar.probe import PARSER_LIMITS, probe_grammar
from function.engine.llama.vocabulary import Vocabulary
from function.errors import EngineError, RequestError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Constraint:
    """State of a grammar within one reply; for the thread that generates the reply."""

    def __init__(self, matcher: Any, n_vocab: int, param: str) -> None:
        self._matcher = matcher
        self._n_vocab = n_vocab
        self._param = param

    def allowed_tokens(self) -> "NDArray[np.intp]":
        """Return the tokens that may come next, ascending; end tokens only where the reply may end.

        Raises RequestError when the grammar exceeds its limits.
        """
        import numpy as np

        mask = np.frombuffer(self._matcher.compute_bitmask(), np.uint8)
        self._check()
        return np.flatnonzero(np.unpackbits(mask, count=self._n_vocab, bitorder="little"))

    def count_allowed(self, tokens: Sequence[int]) -> int:
        """Return how many of ``tokens`` may come next, one after the other, from the first one."""
        return int(self._matcher.validate_tokens(list(tokens)))

    def forced_tokens(self) -> list[int]:
        """Return the next tokens as far as the grammar leaves no choice. Often none."""
        return list(self._matcher.compute_ff_tokens())

    def accept(self, token: int) -> None:
        """Advance by ``token``, an allowed one. Raises as ``allowed_tokens`` does."""
        self._matcher.consume_token(token)
        self._check()

    @property
    def is_complete(self) -> bool:
        """True when no token can follow."""
        return bool(self._matcher.is_stopped())

    def _check(self) -> None:
        if self._matcher.is_error():
            raise RequestError(
                f"{self._param}: the reply reached a point where it is too complex to follow: "
                f"{self._matcher.get_error().splitlines()[0]}",
                param=self._param,
            )


class ConstraintFactory:
    """Makes constraints for one model. Any thread may use it while the vocabulary lives.

    Its construction imports llguidance and takes 0.3 to 1 s for a large vocabulary.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        import llguidance
        import numpy  # noqa: F401  here, so that the engine's thread need not wait for it

        self._vocabulary = vocabulary
        self._limits = llguidance.LLParserLimits(**PARSER_LIMITS)
        tokens = _TokenizerTable(vocabulary)
        self._tokenizer = llguidance.LLTokenizer(tokens, eos_token=tokens.end_tokens)  # type: ignore[arg-type]  # by its shape

    def make(self, grammar: Grammar) -> Constraint:
        """Return a constraint for one reply. Raises RequestError, with the field, for a grammar that cannot be used."""
        import llguidance

        probe_grammar(grammar)
        lark = grammar.to_lark(self._vocabulary.find_control_tokens(grammar.marks))
        matcher = llguidance.LLMatcher(self._tokenizer, lark, log_level=0, limits=self._limits)
        if matcher.is_error():
            raise RequestError(
                f"{grammar.param}: it is too complex for this model's vocabulary: {matcher.get_error()}",
                param=grammar.param,
            )
        return Constraint(matcher, self._vocabulary.size, grammar.param)


class _TokenizerTable:
    """The vocabulary in llguidance's form: bytes of each token, and a function that tokenizes."""

    is_tokenizer_wrapper = True

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self.tokens, self.special_token_ids, self.end_tokens = vocabulary.read_table()
        if not self.end_tokens:
            raise EngineError("The model has no token that ends a reply; its replies cannot be constrained.")
        self.eos_token_id, self.bos_token_id = self.end_tokens[0], vocabulary.bos

    def __call__(self, text: str) -> Sequence[int]:
        return self._vocabulary.tokenize_continuation(text)
