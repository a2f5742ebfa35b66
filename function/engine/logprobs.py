"""Log probabilities of tokens, from the model's own logits. numpy is imported when the first is computed."""

import math
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from function.engine.llama.model import Model
from function.engine.llama.sampling import Sampler
from function.engine.types import Logprob, TokenChoice

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MIN_LOGPROB = -9999.0
"""Stands for the logarithm of zero, which JSON cannot express, as in OpenAI's API."""
SCORED_CHUNK_TOKENS = 16
"""Tokens per call for a prompt whose own logprobs are requested."""


class ReplyLogprobs:
    """Logprobs of a reply's tokens; each is reported with the text in which the token begins.

    ``count_held``: see TextStream. With ``observed``, a sampler that keeps its probabilities, they are those after all
    sampling parameters, and only tokens that could be sampled are among the likeliest.
    """

    def __init__(
        self, model: Model, top: int, count_held: Callable[[bytes], int], observed: Sampler | None = None
    ) -> None:
        self._model, self._top, self._count_held, self._observed = model, top, count_held, observed
        self._logits: NDArray[np.float32] | None = None
        self._reported_characters = 0
        self._waiting: deque[tuple[int, Logprob]] = deque()

    def before_sampling(self, position: int) -> None:
        """Copy the logits at ``position`` of the last batch: sampling must not change the logprobs."""
        if self._observed:
            self._observed.probabilities = []
        else:
            self._logits = _copy_logits(self._model, position)

    def on_token(self, token: int) -> None:
        """Add a sampled token before its text is decoded."""
        begins = self._reported_characters + self._count_held(self._model.vocabulary.piece(token))
        self._waiting.append((begins, self._logprob(token)))

    def _logprob(self, token: int) -> Logprob:
        if self._observed:
            found = [(each, math.log(value)) for each, value in self._observed.probabilities]
            top = tuple(_choice(each, value, self._model) for each, value in found[: self._top])
            return Logprob(_choice(token, dict(found).get(token, 0.0), self._model), top)
        assert self._logits is not None
        return _compute(self._logits, token, self._top, self._model)

    def take(self, text: str) -> tuple[Logprob, ...]:
        """Return the entries to report with ``text``."""
        self._reported_characters += len(text)
        found = []
        while self._waiting and self._waiting[0][0] < self._reported_characters:
            found.append(self._waiting.popleft()[1])
        return tuple(found)

    def take_rest(self) -> tuple[Logprob, ...]:
        """Return the entries of tokens without text, at the end of the reply."""
        rest = tuple(entry for _, entry in self._waiting)
        self._waiting.clear()
        return rest


class PromptLogprobs:
    """Logprobs of a prompt's tokens, collected during a prefill that keeps the logits of every token.

    The prompt must not come from the cache. It is computed in small chunks: logits of 64 tokens can be 40 MB, and a
    single graph node, which cannot be interrupted, computes them.
    """

    def __init__(self, model: Model, prompt: Sequence[int], top: int) -> None:
        self._model, self._prompt, self._top = model, prompt, top
        self._found = [Logprob(_choice(prompt[0], None, model))]

    def next_chunk(self, done: int) -> Sequence[int]:
        """Return the tokens to compute after the first ``done``."""
        return self._prompt[done : done + SCORED_CHUNK_TOKENS]

    def on_chunk(self, done: int) -> None:
        """Collect from the chunk just computed, which ends after ``done`` tokens of the prompt."""
        start = len(self._found) - 1
        for position, token in enumerate(self._prompt[start + 1 : done + 1]):
            self._found.append(_compute(_copy_logits(self._model, position), token, self._top, self._model))

    def result(self) -> tuple[Logprob, ...]:
        """Return one entry per token of the prompt; the first has no logprob."""
        return tuple(self._found)


def _copy_logits(model: Model, position: int) -> "NDArray[np.float32]":
    import numpy as np

    logits: NDArray[np.float32] = np.ctypeslib.as_array(model.logits(position), (model.vocabulary.size,)).copy()
    return logits


def _compute(logits: "NDArray[np.float32]", token: int, top: int, model: Model) -> Logprob:
    """Return the logprobs of ``token`` and of the ``top`` likeliest tokens."""
    import numpy as np

    top = min(top, len(logits))
    highest = float(logits.max())
    scale = highest + float(np.log(np.exp(logits - highest).sum(dtype=np.float64)))
    best = np.argpartition(logits, -top)[-top:] if top else np.empty(0, np.int64)
    best = best[np.lexsort((best, -logits[best]))]
    return Logprob(
        _choice(token, float(logits[token]) - scale, model),
        tuple(_choice(int(other), float(logits[other]) - scale, model) for other in best),
    )


def _choice(token: int, value: float | None, model: Model) -> TokenChoice:
    if value is not None:
        value = min(value, 0.0) if value > MIN_LOGPROB else MIN_LOGPROB  # NaN becomes MIN_LOGPROB too
    vocabulary = model.vocabulary
    return TokenChoice(token, vocabulary.piece_or_name(token), value, control=not vocabulary.piece(token))
