"""``Sampling`` → llama.cpp's sampler chain, with everything checked that its C code takes on trust."""

import ctypes
import math
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from function.engine.llama.library import library
from function.engine.types import Sampling
from function.errors import EngineError, RequestError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_RANDOM = 0xFFFF_FFFF
"""The seed that llama.cpp takes for a wish to choose one itself."""
_INT32 = (1 << 31) - 1
_MIN_KEEP = 1
_GREEDY = 1e-4
"""Temperatures up to here are greedy: in single precision, dividing by less leaves no numbers to choose among."""
# Inclusive. Wide, but such that single precision neither overflows nor divides by zero.
_RANGES = {
    "temperature": (0.0, 100.0),
    "top_k": (-_INT32, _INT32),
    "top_p": (0.0, 1.0),
    "min_p": (0.0, 1.0),
    "typical_p": (0.0, 1.0),
    "repeat_penalty": (0.01, 100.0),
    "repeat_last_n": (-1, _INT32),
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
    "dry_allowed_length": (0, _INT32),
    "dry_penalty_last_n": (-1, _INT32),
}
_BREAKERS, _BREAKER_LENGTH = 16, 40
"""Of DRY; each is looked for in every token of the vocabulary."""
_MIROSTAT_M = 100
"""Tokens that mirostat estimates from, as elsewhere in llama.cpp."""


def check(sampling: Sampling, n_vocab: int) -> None:
    """Raise RequestError, naming the parameter, for a value that llama.cpp's samplers must not see."""
    for field in fields(sampling):
        if field.name not in _RANGES:
            continue
        low, high = _RANGES[field.name]
        value = getattr(sampling, field.name)
        if not (math.isfinite(value) and low <= value <= high):
            raise RequestError(f"{field.name} is {value}; it must be between {low:g} and {high:g}.", param=field.name)
    for token, bias in sampling.logit_bias.items():
        if not 0 <= token < n_vocab:
            raise RequestError(
                f"logit_bias names token {token}; the vocabulary has 0 to {n_vocab - 1}.", param="logit_bias"
            )
        if not (math.isfinite(bias) and -100 <= bias <= 100):
            raise RequestError(f"logit_bias is {bias}; it must be between -100 and 100.", param="logit_bias")

    breakers = sampling.dry_sequence_breakers
    if len(breakers) > _BREAKERS or any(not 0 < len(text) <= _BREAKER_LENGTH for text in breakers):
        raise RequestError(
            f"dry_sequence_breakers: up to {_BREAKERS} texts of 1 to {_BREAKER_LENGTH} characters.",
            param="dry_sequence_breakers",
        )


class Sampler:
    """One chain for one generation, in llama.cpp's order. Its owner calls ``free``; only the engine thread uses it.

    ``end_tokens`` end a generation; ``ignore_eos`` bans them. Penalties count ``prompt``'s tokens too, as
    llama-server's do. ``vocabulary`` is llama.cpp's; only DRY needs it.
    """

    def __init__(
        self,
        sampling: Sampling,
        *,
        n_vocab: int,
        n_ctx: int,
        end_tokens: Iterable[int],
        prompt: Sequence[int],
        vocabulary: Any = None,
    ) -> None:
        self._lib = library()
        self._n_vocab = n_vocab
        chain = self._lib.llama_sampler_chain_init(self._lib.llama_sampler_chain_default_params())
        if not chain:
            raise EngineError("llama.cpp could not make a sampler.")
        self._chain = chain
        biases = dict(sampling.logit_bias)
        if sampling.ignore_eos:
            biases |= dict.fromkeys(end_tokens, -math.inf)
        if biases:
            self._add(self._lib.llama_sampler_init_logit_bias(n_vocab, len(biases), self._biases(biases)))
        penalised = sampling.repeat_penalty != 1 or sampling.presence_penalty != 0 or sampling.frequency_penalty != 0
        last_n = n_ctx if sampling.repeat_last_n < 0 else min(sampling.repeat_last_n, n_ctx)
        if penalised and last_n:
            penalties = (sampling.repeat_penalty, sampling.frequency_penalty, sampling.presence_penalty)
            self._add(self._lib.llama_sampler_init_penalties(n_vocab, last_n, *penalties))
        repeats = sampling.dry_multiplier > 0 and sampling.dry_penalty_last_n != 0
        dry_last_n = n_ctx if sampling.dry_penalty_last_n < 0 else min(sampling.dry_penalty_last_n, n_ctx)
        if repeats:
            self._add(self._dry(sampling, vocabulary, dry_last_n))
        if sampling.temperature <= _GREEDY:
            self._add(self._lib.llama_sampler_init_greedy())
        else:
            self._choose(sampling, n_vocab, _seed(sampling.seed))
        seen = max(last_n if penalised else 0, dry_last_n if repeats else 0)
        for token in prompt[-seen:] if seen else ():
            self._lib.llama_sampler_accept(chain, token)

    def _choose(self, sampling: Sampling, n_vocab: int, seed: int) -> None:
        """What narrows the choice, and the choice."""
        lib = self._lib
        if sampling.mirostat:
            self._add(lib.llama_sampler_init_temp(sampling.temperature))
            taste = (sampling.mirostat_tau, sampling.mirostat_eta)
            if sampling.mirostat == 1:
                self._add(lib.llama_sampler_init_mirostat(n_vocab, seed, *taste, _MIROSTAT_M))
            else:
                self._add(lib.llama_sampler_init_mirostat_v2(seed, *taste))
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

    def sample(self, context: Any, *, among: "NDArray[np.intp] | None" = None) -> int:
        """The next token, from the last logits of ``context``, which stay as they are; one of ``among`` if given."""
        if among is None:
            return int(self._lib.llama_sampler_sample(self._chain, context, -1))
        import numpy as np

        logits = np.ctypeslib.as_array(self._lib.llama_get_logits_ith(context, -1), (self._n_vocab,))
        candidates = np.empty(len(among), [("id", "<i4"), ("logit", "<f4"), ("p", "<f4")])
        candidates["id"], candidates["logit"], candidates["p"] = among, logits[among], 0
        data = candidates.ctypes.data_as(self._lib.llama_token_data_p)
        chosen = self._lib.llama_token_data_array(data, len(candidates), -1, False)
        self._lib.llama_sampler_apply(self._chain, chosen)
        token = int(chosen.data[chosen.selected].id)
        self.accept(token)
        return token

    def accept(self, token: int) -> None:
        """``token`` came, though it was not sampled here."""
        self._lib.llama_sampler_accept(self._chain, token)

    def free(self) -> None:
        """Give the chain's memory back."""
        self._lib.llama_sampler_free(self._chain)

    def _add(self, sampler: Any) -> None:
        self._lib.llama_sampler_chain_add(self._chain, sampler)

    def _biases(self, biases: dict[int, float]) -> Any:
        kind = self._lib.llama_logit_bias
        return (kind * len(biases))(*(kind(token, bias) for token, bias in biases.items()))


def _seed(seed: int | None) -> int:
    """A seed for llama.cpp, never the one it would replace by its own."""
    return secrets.randbelow(_RANDOM) if seed is None else seed % _RANDOM
