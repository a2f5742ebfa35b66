"""Conversations that take turns on one engine: their states are restored bit for bit."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from function.engine import Engine, Finished, Job, LoadOptions, Sampling, TextPiece
from function.engine.kv.cached_tokens import CachedTokens
from function.engine.kv.prefix_cache import CachedPrefix, PrefixCache
from tools.models import write_model
from tools.shapes import SHAPES

CHUNK = 64
CACHE_BYTES = 4_000_000
SEEDED = Sampling(seed=11, temperature=1.0)
UNSEEDED = Sampling(temperature=1.0)
# Varied, so that replies depend on the prompt; several chunks long.
ANN = tuple(5 + i * i % 900 for i in range(300))
BOB = tuple(7 + i * i * i % 900 for i in range(280))


@contextmanager
def loaded(model: Path, room: int = CACHE_BYTES, n_ctx: int = 1024) -> Iterator[Engine]:
    engine = Engine.load(model, LoadOptions(n_ctx=n_ctx, prefix_cache=room))
    try:
        yield engine
    finally:
        engine.close()


@pytest.fixture(scope="module", params=["tiny", "tiny-gqa", "tiny-window"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models with as many key heads as query heads, with fewer, and with a sliding window of 64 tokens."""
    name = str(request.param)
    return write_model(tmp_path_factory.mktemp(name) / f"{name}.gguf", SHAPES[name])


def answer(
    engine: Engine, prompt: tuple[int, ...], sampling: Sampling = SEEDED, max_tokens: int = 30
) -> tuple[str, int]:
    """Return the reply's text, and the number of cached prompt tokens."""
    *before, last = engine.submit(Job(prompt=prompt, max_tokens=max_tokens, sampling=sampling))
    assert isinstance(last, Finished)
    assert last.error is None, last.error
    return "".join(event.text for event in before if isinstance(event, TextPiece)), last.usage.cached_tokens


def test_alternating_conversations_compute_only_new_tokens(model: Path) -> None:
    with loaded(model) as engine:
        for prompt in (ANN, BOB):
            assert answer(engine, prompt, UNSEEDED)[1] < CHUNK
        for turn in range(1, 4):
            for prompt in (ANN, BOB):
                grown = prompt + tuple(range(9, 9 + turn * 20))
                read_before = len(prompt) + max(0, turn - 1) * 20
                assert answer(engine, grown, UNSEEDED)[1] >= read_before


def test_seed_repeats_tokens_from_a_restored_state(model: Path) -> None:
    with loaded(model, room=0) as engine:
        expected = [answer(engine, prompt)[0] for prompt in (ANN, BOB)]
        assert answer(engine, ANN) == (expected[0], 0), "no budget, no prefix"
    with loaded(model) as engine:
        for _ in range(3):
            assert [answer(engine, prompt)[0] for prompt in (ANN, BOB)] == expected
            assert answer(engine, ANN[:200] + BOB)[1] >= 192  # a third conversation with the same beginning
        assert answer(engine, ANN) == (expected[0], 256)
        answer(engine, BOB, UNSEEDED)
        assert answer(engine, ANN) == (expected[0], 256)


def test_restored_conversation_can_be_cut_back(model: Path) -> None:
    """A sliding window keeps its old tokens too: a conversation can continue from them."""
    forked = (*ANN[:130], *BOB[:100])
    with loaded(model, room=0) as engine:
        expected = answer(engine, forked)[0]
    with loaded(model) as engine:
        answer(engine, ANN)
        answer(engine, BOB)
        assert answer(engine, forked) == (expected, 128)


def test_recurrent_model_without_a_budget_repeats_its_reply(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    model = write_model(tmp_path / "r.gguf", SHAPES["tiny-recurrent"])
    with loaded(model) as engine:
        expected = [answer(engine, prompt)[0] for prompt in (ANN, BOB)]
    with loaded(model, room=0) as engine:
        for _ in range(2):
            assert [answer(engine, prompt) for prompt in (ANN, BOB)] == [(text, 0) for text in expected]
    assert caplog.text.count("no checkpoints: one has") == 1


def test_conversation_beyond_the_budget_is_kept_in_part(tiny_model: Path) -> None:
    token = 524  # bytes of this model's state for each
    with loaded(tiny_model, room=2 * 150 * token) as engine:
        expected = answer(engine, ANN)[0]
        answer(engine, BOB)
        assert answer(engine, ANN) == (expected, 128), "150 tokens are two whole chunks"


def test_least_recently_used_prefix_is_dropped_first(tiny_model: Path) -> None:
    carl = tuple(reversed(ANN))
    with loaded(tiny_model, room=2 * 340 * 524) as engine:  # two conversations
        for prompt in (ANN, BOB, carl, ANN):  # Carl displaced Bob, Ann came back
            answer(engine, prompt, UNSEEDED)
        answer(engine, (1, 2, 3), UNSEEDED, 1)
        assert answer(engine, ANN, UNSEEDED, 1)[1] > 256
        assert answer(engine, carl, UNSEEDED, 1)[1] > 256
        assert answer(engine, BOB, UNSEEDED, 1)[1] == 0


def cache(*tokens: int) -> CachedTokens:
    """Return tokens of which four were computed at once, then the others."""
    made = CachedTokens(4)
    made.add(tokens[:4])
    made.add(tokens[4:])
    return made


def reusable(prefixes: PrefixCache, *prompt: int) -> int:
    return prefixes.find_longest(prompt, exact=False)[1]


def test_longer_conversation_replaces_its_beginning() -> None:
    prefixes = PrefixCache(budget=100)
    prefixes.add(CachedPrefix(cache(1, 2, 3, 4), bytearray(40)))
    prefixes.add(CachedPrefix(cache(9, 9, 9, 9), bytearray(50)))
    prefixes.add(CachedPrefix(cache(1, 2, 3, 4, 5), bytearray(50)))
    assert reusable(prefixes, 1, 2, 3, 4, 5, 6) == 5
    assert reusable(prefixes, 9, 9, 9, 9, 9) == 4
    prefixes.add(CachedPrefix(cache(8, 8, 8, 8), bytearray(60)))
    assert reusable(prefixes, 9, 9, 9, 9, 9) == reusable(prefixes, 1, 2, 3) == 0


def test_pinned_prefix_stays() -> None:
    prefixes = PrefixCache(budget=0)
    prefixes.pinned = CachedPrefix(cache(1, 2, 3, 4), bytearray(40))
    prefixes.add(CachedPrefix(cache(9, 9, 9, 9), bytearray(50)))
    assert (reusable(prefixes, 1, 2, 3, 4, 5), reusable(prefixes, 9, 9, 9)) == (4, 0)
