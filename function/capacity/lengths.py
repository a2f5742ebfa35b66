"""Lengths: tokens of prompts and replies, drawn from a distribution or from a log."""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from function.capacity.traffic import Floats
from function.errors import SettingsError

_P95 = 1.6448536269514722  # standard deviations below which 95 % of a normal distribution lie


class Lengths(Protocol):
    """Distribution of a number of tokens."""

    def draw(self, rng: np.random.Generator, count: int) -> Floats:
        """Return ``count`` numbers of tokens."""


@dataclass(frozen=True, slots=True)
class ConstantLengths:
    """The same number of tokens each time."""

    tokens: float

    def draw(self, rng: np.random.Generator, count: int) -> Floats:
        """See Lengths."""
        return np.full(count, self.tokens)


@dataclass(frozen=True, slots=True)
class ExponentialLengths:
    """Exponential distribution with mean ``tokens``."""

    tokens: float

    def draw(self, rng: np.random.Generator, count: int) -> Floats:
        """See Lengths."""
        return rng.exponential(self.tokens, count)


@dataclass(frozen=True, slots=True)
class LognormalLengths:
    """Log-normal distribution by its median and 95th percentile, in tokens."""

    median: float
    p95: float

    def draw(self, rng: np.random.Generator, count: int) -> Floats:
        """See Lengths."""
        return rng.lognormal(math.log(self.median), math.log(self.p95 / self.median) / _P95, count)


@dataclass(frozen=True)
class RecordedLengths:
    """Numbers of tokens as a log holds them, drawn with replacement."""

    tokens: Floats

    def draw(self, rng: np.random.Generator, count: int) -> Floats:
        """See Lengths."""
        return rng.choice(self.tokens, count)


def parse_lengths(text: str) -> Lengths:
    """Return the distribution that ``text`` names: ``250``, ``exp:250`` or ``120:900`` (median and 95th percentile).

    Raises SettingsError.
    """
    try:
        if text.startswith("exp:"):
            return ExponentialLengths(_tokens(text[4:]))
        if ":" in text:
            median, p95 = map(_tokens, text.split(":"))
            if p95 < median:
                raise ValueError
            return LognormalLengths(median, p95)
        return ConstantLengths(_tokens(text))
    except ValueError as e:
        raise SettingsError(
            f"{text!r} is not a length in tokens. Give a number (250), exp:MEAN, or MEDIAN:P95 (120:900)."
        ) from e


def _tokens(text: str) -> float:
    tokens = float(text)
    if not 0 < tokens < math.inf:
        raise ValueError
    return tokens
