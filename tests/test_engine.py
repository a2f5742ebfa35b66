"""Engine with a small random model. Jobs have a seed: greedy sampling of random weights repeats one token."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from function.engine import Engine, Finished, Generation, Job, LoadOptions, PrefillProgress, Sampling, TextPiece
from function.engine.text_stream import TextStream
from function.errors import ContextExceeded, RequestError, Stopping
from tools.models import write_model
from tools.shapes import SHAPES

# Varied, so that the text depends on what was read; long, so that it spans chunks.
STORY = [{"role": "user", "content": " ".join(f"word{i * i % 97} and" for i in range(60))}]
SEEDED = Sampling(seed=11, temperature=1.0)


@pytest.fixture(scope="module")
def engine(tiny_model: Path) -> Iterator[Engine]:
    loaded = Engine.load(tiny_model, LoadOptions(n_ctx=1024))
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def slow_engine(slow_model: Path) -> Iterator[Engine]:
    loaded = Engine.load(slow_model, LoadOptions(n_ctx=8192))
    yield loaded
    loaded.close()


def answer(
    engine: Engine,
    prompt: tuple[int, ...],
    sampling: Sampling = SEEDED,
    *,
    max_tokens: int | None = 40,
    stop: tuple[str, ...] = (),
) -> tuple[str, Finished]:
    """The text of a reply, and how it ended."""
    return read(engine.submit(Job(prompt=prompt, max_tokens=max_tokens, sampling=sampling, stop=stop)))


def read(generation: Generation) -> tuple[str, Finished]:
    *before, last = generation
    assert isinstance(last, Finished)
    assert last.error is None, last.error
    return "".join(event.text for event in before if isinstance(event, TextPiece)), last


def test_engine_describes_its_model(engine: Engine) -> None:
    assert engine.name == "tiny random"
    assert (engine.n_ctx, engine.n_ctx_train, engine.n_vocab) == (1024, 2048, 1024)
    assert engine.template_source == "model"
    assert not engine.openmp


def test_reply_varies_and_tokens_are_counted(engine: Engine) -> None:
    prompt = engine.tokenize_chat(STORY)
    text, end = answer(engine, prompt)
    assert end.reason == "length"
    assert end.usage.prompt_tokens == len(prompt)
    assert end.usage.completion_tokens == 40
    assert len(set(text)) > 10
    assert text != answer(engine, prompt, Sampling(seed=12, temperature=1.0))[0]
    assert end.timings.first_token is not None
    assert 0 <= end.timings.prefill <= end.timings.first_token <= end.timings.total


def test_special_names_are_those_of_the_vocabulary(engine: Engine) -> None:
    control, other = engine.read_special_names()
    assert {"<|im_start|>", "<|im_end|>"} <= set(control)
    assert (control, other) == engine.run_task(lambda context: context.model.vocabulary.read_special_names())


def test_prompt_is_rendered_by_the_template(engine: Engine) -> None:
    text = engine.render([{"role": "user", "content": "hi"}])
    assert text == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
    tokens = engine.tokenize_chat([{"role": "user", "content": "hi"}])
    assert list(tokens) == engine.tokenize(text, add_special=False, parse_special=True)
    assert engine.detokenize(tokens) == "user\nhi\nassistant\n"


def test_detokenize_inverts_tokenize(engine: Engine) -> None:
    text = "Hello ñ 日本 🎉 \x00 \n  x"
    assert engine.detokenize(engine.tokenize(text, add_special=False, parse_special=False)) == text
    long = "ab" * 50_000  # unbroken: llama.cpp must not see it whole
    assert engine.detokenize(engine.tokenize(long, add_special=False, parse_special=False)) == long
    assert engine.detokenize(engine.tokenize("a\ud800b", add_special=False, parse_special=False)) == "a\ufffdb"


def test_prefill_progress_ends_complete(engine: Engine) -> None:
    prompt = engine.tokenize_chat(STORY)
    other = tuple(reversed(prompt))
    events = list(engine.submit(Job(prompt=other, max_tokens=1, sampling=SEEDED)))
    progress = [event for event in events if isinstance(event, PrefillProgress)]
    assert progress[-1] == PrefillProgress(len(other), len(other))
    assert [event.done for event in progress] == sorted(event.done for event in progress)


def test_replies_without_a_seed_differ(engine: Engine) -> None:
    prompt = engine.tokenize_chat(STORY)
    unseeded = Sampling(temperature=1.0)
    assert len({answer(engine, prompt, unseeded)[0] for _ in range(3)}) == 3


def test_llama_cpps_random_seed_value_is_a_fixed_seed(engine: Engine) -> None:
    prompt = engine.tokenize_chat(STORY)
    for seed in (0xFFFF_FFFF, -1, 1 << 63):
        sampling = Sampling(seed=seed, temperature=1.0)
        assert answer(engine, prompt, sampling)[0] == answer(engine, prompt, sampling)[0]


def test_seed_repeats_tokens_after_any_history(engine: Engine) -> None:
    prompt = engine.tokenize_chat(STORY)
    first = answer(engine, prompt)[0]
    unseeded = Sampling(temperature=1.0)

    def same_prompt() -> None:
        answer(engine, prompt)

    def next_turn() -> None:
        answer(engine, prompt + tuple(engine.tokenize(first + " go on", add_special=False, parse_special=True)))

    def unseeded_next_turn() -> None:
        answer(engine, prompt[:100], unseeded)
        answer(engine, prompt[:90] + prompt[:200], unseeded)

    def shared_beginning() -> None:
        answer(engine, prompt[:77] + tuple(reversed(prompt)), unseeded)

    def unseeded_same() -> None:
        answer(engine, prompt[:70], unseeded)
        answer(engine, prompt, unseeded)

    def interrupted() -> None:
        generation = engine.submit(Job(prompt=prompt[:130] + prompt, sampling=unseeded))
        while not isinstance(generation.next_event(60), TextPiece):
            pass
        generation.cancel()
        list(generation)

    histories = (same_prompt, next_turn, unseeded_next_turn, shared_beginning, unseeded_same, interrupted)
    for history in histories:
        history()
        assert answer(engine, prompt)[0] == first, history.__name__


def test_next_turn_reuses_cached_tokens(engine: Engine) -> None:
    prompt = tuple(reversed(engine.tokenize_chat(STORY)))
    unseeded = Sampling(temperature=1.0)
    assert answer(engine, prompt, unseeded)[1].usage.cached_tokens == 0
    assert answer(engine, prompt, unseeded)[1].usage.cached_tokens == len(prompt) - 1
    assert answer(engine, (*prompt, 5, 6), unseeded)[1].usage.cached_tokens == len(prompt)
    assert answer(engine, prompt)[1].usage.cached_tokens == (len(prompt) - 1) // 64 * 64
    assert answer(engine, prompt[:100] + (7,) * 50, unseeded)[1].usage.cached_tokens == 100


def test_progress_of_a_prefill_begins_at_the_cached_tokens(engine: Engine) -> None:
    prompt = engine.tokenize_chat(STORY)
    cached = []
    for change in ((), (9,) * 150):
        *before, last = engine.submit(Job(prompt=prompt[:100] + change + prompt[100:], max_tokens=1))
        assert isinstance(last, Finished)
        usage = last.usage
        progress = [event for event in before if isinstance(event, PrefillProgress)]
        assert {(event.total, event.cached) for event in progress} == {(usage.prompt_tokens, usage.cached_tokens)}
        assert progress[-1].done == usage.prompt_tokens
        assert all(event.done >= event.cached for event in progress)
        cached.append(usage.cached_tokens)
    assert cached[1] == 100


def test_text_is_streamed_token_by_token(engine: Engine) -> None:
    prompt = engine.tokenize_chat(STORY)
    generation = engine.submit(Job(prompt=prompt, max_tokens=200, sampling=SEEDED))
    texts = [event for event in generation if isinstance(event, TextPiece)]
    assert max(event.tokens for event in texts) == 200
    for event in texts:
        event.text.encode()  # whole characters: a half would be a lone surrogate or U+FFFD


def test_character_of_several_tokens_is_not_split(engine: Engine) -> None:
    """Forced by biases to write the bytes of a character one by one, the model is read whole."""
    pieces = [engine.tokenize(text, add_special=False, parse_special=False) for text in ("\u0416", "\U0001f600")]
    prompt = engine.tokenize_chat(STORY)
    allowed = {token: 100.0 for piece in pieces for token in piece}
    text, _ = answer(engine, prompt, Sampling(seed=3, temperature=2.0, logit_bias=allowed, top_k=0), max_tokens=300)
    assert len(set(text)) > 1
    text.encode()


def test_stop_string_ends_the_reply_before_it(engine: Engine) -> None:
    prompt = engine.tokenize_chat(STORY)
    text, _ = answer(engine, prompt)
    stop = text[15:22]
    expected = TextStream((stop,)).feed(text.encode())
    cut, end = answer(engine, prompt, stop=(stop, "never to be found"))
    assert cut == expected
    assert stop not in cut
    assert end.reason == "stop"
    assert end.usage.completion_tokens < 40


def test_incomplete_stop_string_is_text(engine: Engine) -> None:
    prompt = engine.tokenize_chat(STORY)
    text, _ = answer(engine, prompt)
    assert answer(engine, prompt, stop=(text[-3:] + "no",))[0] == text


def test_end_token_ends_the_reply_unless_ignored(engine: Engine) -> None:
    prompt = engine.tokenize_chat(STORY)
    (end_token,) = engine.tokenize("<|im_end|>", add_special=False, parse_special=True)
    text, end = answer(engine, prompt, Sampling(seed=1, logit_bias={end_token: 100.0}))
    assert (text, end.reason, end.usage.completion_tokens) == ("", "stop", 1)
    _, end = answer(engine, prompt, Sampling(seed=1, logit_bias={end_token: 100.0}, ignore_eos=True))
    assert (end.reason, end.usage.completion_tokens) == ("length", 40)


def test_sampling_parameters_reach_the_sampler(engine: Engine) -> None:
    prompt = engine.tokenize_chat(STORY)
    greedy = answer(engine, prompt, Sampling(temperature=0))[0]
    assert greedy == answer(engine, prompt, Sampling(temperature=0, seed=5))[0]
    assert greedy == answer(engine, prompt, Sampling(seed=5, top_k=1))[0]
    assert greedy == answer(engine, prompt, Sampling(seed=5, top_p=0.0))[0]
    assert greedy == answer(engine, prompt, Sampling(seed=5, min_p=1.0))[0]
    assert greedy != answer(engine, prompt, Sampling(temperature=0, repeat_penalty=2.0))[0]
    assert greedy != answer(engine, prompt, Sampling(temperature=0, presence_penalty=50.0))[0]
    first = answer(engine, prompt, Sampling(temperature=0), max_tokens=1)[0]
    banned = {token: -100.0 for token in range(engine.n_vocab) if engine.detokenize([token]) == first}
    assert answer(engine, prompt, Sampling(temperature=0, logit_bias=banned), max_tokens=1)[0] != first
    varied = Sampling(seed=5, temperature=1.5, top_k=0, typical_p=0.9)
    assert answer(engine, prompt, varied)[0] != greedy


@pytest.mark.parametrize(
    "change",
    [
        {"top_n_sigma": 0.2},
        {"xtc_probability": 1.0, "xtc_threshold": 0.001},
        {"dynatemp_range": 0.9},
        {"mirostat": 1},
        {"mirostat": 2, "mirostat_tau": 1.0},
        {"dry_multiplier": 5.0, "dry_allowed_length": 0, "dry_penalty_last_n": -1},
        {"dry_multiplier": 5.0, "dry_allowed_length": 0, "dry_sequence_breakers": ("\0", "ä" * 40)},
    ],
)
def test_each_sampler_changes_the_reply_and_repeats_with_its_seed(engine: Engine, change: dict[str, Any]) -> None:
    prompt = engine.tokenize_chat(STORY)
    plain = Sampling(seed=5, temperature=1.0)
    changed = replace(plain, **change)
    assert answer(engine, prompt, changed)[0] == answer(engine, prompt, changed)[0]
    assert answer(engine, prompt, changed)[0] != answer(engine, prompt, plain)[0]


def test_dry_ends_a_repetition(engine: Engine) -> None:
    prompt = engine.tokenize_chat(STORY)
    greedy = answer(engine, prompt, Sampling(temperature=0))[0]
    assert answer(engine, prompt, Sampling(temperature=0, dry_multiplier=10.0))[0] != greedy


@pytest.mark.parametrize(
    ("sampling", "param"),
    [
        (Sampling(mirostat=3), "mirostat"),
        (Sampling(dry_base=0.5), "dry_base"),
        (Sampling(dry_sequence_breakers=("",)), "dry_sequence_breakers"),
        (Sampling(temperature=float("nan")), "temperature"),
        (Sampling(temperature=-1), "temperature"),
        (Sampling(top_k=1 << 40), "top_k"),
        (Sampling(top_p=1.1), "top_p"),
        (Sampling(min_p=-0.1), "min_p"),
        (Sampling(repeat_penalty=0), "repeat_penalty"),
        (Sampling(presence_penalty=float("inf")), "presence_penalty"),
        (Sampling(logit_bias={1024: 1.0}), "logit_bias"),
        (Sampling(logit_bias={-1: 1.0}), "logit_bias"),
        (Sampling(logit_bias={1: float("nan")}), "logit_bias"),
    ],
)
def test_parameter_out_of_range_is_rejected_by_name(engine: Engine, sampling: Sampling, param: str) -> None:
    with pytest.raises(RequestError) as caught:
        engine.submit(Job(prompt=(1, 2), sampling=sampling))
    assert caught.value.param == param


def test_invalid_prompt_is_rejected(engine: Engine) -> None:
    for prompt in ((), (1024,), (-1,), (1 << 40,)):
        with pytest.raises(RequestError):
            engine.submit(Job(prompt=prompt))
    with pytest.raises(RequestError, match="max_tokens"):
        engine.submit(Job(prompt=(1,), max_tokens=0))
    with pytest.raises(RequestError):
        engine.detokenize([1024])
    with pytest.raises(ContextExceeded, match=r"1024 tokens.*1024"):
        engine.submit(Job(prompt=(1,) * 1024))


def test_full_context_ends_with_length(engine: Engine) -> None:
    prompt = (engine.tokenize_chat(STORY) * 9)[:1000]
    generation = engine.submit(Job(prompt=prompt, sampling=Sampling(seed=1, ignore_eos=True)))
    assert generation.max_tokens == 24
    _, end = read(generation)
    assert (end.reason, end.usage.completion_tokens) == ("length", 24)
    _, end = answer(engine, (prompt * 2)[:1023], max_tokens=500)
    assert (end.reason, end.usage.completion_tokens) == ("length", 1)


def test_jobs_run_in_order(engine: Engine) -> None:
    prompt = engine.tokenize_chat(STORY)
    expected = {seed: answer(engine, prompt, Sampling(seed=seed, temperature=1.0))[0] for seed in range(8)}
    got: dict[int, str] = {}

    def ask(seed: int) -> None:
        got[seed] = answer(engine, prompt, Sampling(seed=seed, temperature=1.0))[0]
        engine.tokenize("any thread may", add_special=True, parse_special=True)

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert got == expected


def test_template_rejection_is_a_request_error(tiny_model: Path) -> None:
    engine = Engine.load(tiny_model, LoadOptions(chat_template="{{ raise_exception('no ' + messages[0].role) }}"))
    try:
        assert engine.template_source == "setting"
        with pytest.raises(RequestError, match="no user"):
            engine.tokenize_chat(STORY)
    finally:
        engine.close()


def test_cancel_during_prefill_leaves_the_next_reply_correct(slow_engine: Engine) -> None:
    prompt = slow_engine.tokenize_chat(STORY)
    expected = answer(slow_engine, prompt)[0]
    long = (prompt * 40)[:8000]
    generation = slow_engine.submit(Job(prompt=tuple(reversed(long)), sampling=SEEDED))
    while (event := generation.next_event(60)) is None or event.done == 0:  # type: ignore[union-attr]  # a Prefill
        pass
    generation.cancel()
    text, end = read(generation)
    assert (text, end.reason, end.usage.completion_tokens) == ("", "cancelled", 0)
    assert answer(slow_engine, prompt)[0] == expected


def test_cancel_during_decode_leaves_the_next_reply_correct(slow_engine: Engine) -> None:
    prompt = slow_engine.tokenize_chat(STORY)
    expected = answer(slow_engine, prompt)[0]
    generation = slow_engine.submit(Job(prompt=prompt, sampling=Sampling(ignore_eos=True)))
    while not isinstance(generation.next_event(60), TextPiece):
        pass
    generation.cancel()
    generation.cancel()
    _, end = read(generation)
    assert end.reason == "cancelled"
    assert 0 < end.usage.completion_tokens < generation.max_tokens
    assert answer(slow_engine, prompt)[0] == expected


def test_queued_job_can_be_cancelled(slow_engine: Engine) -> None:
    prompt = slow_engine.tokenize_chat(STORY)
    running = slow_engine.submit(Job(prompt=prompt, sampling=Sampling(ignore_eos=True)))
    waiting = slow_engine.submit(Job(prompt=prompt))
    waiting.cancel()
    running.cancel()
    assert read(running)[1].reason == "cancelled"
    _, end = read(waiting)
    assert (end.reason, end.usage.completion_tokens) == ("cancelled", 0)


def test_deadline_ends_a_reply_with_its_text_so_far(slow_engine: Engine) -> None:
    prompt = slow_engine.tokenize_chat(STORY)
    job = Job(prompt=prompt, sampling=Sampling(ignore_eos=True), deadline=time.monotonic() + 1.0)
    assert read(slow_engine.submit(job))[1].reason == "deadline"
    passed = Job(prompt=prompt, deadline=time.monotonic() - 1)
    assert read(slow_engine.submit(passed))[1].reason == "deadline"


def test_absent_reader_does_not_block_the_engine(slow_model: Path) -> None:
    engine = Engine.load(slow_model, LoadOptions(n_ctx=8192, reader_timeout=0.2))
    try:
        left = engine.submit(Job(prompt=(1, 2, 3), sampling=Sampling(ignore_eos=True)))
        list(engine.submit(Job(prompt=(1, 2, 3), max_tokens=1)))
        assert read(left)[1].reason == "cancelled"
    finally:
        engine.close()


def test_speed_is_reported_while_running(slow_engine: Engine) -> None:
    generation = slow_engine.submit(Job(prompt=(1, 2, 3), max_tokens=10, sampling=Sampling(ignore_eos=True)))
    read(generation)
    assert generation.generated == generation.max_tokens == 10
    assert generation.tokens_per_second is not None
    assert generation.tokens_per_second > 0


def test_close_cancels_jobs_and_rejects_new_ones(slow_model: Path) -> None:
    engine = Engine.load(slow_model, LoadOptions(n_ctx=8192))
    running = engine.submit(Job(prompt=(1, 2, 3), sampling=Sampling(ignore_eos=True)))
    waiting = engine.submit(Job(prompt=(1, 2, 3)))
    engine.close()
    engine.close()
    assert read(running)[1].reason == "cancelled"
    assert read(waiting)[1].reason == "cancelled"
    with pytest.raises(Stopping):
        engine.submit(Job(prompt=(1,)))
    with pytest.raises(Stopping):
        engine.tokenize("x", add_special=True, parse_special=True)


def test_recurrent_model_starts_over_and_repeats_its_reply(tmp_path: Path) -> None:
    engine = Engine.load(write_model(tmp_path / "model.gguf", SHAPES["tiny-recurrent"]), LoadOptions(n_ctx=1024))
    try:
        prompt = engine.tokenize_chat(STORY)
        first, end = answer(engine, prompt)
        assert answer(engine, prompt)[0] == first
        generation = engine.submit(Job(prompt=prompt, sampling=Sampling(ignore_eos=True)))
        while not isinstance(generation.next_event(60), TextPiece):
            pass
        generation.cancel()
        read(generation)
        again, end = answer(engine, prompt)
        assert again == first
        assert end.usage.cached_tokens == 0
        assert len(set(first)) > 10
    finally:
        engine.close()


def test_sliding_window_model_reuses_cached_tokens(tmp_path: Path) -> None:
    engine = Engine.load(write_model(tmp_path / "model.gguf", SHAPES["tiny-window"]), LoadOptions(n_ctx=1024))
    try:
        prompt = engine.tokenize_chat(STORY)
        first = answer(engine, prompt)[0]
        answer(engine, prompt[:130] + prompt[:200])
        again, end = answer(engine, prompt)
        assert again == first
        assert end.usage.cached_tokens == 128
    finally:
        engine.close()
