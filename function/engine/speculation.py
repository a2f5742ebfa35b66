"""Speculative decoding: tokens computed before they are chosen, and then kept or withdrawn; for the engine's thread."""

from collections.abc import Sequence
from itertools import takewhile

from function.engine.drafter import Drafter
from function.engine.kv.context import KVContext
from function.engine.token_source import FreeTokenSource


class Speculation:
    """Computes a reply's tokens in ``context``, together with drafts of ``drafter`` if there is one.

    Each token is sampled from the logits of its own position, and after the one before it, exactly as without a draft.
    A draft's tokens stay in the context while they equal the sampled ones.
    """

    def __init__(self, context: KVContext, drafter: Drafter | None) -> None:
        self._context = context
        self._is_end = context.model.vocabulary.is_end
        self._drafter = drafter if context.can_withdraw else None
        self._ahead: Sequence[int] = ()  # the last draft
        self._accepted = 0  # tokens of it, from the first one, that were chosen
        self.position = -1
        """Position, in the last batch, of the logits for the next token."""

    def choose(self, token: int) -> bool:
        """Append ``token`` to the reply; return true if it is in the context already."""
        if self._drafter:
            self._drafter.add(token)
        if self._accepted < len(self._ahead) and self._ahead[self._accepted] == token:
            self._accepted += 1
            self.position += 1
            return True
        self.withdraw()
        return False

    def compute(self, tokens: Sequence[int], source: FreeTokenSource, room: int) -> bool:
        """Compute ``tokens``, which were chosen, and a draft; return false if interrupted.

        At most ``room`` tokens can follow ``tokens``.
        """
        draft: Sequence[int] = ()
        if self._drafter:
            # The last of the tokens that follow is sampled, and need not be computed.
            draft = self._drafter.draft(min(room - 1, self._context.model.chunk - len(tokens)))
            draft = list(takewhile(lambda token: not self._is_end(token), draft))
            draft = draft[: source.count_possible(draft)] if draft else ()
        if not self._context.compute([*tokens, *draft], outputs=1 + len(draft)):
            return False
        self._ahead, self._accepted = draft, 0
        self.position = len(tokens) - 1 if draft else -1
        return True

    def withdraw(self) -> None:
        """Remove the tokens of the draft that were not chosen from the context."""
        if self._drafter and self._ahead:
            if self._accepted < len(self._ahead):
                self._context.withdraw(len(self._ahead) - self._accepted)
            self._drafter.report(len(self._ahead), self._accepted)
        self._ahead = ()
