"""Checkpoints: in every kind of model a turn reads only what is new, and has the tokens of a full reading."""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

from function.engine import Engine, Finished, Job, LoadOptions, Logprob, PrefillProgress, Sampling, TextPiece
from function.engine.kv.checkpoints import Checkpoint, Checkpoints
from function.engine.kv.context import CHECKPOINT_TOKENS, MAX_REPLY_START_TOKENS, REPLY_START_TOKENS
from function.gguf import fit, read_header
from tests.servers.doors import serving
from tools.models import write_model
from tools.shapes import SHAPES

CHUNK = 64
CACHE_BYTES = 8_000_000
SEED = 11
# Varied, so that replies depend on the prompt.
QUESTION = tuple(5 + i * i % 900 for i in range(150))
FURTHER = tuple(7 + i * i * i % 900 for i in range(40))
LONG = tuple(5 + i * i * 7 % 900 for i in range(700))
RECURRENT = (
    "tiny-recurrent",
    "tiny-qwen35",
    "tiny-lfm2",
    "tiny-lfm2-window",
    "tiny-granitehybrid",
    "tiny-falcon-h1",
    "tiny-nemotron-h",
)
ATTENDING = ("tiny-qwen3", "tiny-gemma4", "tiny-gpt-oss")
SLOW = ("tiny-granitehybrid", "tiny-falcon-h1", "tiny-nemotron-h")  # their states have mamba's form


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in (*RECURRENT, *ATTENDING)],
)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One model of each architecture."""
    return write_model(tmp_path_factory.mktemp("model") / f"{request.param}.gguf", SHAPES[request.param])


@contextmanager
def loaded(model: Path, room: int = CACHE_BYTES) -> Iterator[Engine]:
    engine = Engine.load(model, LoadOptions(n_ctx=1024, prefix_cache=room))
    try:
        yield engine
    finally:
        engine.close()


@pytest.fixture(scope="module")
def engine(model: Path) -> Iterator[Engine]:
    """An engine with the memory of earlier tests."""
    with loaded(model) as engine:
        yield engine


def generate(
    engine: Engine, prompt: tuple[int, ...], seed: int | None = None, max_tokens: int = 24
) -> tuple[list[Logprob], int]:
    """Return the reply's tokens, each beside the two likeliest ones, and the number of cached prompt tokens.

    Without a seed the likeliest tokens are the reply.
    """
    sampling = Sampling(seed=seed, temperature=0.0 if seed is None else 1.0)
    *before, last = engine.submit(Job(prompt=prompt, max_tokens=max_tokens, sampling=sampling, logprobs=2))
    assert isinstance(last, Finished)
    assert last.error is None, last.error
    reply = [each for event in before if isinstance(event, TextPiece) for each in event.logprobs]
    return reply, last.usage.cached_tokens


def tokens(reply: list[Logprob]) -> tuple[int, ...]:
    return tuple(each.chosen.token for each in reply)


def answer(
    engine: Engine, prompt: tuple[int, ...], seed: int | None = None, max_tokens: int = 24
) -> tuple[tuple[int, ...], int]:
    """Return the reply's tokens, and the number of cached prompt tokens."""
    reply, cached = generate(engine, prompt, seed, max_tokens)
    return tokens(reply), cached


def are_tied(each: Logprob) -> bool:
    """Return true if rounding decides between the two likeliest tokens."""
    first, second = (choice.logprob or 0.0 for choice in each.top)
    return first - second < 0.05


@cache
def read_fully(model: Path, prompt: tuple[int, ...], seed: int | None = None) -> tuple[int, ...]:
    """Return the reply of a new instance without any cache."""
    with loaded(model, room=0) as engine:
        return answer(engine, prompt, seed)[0]


def forget(engine: Engine) -> None:
    engine.run_task(lambda context: context.clear())


def test_next_turn_reads_only_its_new_tokens(model: Path, engine: Engine) -> None:
    history = QUESTION
    for turn in range(3):
        reply, cached = answer(engine, history)
        assert reply == read_fully(model, history)
        if turn:
            assert cached >= len(history) - len(FURTHER) - 1, "the reply's last token was never computed"
        history += reply + FURTHER


