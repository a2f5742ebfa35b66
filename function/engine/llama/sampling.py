"""Sampling: its parameters, the limits within which llama.cpp's samplers are safe, and the sampler of one reply."""

import ctypes
import math
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from function.engine.llama.candidates import MAX_CANDIDATES
from function.errors import EngineError, RequestError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_INT32_MAX = (1 << 31) - 1
# Inclusive. Wide, but single precision neither overflows nor divides by zero within them.
_RANGES = {
    "temperature": (0.0, 100.0),
    "top_k": (-_INT32_MAX, _INT32_MAX),
    "top_p": (0.0, 1.0),
    "min_p": (0.0, 1.0),
    "typical_p": (0.0, 1.0),
    "repeat_penalty": (0.01, 100.0),
    "repeat_last_n": (-1, _INT32_MAX),
    "presence_penalty": (-100.0, 100.0),
    "frequency_penalty": (-100.0, 100.0),
    "top_n_sigma": (-1.0, 1000.0),
    "xtc_probability": (0.0, 1.0),
    "xtc_threshold": (0.0, 1.0),
    "dynatemp_range": (0.0, 100.0),
    "dynatemp_exponent": (0.01, 100.0),
    "mirostat": (0, 2),
    "mirostat_tau": (0.0, 100.0),
    "mirostat_eta": (0.0, 1.0),
    "dry_multiplier": (0.0, 100.0),
    "dry_base": (1.0, 100.0),
    "dry_allowed_length": (0, _INT32_MAX),
    "dry_penalty_last_n": (-1, _INT32_MAX),
}
MAX_BREAKERS, MAX_BREAKER_CHARACTERS = 16, 40
"""Of DRY; llama.cpp looks for each in every token of the vocabulary."""
_RANDOM_SEED = 0xFFFF_FFFF
"""For this seed llama.cpp chooses one itself."""
_MIN_KEEP = 1
_MAX_GREEDY_TEMPERATURE = 1e-4
"""In single precision, dividing logits by a lower temperature leaves no numbers to sample from."""
_MIROSTAT_M = 100
"""Tokens that mirostat estimates from, llama.cpp's default."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """Parameters of token sampling, with llama.cpp's defaults.

    ``temperature`` 0 is greedy. ``seed`` None draws a random one. ``logit_bias`` maps token ids to values that are
    added to their logits (−100 … 100, where −100 bans).
    """

    temperature: float = 0.8
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    typical_p: float = 1.0
    repeat_penalty: float = 1.0
    repeat_last_n: int = 64
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    top_n_sigma: float = -1.0
    xtc_probability: float = 0.0
    xtc_threshold: float = 0.1
    dynatemp_range: float = 0.0
    dynatemp_exponent: float = 1.0
    mirostat: int = 0
    mirostat_tau: float = 5.0
    mirostat_eta: float = 0.1
    dry_multiplier: float = 0.0
    dry_base: float = 1.75
    dry_allowed_length: int = 2
    dry_penalty_last_n: int = 64
    dry_sequence_breakers: tuple[str, ...] = ("\n", ":", '"', "*")
    seed: int | None = None
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    ignore_eos: bool = False

    def check(self, n_vocab: int) -> None:
        """Raise RequestError, naming the parameter, for a value that llama.cpp's samplers must not get."""
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if not (math.isfinite(value) and low <= value <= high):
                raise RequestError(f"{name} is {value}; it must be between {low:g} and {high:g}.", param=name)
        for token, bias in self.logit_bias.items():
            if not 0 <= token < n_vocab:
                raise RequestError(
                    f"logit_bias names token {token}; the vocabulary has 0 to {n_vocab - 1}.", param="logit_bias"
                )
            if not (math.isfinite(bias) and -100 <= bias <= 100):
                raise RequestError(f"logit_bias is {bias}; it must be between -100 and 100.", param="logit_bias")
        breakers = self.dry_sequence_breakers
        if len(breakers) > MAX_BREAKERS or any(not 0 < len(text) <= MAX_BREAKER_CHARACTERS for text in breakers):
            raise RequestError(
                f"dry_sequence_breakers: up to {MAX_BREAKERS} texts of 1 to {MAX_BREAKER_CHARACTERS} characters.",
                param="dry_sequence_breakers",
            )


