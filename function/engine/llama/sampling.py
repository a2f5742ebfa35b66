"""Sampling parameters, and the limits within which llama.cpp's samplers are safe."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from function.errors import RequestError

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