def test_next_turn_without_the_thought_reads_no_earlier_message(model: Path, engine: Engine) -> None:
    """The template begins a reply with a thought, which is not in the history of the next turn."""
    forget(engine)
    answer(engine, QUESTION, max_tokens=100)
    history = QUESTION
    for _ in range(2):
        length, history = len(history), history[:-2] + FURTHER
        reply, cached = answer(engine, history)
        assert cached >= length - REPLY_START_TOKENS
        assert reply == read_fully(model, history)


def test_reply_starts_after_the_token_that_ends_the_last_message(model: Path, engine: Engine) -> None:
    """The tokens after it may be many: a role, and an empty thought."""
    forget(engine)
    end = engine.run_task(lambda context: context.model.vocabulary.find_end_tokens()[0])
    messages = (*QUESTION, end)
    answer(engine, messages + FURTHER[:20])
    assert answer(engine, messages + LONG[:50])[1] == len(messages)


def test_several_thoughts_dropped_at_once_return_to_the_first(model: Path, engine: Engine) -> None:
    """The thoughts between the calls of one turn stay until its end."""
    forget(engine)
    history = QUESTION
    for _ in range(3):
        history += answer(engine, history)[0] + FURTHER
    assert answer(engine, QUESTION[:-2] + FURTHER)[1] >= len(QUESTION) - REPLY_START_TOKENS


def test_edited_message_in_the_middle_reads_from_the_checkpoint_before(model: Path, engine: Engine) -> None:
    forget(engine)
    answer(engine, LONG)
    edited = LONG[:600] + FURTHER
    reply, cached = answer(engine, edited)
    assert 600 - CHECKPOINT_TOKENS < cached <= 600
    assert reply == read_fully(model, edited)


def test_same_seed_gives_the_tokens_of_a_fresh_instance(model: Path) -> None:
    with loaded(model) as engine:
        assert answer(engine, LONG, SEED) == (read_fully(model, LONG, SEED), 0)
        for prompt, fewest in ((LONG, 640), (LONG[:-2] + FURTHER, 640), (LONG[:600] + FURTHER, 512)):
            reply, cached = answer(engine, prompt, SEED)
            assert reply == read_fully(model, prompt, SEED)
            assert cached % CHUNK == 0
            # A restored window rounds differently: with a seed such a model reads everything.
            assert cached >= (0 if model.stem == "tiny-lfm2-window" else fewest)


def test_cancelled_reply_is_followed_by_a_right_one(model: Path, engine: Engine) -> None:
    forget(engine)
    generation = engine.submit(Job(prompt=QUESTION, max_tokens=800))
    for event in generation:
        if isinstance(event, TextPiece):
            generation.cancel()
    reply, cached = answer(engine, QUESTION + FURTHER)
    assert reply == read_fully(model, QUESTION + FURTHER)
    assert cached >= CHUNK
    assert answer(engine, QUESTION, SEED)[0] == read_fully(model, QUESTION, SEED)


def test_cancelled_prefill_keeps_what_it_read(model: Path, engine: Engine) -> None:
    forget(engine)
    generation = engine.submit(Job(prompt=LONG, max_tokens=1))
    for event in generation:
        if isinstance(event, PrefillProgress) and event.done >= 2 * CHECKPOINT_TOKENS:
            generation.cancel()
    reply, cached = answer(engine, LONG)
    assert reply == read_fully(model, LONG)
    assert cached >= CHECKPOINT_TOKENS


