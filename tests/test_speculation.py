"""Speculative decoding: the same tokens with drafts and without, with small random models.

Their weights and their KV cache are of full precision, so that batches of different sizes differ in the last place, and
not by a step of a quantised number. Replies choose among few tokens, and repeat themselves by chance: drafts are
accepted, rejected, and accepted in part.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import pytest

from function.engine import Engine, Finished, Job, KVContext, LoadOptions, Sampling, TextPiece, json_grammar
from tools.models import write_model
from tools.shapes import SHAPES

PROMPT = tuple(5 + i * i % 900 for i in range(150))
FEW = dict.fromkeys((70, 71, 72), 60.0)
"""Biases that leave three letters to choose from."""
REPLY_TOKENS = 120


class Pair:
    """Two engines with the same model: one with drafts, and one without."""

    def __init__(self, path: Path, **options: Any) -> None:
        options |= {"n_ctx": 512, "kv_type": "f32"}
        self.speculating = Engine.load(path, LoadOptions(speculates_seeded=True, **options))
        self.plain = Engine.load(path, LoadOptions(speculates=False, **options))

    def close(self) -> None:
        self.speculating.close()
        self.plain.close()

    def compare(self, *, schema: dict[str, Any] | None = None, **asked: Any) -> tuple[list[TextPiece], Finished]:
        """Run a job in both engines; assert that the replies are equal; return the one with drafts."""
        replies = []
        for engine in (self.speculating, self.plain):
            made: dict[str, Any] = {"constraint": engine.constrain(json_grammar(schema, "schema"))} if schema else {}
            if "watch" in asked:
                made["watch"] = asked["watch"]()
            fields: dict[str, Any] = {"prompt": PROMPT, "max_tokens": REPLY_TOKENS} | asked | made
            job = Job(**fields)
            *before, last = engine.submit(job)
            assert isinstance(last, Finished)
            assert last.error is None, last.error
            replies.append(([event for event in before if isinstance(event, TextPiece)], last))
        (pieces, end), (plain, plain_end) = replies
        # The engine joins pieces for a reader that falls behind.
        whole, expected = (reduce(add, texts, TextPiece("", 0)) for texts in (pieces, plain))
        assert replace(whole, logprobs=()) == replace(expected, logprobs=())
        assert _values(whole) == pytest.approx(_values(expected), abs=1e-3)
        assert (end.reason, end.stop_word) == (plain_end.reason, plain_end.stop_word)
        assert end.usage == replace(
            plain_end.usage, drafted_tokens=end.usage.drafted_tokens, accepted_tokens=end.usage.accepted_tokens,
            cached_tokens=end.usage.cached_tokens,
        )  # fmt: skip
        return pieces, end

    def states(self) -> list[tuple[list[int], int]]:
        """Return each engine's cached tokens, and the bytes of its state."""
        return [engine.run_task(_read_state) for engine in (self.speculating, self.plain)]


def _values(piece: TextPiece) -> list[float]:
    """Return all logprobs of ``piece``."""
    choices = [choice for entry in piece.logprobs for choice in (entry.chosen, *entry.top)]
    return [choice.logprob for choice in choices if choice.logprob is not None]


def _read_state(context: KVContext) -> tuple[list[int], int]:
    return list(context.cache.tokens), len(context.save() or b"")


