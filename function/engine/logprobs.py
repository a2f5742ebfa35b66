"""How likely each token of a reply was, from the logits as the model computed them. Imports numpy: import it late."""

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from function.engine.llama.library import library
from function.engine.llama.model import Model
from function.engine.llama.vocabulary import Vocabulary
from function.engine.text_stream import TextStream
from function.engine.token_observer import TokenObserver
from function.engine.types import Logprob, TokenChoice

LEAST = -9999.0
"""What stands for the logarithm of zero, which JSON cannot spell, as in OpenAI's API."""

SCORED_CHUNK = 16
"""Tokens that one call computes of a prompt whose own logprobs are asked for."""

Row = npt.NDArray[np.float32]


class LogprobObserver(TokenObserver):
    """Notes the logprobs of one reply's tokens and gives them out with the text that they began."""

    def __init__(self, model: Model, top: int) -> None:
        self._model = model
        self._top = top
        self._row: Row | None = None
        self._given = 0
        self._waiting: deque[tuple[int, Logprob]] = deque()

    def look(self) -> None:
        """Copy the logits of the last token computed; whatever changes them afterwards changes no logprob."""
        self._row = logits(self._model.context, self._model.vocabulary.size)

    def add(self, token: int, stream: TextStream) -> None:
        """``token`` was sampled and is to be fed to ``stream``."""
        assert self._row is not None
        vocabulary = self._model.vocabulary
        begins = self._given + stream.before(vocabulary.piece(token))
        self._waiting.append((begins, logprob(self._row, token, self._top, vocabulary)))

    def given(self, text: str) -> tuple[Logprob, ...]:
        """``text`` goes out: the tokens whose text begins in it."""
        self._given += len(text)
        found = []
        while self._waiting and self._waiting[0][0] < self._given:
            found.append(self._waiting.popleft()[1])
        return tuple(found)

    def rest(self) -> tuple[Logprob, ...]:
        """All that are left, which have no text."""
        rest = tuple(entry for _, entry in self._waiting)
        self._waiting.clear()
        return rest


class PromptLogprobObserver:
    """Notes the logprobs of a prompt's tokens while it is computed, which then must leave logits for every one.

    None of it may come from the cache, and it is computed in small chunks: logits of 64 tokens can be 40 MB, and
    one node of the graph, which cannot be interrupted, makes all of them.
    """

    def __init__(self, model: Model, prompt: Sequence[int], top: int) -> None:
        self._model = model
        self._prompt = prompt
        self._top = top
        first = prompt[0]
        self._found = [Logprob(_choice(first, None, model.vocabulary))]

    def next_chunk(self, done: int) -> Sequence[int]:
        """What to compute after the first ``done`` tokens."""
        return self._prompt[done : done + SCORED_CHUNK]

    def computed(self, done: int) -> None:
        """The first ``done`` tokens of the prompt are, the last chunk of them just now."""
        start, vocabulary = len(self._found) - 1, self._model.vocabulary
        for position, token in enumerate(self._prompt[start + 1 : done + 1]):
            row = logits(self._model.context, vocabulary.size, position)
            self._found.append(logprob(row, token, self._top, vocabulary))

    @property
    def logprobs(self) -> tuple[Logprob, ...]:
        """One entry for each token of the prompt; the first has no logprob."""
        return tuple(self._found)


def logits(context: Any, n_vocab: int, position: int = -1) -> Row:
    """A copy of the logits at ``position`` of what ``context`` computed last, one for each token."""
    pointer = library().llama_get_logits_ith(context, position)
    return np.ctypeslib.as_array(pointer, (n_vocab,)).copy()


def logprob(row: Row, token: int, top: int, vocabulary: Vocabulary) -> Logprob:
    """``token`` and the ``top`` likeliest, out of the logits ``row``."""
    top = min(top, len(row))
    highest = float(row.max())
    scale = highest + float(np.log(np.exp(row - highest).sum(dtype=np.float64)))
    best = np.argpartition(row, -top)[-top:] if top else np.empty(0, np.int64)
    best = best[np.lexsort((best, -row[best]))]
    return Logprob(
        _choice(token, float(row[token]) - scale, vocabulary),
        tuple(_choice(int(other), float(row[other]) - scale, vocabulary) for other in best),
    )


def _choice(token: int, value: float | None, vocabulary: Vocabulary) -> TokenChoice:
    if value is not None:
        value = min(value, 0.0) if value > LEAST else LEAST  # also for what is not a number
    return TokenChoice(token, vocabulary.spelled(token), value, control=not vocabulary.piece(token))