@pytest.mark.parametrize("turns", [8, pytest.param(100, marks=pytest.mark.slow)])
def test_random_conversations_have_the_tokens_of_a_full_reading(model: Path, turns: int) -> None:
    """Messages are added, edited, dropped and cancelled, two conversations take turns, memory is short."""
    rng = random.Random(20)
    room = 12 * fit(read_header(model), 256).prefix_cache // 10
    with loaded(model, room=room) as engine, loaded(model, room=0) as reference:
        histories, cached_tokens, prompt_tokens = [QUESTION, LONG[:200]], 0, 0
        for _ in range(turns):
            which = rng.random() < 0.7
            history = histories[which]
            if rng.random() < 0.25:
                history = history[: rng.randrange(20, len(history))]
            history += tuple(rng.randrange(5, 900) for _ in range(rng.randrange(1, 120)))
            histories[which] = history = history[-50:] if len(history) > 800 else history
            if rng.random() < 0.2:
                generation = engine.submit(Job(prompt=history))
                time.sleep(rng.random() * 0.02)
                generation.cancel()
            seed = None if rng.random() < 0.7 else SEED
            (reply, cached), (expected, _) = generate(engine, history, seed), generate(reference, history, seed)
            if seed is None:  # another division into chunks rounds differently
                same = next((i for i, each in enumerate(expected) if are_tied(each)), len(expected))
                assert tokens(reply[:same]) == tokens(expected[:same])
            else:
                assert tokens(reply) == tokens(expected)
            forget(reference)
            assert engine.run_task(lambda context: context.saved_bytes) <= room
            cached_tokens, prompt_tokens = cached_tokens + cached, prompt_tokens + len(history)
            histories[which] += tokens(reply) if rng.random() < 0.5 else ()
        assert turns < 100 or cached_tokens > prompt_tokens // 4


def test_displaced_conversation_returns_to_its_checkpoints(model: Path) -> None:
    with loaded(model) as engine:
        reply = answer(engine, QUESTION)[0]
        answer(engine, LONG)
        cached = answer(engine, QUESTION + reply + FURTHER)[1]
        if model.stem == "tiny-lfm2-window":
            assert cached == 0, "its whole state is not kept"
            return
        assert cached >= len(QUESTION + reply) - 1
        answer(engine, LONG)
        prompt = QUESTION[:-2] + FURTHER
        reply, cached = answer(engine, prompt)
        assert cached >= len(QUESTION) - REPLY_START_TOKENS
        assert reply == read_fully(model, prompt)


def test_system_prompt_is_read_once(model: Path) -> None:
    """Other conversations with the same system prompt begin after it, in whole chunks, from the third at the latest."""
    with loaded(model) as engine:
        for question in (QUESTION, FURTHER):
            answer(engine, LONG[:200] + question)
            forget(engine)
        engine.run_task(lambda context: context.mark_system_prompt(LONG[:192]))
        answer(engine, LONG[:200] + QUESTION)
        for question in (FURTHER, QUESTION):
            assert answer(engine, LONG[:200] + question)[1] >= 192


def test_plan_counts_the_states_that_llama_cpp_saves(model: Path) -> None:
    """The only token of the shortest prompt that gets a checkpoint is the ninth before its end."""
    header = read_header(model)
    state = fit(header, 256).kv_cache - (fit(header, 512).kv_cache - fit(header, 256).kv_cache)
    with loaded(model) as engine:
        answer(engine, QUESTION[: REPLY_START_TOKENS + 1], max_tokens=1)
        size = engine.run_task(lambda context: context.saved_bytes)
    if model.stem not in RECURRENT:
        assert (size, state) == (0, 0), "it takes no checkpoints"
        return
    framing = 28 + 24 * header.block_count  # magic, cell, and the heads of two rows a layer
    window = 0 if model.stem != "tiny-lfm2-window" else 8 + 20 + 2 * (12 + 64)  # keys and values of that token
    assert state < size <= state + framing + window


@pytest.mark.parametrize(
    "name", ["Qwen3.5-4B", "LFM2.5-8B-A1B", "NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", "ibm-granite-granite-4.0"]
)
def test_next_turn_in_a_real_template_returns_to_the_last_message(
    name: str, real_templates: dict[str, str], tmp_path: Path
) -> None:
    """The template leaves out the thought of the last reply, or writes it in another way."""
    controls = ("<think>", "</think>", "<|start_of_role|>", "<|end_of_role|>", "<|end_of_text|>")
    path = tmp_path / "hybrid.gguf"
    write_model(path, SHAPES["tiny-qwen35"], chat_template=real_templates[name], controls=controls)
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Is it raining in Oslo?"}]
    with loaded(path) as engine:
        first = engine.tokenize_chat(messages)
        answer(engine, first)
        reply = {"role": "assistant", "content": "It is.", "reasoning_content": "They ask about the weather."}
        second = engine.tokenize_chat([*messages, reply, {"role": "user", "content": "And in Rome?"}])
        differing = (i for i, (old, new) in enumerate(zip(first, second, strict=False)) if old != new)
        common = next(differing, len(first))
        cached = answer(engine, second)[1]
        assert engine.detokenize(second[:cached]).rstrip().endswith("Is it raining in Oslo?")
        assert common - MAX_REPLY_START_TOKENS < cached <= common