@pytest.fixture(scope="module", params=["tiny", "tiny-gqa", "tiny-window"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    name = str(request.param)
    pair = Pair(write_model(tmp_path_factory.mktemp(name) / f"{name}.gguf", SHAPES[name], quant="F32"))
    yield pair
    pair.close()


def few(seed: int | None = 0, **changed: Any) -> Sampling:
    return replace(Sampling(seed=seed, temperature=1.5, logit_bias=FEW), **changed)


def test_greedy_reply_is_the_same(pair: Pair) -> None:
    _, end = pair.compare(sampling=Sampling(temperature=0, ignore_eos=True))
    assert end.usage.accepted_tokens > 0, "random weights repeat themselves"


def test_sampled_replies_are_the_same_for_many_seeds(pair: Pair) -> None:
    drafted = accepted = 0
    for seed in range(15):
        _, end = pair.compare(sampling=few(seed))
        drafted += end.usage.drafted_tokens
        accepted += end.usage.accepted_tokens
    assert 0 < accepted < drafted, "some are accepted, some rejected"


@pytest.mark.parametrize(
    "changed",
    [
        {"repeat_penalty": 1.2, "presence_penalty": 0.4, "frequency_penalty": 0.1, "repeat_last_n": -1},
        {"dry_multiplier": 0.3, "dry_allowed_length": 6, "dry_penalty_last_n": -1, "dry_sequence_breakers": ()},
        {"mirostat": 1},
        {"mirostat": 2},
        {"xtc_probability": 0.5, "xtc_threshold": 0.05},
        {"dynatemp_range": 0.5, "typical_p": 0.9, "top_n_sigma": 2.0},
        {"ignore_eos": True},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_samplers_with_a_state_choose_the_same(pair: Pair, changed: dict[str, Any]) -> None:
    assert sum(pair.compare(sampling=few(seed, **changed))[1].usage.drafted_tokens for seed in range(3)) > 0


def test_logprobs_are_those_of_each_position(pair: Pair) -> None:
    for post in (False, True):
        pieces, end = pair.compare(sampling=few(3, temperature=0.6), logprobs=2, post_sampling=post)
        assert sum(len(piece.logprobs) for piece in pieces) == REPLY_TOKENS
        assert end.usage.accepted_tokens > 0


def test_replies_under_a_grammar_are_the_same(pair: Pair) -> None:
    schema = {"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 20, "maxItems": 30}
    accepted = 0
    for seed in range(4):
        _, end = pair.compare(sampling=Sampling(seed=seed, temperature=1), schema=schema, max_tokens=250)
        accepted += end.usage.accepted_tokens
        assert end.reason == "stop"
    assert accepted > 0


def test_stop_string_within_a_draft_ends_the_reply(pair: Pair) -> None:
    text = "".join(piece.text for piece in pair.compare(sampling=Sampling(temperature=0))[0])
    stop = text[40:46]
    pieces, end = pair.compare(sampling=Sampling(temperature=0), stop=(stop,))
    assert end.stop_word == stop
    assert stop not in "".join(piece.text for piece in pieces)


@pytest.mark.parametrize("max_tokens", [1, 2, 9, 10, 11, 12, 13, 40])
def test_reply_ends_at_its_last_token(pair: Pair, max_tokens: int) -> None:
    _, end = pair.compare(sampling=Sampling(temperature=0), max_tokens=max_tokens)
    assert (end.reason, end.usage.completion_tokens) == ("length", max_tokens)


@pytest.mark.parametrize("max_tokens", [20, 33, 60, 61, 62])
def test_draft_ends_with_the_reply(pair: Pair, max_tokens: int) -> None:
    sampling = Sampling(temperature=0, logit_bias={70: 100.0})
    _, end = pair.compare(sampling=sampling, max_tokens=max_tokens)
    assert end.usage.drafted_tokens == end.usage.accepted_tokens > 0


def test_full_context_ends_the_reply(pair: Pair) -> None:
    _, end = pair.compare(sampling=Sampling(temperature=0, ignore_eos=True), max_tokens=None)
    assert end.usage.completion_tokens == 512 - len(PROMPT)


class ClosingWatch:
    """Watch that closes a thought after 50 tokens of the reply."""

    stopped = False

    def __init__(self) -> None:
        self.tokens = 0

    def on_token(self, text: str) -> None:
        self.tokens += 1

    def closing_tokens(self) -> Sequence[int]:
        return (90, 91, 92) if self.tokens == 50 else ()

    def on_closing(self) -> None:
        pass

    def count_thought_tokens(self, *, cut: bool) -> int:
        return 0


def test_inserted_tokens_replace_a_draft(pair: Pair) -> None:
    pieces, end = pair.compare(sampling=Sampling(temperature=0), watch=ClosingWatch)
    written = [token for piece in pieces for token in piece.token_ids]
    assert written[50:53] == [90, 91, 92]
    assert end.usage.accepted_tokens > 0


def test_rejected_drafts_leave_the_context_as_without(pair: Pair) -> None:
    pieces, end = pair.compare(sampling=few(5))
    assert end.usage.accepted_tokens < end.usage.drafted_tokens
    written = [token for piece in pieces for token in piece.token_ids]
    grown = (*PROMPT, *written, 9)
    pair.compare(prompt=grown, max_tokens=1, sampling=Sampling(temperature=0), logprobs=9)
    (tokens, state), (plain_tokens, plain_state) = pair.states()
    assert tokens == plain_tokens == list(grown)
    assert state == plain_state > 0


def test_cancelled_reply_leaves_only_chosen_tokens(pair: Pair) -> None:
    engine = pair.speculating
    generation = engine.submit(Job(prompt=PROMPT, sampling=Sampling(temperature=0)))
    written: list[int] = []
    for event in generation:
        if isinstance(event, TextPiece):
            written += event.token_ids
            if len(written) > 30:
                generation.cancel()
    tokens, _ = engine.run_task(_read_state)
    assert tokens == [*PROMPT, *written][: len(tokens)]
    pair.compare(sampling=few(8))


def test_replies_with_a_seed_have_no_drafts_by_default(tiny_model: Path) -> None:
    engine = Engine.load(tiny_model, LoadOptions(n_ctx=512))
    try:
        drafted = {}
        for name, sampling in {
            "greedy": Sampling(temperature=0),
            "seeded greedy": Sampling(temperature=0, seed=1),
            "random": few(temperature=0.01, seed=None),
            "seeded": few(temperature=0.01, seed=1),
        }.items():
            *_, end = engine.submit(Job(prompt=PROMPT, max_tokens=REPLY_TOKENS, sampling=sampling))
            assert isinstance(end, Finished)
            drafted[name] = end.usage.drafted_tokens > 0
        assert drafted == {"greedy": True, "random": True, "seeded": False, "seeded greedy": False}
    finally:
        engine.close()


@pytest.mark.parametrize("shape", ["tiny-recurrent", "tiny-lfm2"])
def test_recurrent_models_have_no_drafts(shape: str, tmp_path: Path) -> None:
    pair = Pair(write_model(tmp_path / "model.gguf", SHAPES[shape]), prefix_cache=4_000_000)
    try:
        _, end = pair.compare(sampling=Sampling(temperature=0))
        assert end.usage.drafted_tokens == 0
    finally:
        pair.close()