class Sampler:
    """One chain for one reply, in llama.cpp's order, over the logits of ``context``; for the engine's thread.

    ``banned`` tokens are never sampled. Penalties count ``prompt``'s tokens too, as llama-server's do. ``vocabulary``
    is llama.cpp's handle, for DRY. ``find_candidates`` finds the tokens that a chain chooses among, if they are few;
    without it llama.cpp does. The owner calls ``free``.
    """

    def __init__(
        self,
        lib: Any,
        context: Any,
        sampling: Sampling,
        *,
        n_vocab: int,
        n_ctx: int,
        banned: Iterable[int],
        prompt: Sequence[int],
        vocabulary: Any,
        find_candidates: Any | None = None,
    ) -> None:
        self._lib, self._context = lib, context
        self._n_vocab = n_vocab
        self.observes = False
        """Set to keep the probabilities of each sampled token."""
        self.probabilities: list[tuple[int, float]] = []
        """Tokens that could be sampled last, the likeliest first, with their probabilities."""
        chain = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
        if not chain:
            raise EngineError("llama.cpp could not make a sampler.")
        self._chain = chain
        biases = dict(sampling.logit_bias) | dict.fromkeys(banned, -math.inf)
        if biases:
            self._add(lib.llama_sampler_init_logit_bias(n_vocab, len(biases), self._bias_array(biases)))
        penalised = sampling.repeat_penalty != 1 or sampling.presence_penalty != 0 or sampling.frequency_penalty != 0
        last_n = n_ctx if sampling.repeat_last_n < 0 else min(sampling.repeat_last_n, n_ctx)
        if penalised and last_n:
            penalties = (sampling.repeat_penalty, sampling.frequency_penalty, sampling.presence_penalty)
            self._add(lib.llama_sampler_init_penalties(n_vocab, last_n, *penalties))
        uses_dry = sampling.dry_multiplier > 0 and sampling.dry_penalty_last_n != 0
        dry_last_n = n_ctx if sampling.dry_penalty_last_n < 0 else min(sampling.dry_penalty_last_n, n_ctx)
        if uses_dry:
            self._add(self._dry(sampling, vocabulary, dry_last_n))
        if sampling.temperature <= _MAX_GREEDY_TEMPERATURE:
            self._add(lib.llama_sampler_init_greedy())
        else:
            self._add_random_choice(sampling, n_vocab)
        counted = max(last_n if penalised else 0, dry_last_n if uses_dry else 0)
        for token in prompt[-counted:] if counted else ():
            self.accept(token)
        self._find_candidates = find_candidates
        most = 0 if counted or sampling.logit_bias else _count_candidates(sampling, n_vocab, len(biases))
        self._candidates = (lib.llama_token_data * most)() if most else None

    def sample(self, among: "NDArray[np.intp] | None" = None, position: int = -1) -> int:
        """Sample the next token, one of ``among`` if given, from the logits at ``position`` of the last batch.

        The context's logits stay as they are.
        """
        if among is None and not self.observes:
            return self._sample_candidates(position)
        import numpy as np

        among = np.arange(self._n_vocab) if among is None else among
        logits = np.ctypeslib.as_array(self._lib.llama_get_logits_ith(self._context, position), (self._n_vocab,))
        candidates = np.empty(len(among), [("id", "<i4"), ("logit", "<f4"), ("p", "<f4")])
        candidates["id"], candidates["logit"], candidates["p"] = among, logits[among], 0
        data = candidates.ctypes.data_as(self._lib.llama_token_data_p)
        array = self._lib.llama_token_data_array(data, len(candidates), -1, False)
        self._lib.llama_sampler_apply(self._chain, array)
        token = int(array.data[array.selected].id)
        if self.observes:
            left = np.frombuffer(ctypes.string_at(array.data, array.size * candidates.itemsize), candidates.dtype)
            self.probabilities = _probabilities(left["id"].tolist(), left["p"].tolist(), token)
        self.accept(token)
        return token

    def _sample_candidates(self, position: int) -> int:
        """Sample among all tokens; look at those alone that can be chosen if they are few."""
        lib, kept = self._lib, self._candidates
        if kept is not None and self._find_candidates is not None:
            logits = lib.llama_get_logits_ith(self._context, position)
            if count := self._find_candidates(logits, self._n_vocab, len(kept), kept):
                array = lib.llama_token_data_array(kept, count, -1, False)
                lib.llama_sampler_apply(self._chain, array)
                token = int(array.data[array.selected].id)  # XTC moves the beginning
                self.accept(token)
                return token
        return int(lib.llama_sampler_sample(self._chain, self._context, position))

    def accept(self, token: int) -> None:
        """Count a token that was not sampled here."""
        self._lib.llama_sampler_accept(self._chain, token)

    def free(self) -> None:
        """Free the chain's memory."""
        self._lib.llama_sampler_free(self._chain)

    def _add_random_choice(self, sampling: Sampling, n_vocab: int) -> None:
        """Add the samplers that narrow the choice, and the one that chooses."""
        lib = self._lib
        seed = secrets.randbelow(_RANDOM_SEED) if sampling.seed is None else sampling.seed % _RANDOM_SEED
        if sampling.mirostat:
            self._add(lib.llama_sampler_init_temp(sampling.temperature))
            if sampling.mirostat == 1:
                tau, eta = sampling.mirostat_tau, sampling.mirostat_eta
                self._add(lib.llama_sampler_init_mirostat(n_vocab, seed, tau, eta, _MIROSTAT_M))
            else:
                self._add(lib.llama_sampler_init_mirostat_v2(seed, sampling.mirostat_tau, sampling.mirostat_eta))
            return
        if sampling.top_n_sigma > 0:
            self._add(lib.llama_sampler_init_top_n_sigma(sampling.top_n_sigma))
        self._add(lib.llama_sampler_init_top_k(sampling.top_k))
        self._add(lib.llama_sampler_init_typical(sampling.typical_p, _MIN_KEEP))
        self._add(lib.llama_sampler_init_top_p(sampling.top_p, _MIN_KEEP))
        self._add(lib.llama_sampler_init_min_p(sampling.min_p, _MIN_KEEP))
        if sampling.xtc_probability > 0:
            self._add(lib.llama_sampler_init_xtc(sampling.xtc_probability, sampling.xtc_threshold, _MIN_KEEP, seed))
        if sampling.dynatemp_range > 0:
            dynamic = (sampling.temperature, sampling.dynatemp_range, sampling.dynatemp_exponent)
            self._add(lib.llama_sampler_init_temp_ext(*dynamic))
        else:
            self._add(lib.llama_sampler_init_temp(sampling.temperature))
        self._add(lib.llama_sampler_init_dist(seed))

    def _dry(self, sampling: Sampling, vocabulary: Any, last_n: int) -> Any:
        breakers = [text.encode(errors="replace").replace(b"\0", b" ") for text in sampling.dry_sequence_breakers]
        return self._lib.llama_sampler_init_dry(
            vocabulary,
            sampling.dry_multiplier,
            sampling.dry_base,
            sampling.dry_allowed_length,
            last_n,
            (ctypes.c_char_p * len(breakers))(*breakers),
            len(breakers),
        )

    def _add(self, sampler: Any) -> None:
        self._lib.llama_sampler_chain_add(self._chain, sampler)

    def _bias_array(self, biases: dict[int, float]) -> Any:
        kind = self._lib.llama_logit_bias
        return (kind * len(biases))(*(kind(token, bias) for token, bias in biases.items()))


def _count_candidates(sampling: Sampling, n_vocab: int, banned: int) -> int:
    """Return how many tokens, those with the largest logits, include all that can be chosen; 0 for all or too many."""
    if sampling.temperature <= _MAX_GREEDY_TEMPERATURE:
        most = 1 + banned
    elif sampling.mirostat or sampling.top_n_sigma > 0 or sampling.top_k <= 0:
        return 0
    else:
        most = sampling.top_k + banned
    return min(most, n_vocab) if most <= MAX_CANDIDATES else 0


def _probabilities(tokens: list[int], weights: list[float], chosen: int) -> list[tuple[int, float]]:
    """Return ``tokens`` with their probabilities, the likeliest first; a greedy sampler computes none."""
    total = sum(weights)
    if not total > 0:
        return [(chosen, 1.0)]
    found = [(token, weight / total) for token, weight in zip(tokens, weights, strict=True) if weight > 0]
    return sorted(found, key=lambda entry: (-entry[1], entry[0]))