def test_chat_with_a_hybrid_model_reads_only_new_messages(tmp_path: Path) -> None:
    """The template writes replies as they were sent, whose random tokens come back as others."""
    path = write_model(tmp_path / "hybrid.gguf", SHAPES["tiny-qwen35"])
    messages: list[dict[str, str]] = []
    read = 0
    with serving(tmp_path, MODEL_URI=str(path)) as function:
        function.wait("ready")
        for question in ("Who are you?", "Since when?", "And until when?"):
            messages.append({"role": "user", "content": question})
            status, body = function.ask("/v1/chat/completions", {"messages": messages, "max_tokens": 20})
            assert status == 200, body
            assert body["usage"]["prompt_tokens_details"]["cached_tokens"] >= read
            read = body["usage"]["prompt_tokens"] - MAX_REPLY_START_TOKENS
            messages.append(body["choices"][0]["message"])


def keep(*lengths: int, boundaries: tuple[int, ...] = ()) -> Checkpoints:
    return Checkpoints(tuple(Checkpoint(length, bytearray(length), length in boundaries) for length in lengths))


def lengths(checkpoints: Checkpoints) -> list[int]:
    return [len(state) for state in checkpoints.states]


def test_checkpoints_are_found_at_or_below_a_length() -> None:
    kept = keep(64, 100, 256)
    assert [kept.floor(length) for length in (63, 64, 99, 100, 300)] == [0, 64, 64, 100, 256]
    assert [kept.floor(length, 64) for length in (63, 100, 255, 256)] == [0, 64, 64, 256]
    assert kept.find(100) == bytearray(100)
    assert kept.find(101) is None
    assert kept.latest == 256


def test_checkpoint_replaces_one_of_its_length() -> None:
    kept = keep(64, 256)
    kept.add(Checkpoint(128, bytearray(128), False))
    kept.add(Checkpoint(64, bytearray(64), True))
    assert lengths(kept) == [64, 128, 256]


def test_truncation_drops_later_checkpoints() -> None:
    kept = keep(64, 100, 256)
    copy = kept.copy()
    kept.truncate(100)
    assert lengths(kept) == [64, 100]
    assert lengths(copy) == [64, 100, 256]


def test_boundaries_and_the_last_checkpoint_are_dropped_last() -> None:
    kept = keep(200, 400, 600, 800, 900, boundaries=(400,))
    dropped: list[int] = []
    while lengths(kept):
        before = lengths(kept)
        assert kept.drop_least_useful(spared=0)
        dropped += set(before) - set(lengths(kept))
    assert dropped == [200, 600, 800, 400, 900]
    assert not kept.drop_least_useful()


def test_boundaries_can_be_spared() -> None:
    kept = keep(200, 400, boundaries=(400,))
    assert kept.drop_least_useful(boundaries=False)
    assert not kept.drop_least_useful(boundaries=False)
    assert lengths(kept) == [400]


def test_memory_for_one_checkpoint_keeps_the_start_of_the_reply(model: Path) -> None:
    """A long reply takes checkpoints of its own only if they displace no boundary."""
    with loaded(model) as engine:
        answer(engine, QUESTION, max_tokens=1)
        room = engine.run_task(lambda context: context.saved_bytes) * 3 // 2
    with loaded(model, room=room) as engine:
        answer(engine, QUESTION, max_tokens=2 * CHECKPOINT_TOKENS)
        assert answer(engine, QUESTION[:-2] + FURTHER)[1] >= len(QUESTION) - REPLY_START_TOKENS


def test_spared_checkpoint_is_not_dropped() -> None:
    kept = keep(64, 128)
    assert kept.drop_least_useful(spared=64)
    assert not kept.drop_least_useful(spared=64)
    assert lengths(kept) == [64]
