"""Candidates for the next token: the C library beside a sort, and samplers with it beside llama.cpp's alone."""

import ctypes
import math
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from function.engine import Sampling
from function.engine.llama.candidates import candidate_finder
from function.engine.llama.library import library
from function.engine.llama.model import Model
from function.engine.llama.sampling import Sampler

VOCABULARY_TOKENS = 1024
PROMPT = (3, 5, 8, 13)


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> Iterator[Model]:
    loaded = Model(tiny_model, n_ctx=256, n_threads=1, n_gpu_layers=0)
    loaded.decode(PROMPT)
    yield loaded
    loaded.free()


def find(logits: Sequence[float], most: int) -> list[int]:
    """Return the tokens that the library finds."""
    finder = candidate_finder()
    assert finder is not None, "libcandidates.so is missing: make install-dev compiles it"
    kept = (library().llama_token_data * most)()
    count = finder((ctypes.c_float * len(logits))(*logits), len(logits), most, kept)
    assert all(kept[at].logit == ctypes.c_float(logits[kept[at].id]).value for at in range(count))
    return [kept[at].id for at in range(count)]


def sort(logits: Sequence[float], most: int) -> list[int]:
    """Return the tokens in the order of their logits; of equal ones the first comes first."""
    numbers = [token for token, logit in enumerate(logits) if not math.isnan(logit)]
    return sorted(numbers, key=lambda token: -logits[token])[:most]


@pytest.mark.parametrize("most", [1, 2, 40, 128])
@pytest.mark.parametrize("count", [1, 39, 63, 64, 65, 128, 1000, 4096])
def test_candidates_are_those_of_a_sort(count: int, most: int) -> None:
    numbers = random.Random(count)
    for logits in (
        [numbers.gauss(0, 3) for _ in range(count)],
        [float(numbers.randrange(7)) for _ in range(count)],  # many are equal
        [float(token) for token in range(count)],
        [float(-token) for token in range(count)],
        [numbers.choice((math.nan, -math.inf, math.inf, 1.0, 2.0)) for _ in range(count)],
        [math.nan] * count,
        [-math.inf] * count,
    ):
        assert find(logits, most) == sort(logits, most)


@pytest.mark.parametrize(
    "sampling",
    [
        {"temperature": 0},
        {"temperature": 0.8},
        {"temperature": 1.5, "top_k": 90, "top_p": 1, "min_p": 0},
        {"temperature": 1.0, "top_k": 1},
        {"temperature": 1.0, "typical_p": 0.7, "xtc_probability": 0.5, "xtc_threshold": 0.01},
        {"temperature": 1.0, "dynatemp_range": 0.5},
        # The rest looks at all tokens.
        {"temperature": 1.0, "top_k": 0},
        {"temperature": 1.0, "top_k": 500},
        {"temperature": 1.0, "top_n_sigma": 1.0},
        {"temperature": 1.0, "mirostat": 2},
        {"temperature": 1.0, "repeat_penalty": 1.3},
        {"temperature": 1.0, "dry_multiplier": 0.8},
        {"temperature": 1.0, "logit_bias": {70: 20.0, 71: 19.5}},
    ],
)
@pytest.mark.parametrize("banned", [(), (1, 2, 70)])
def test_sampler_draws_the_same_tokens_with_candidates(
    sampling: dict[str, Any], banned: tuple[int, ...], model: Model
) -> None:
    for seed in range(3):
        drawn = []
        for finder in (candidate_finder(), None):
            chosen = Sampling(seed=seed, **sampling)
            handle = model.vocabulary.handle
            sampler = Sampler(
                library(), model.context, chosen, n_vocab=VOCABULARY_TOKENS, n_ctx=256, banned=banned, prompt=PROMPT,
                vocabulary=handle, find_candidates=finder,
            )  # fmt: skip
            drawn.append([sampler.sample() for _ in range(50)])
            sampler.free()
        assert drawn[0] == drawn[1]
        assert not set(banned) & set(drawn[0])
