"""Logprobs: the model's own numbers, each with the text in which its token begins."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from llama_cpp import Llama

from function.engine import Engine, Finished, Job, LoadOptions, Logprob, Sampling, TextPiece, TokenChoice
from function.web.reply.openai_logprobs import chat_logprobs

STORY = [{"role": "user", "content": " ".join(f"word{i * i % 97} and" for i in range(20))}]
SEEDED = Sampling(seed=11, temperature=1.5, top_k=0, top_p=1.0, min_p=0.0)

TOLERANCE = 1e-4
Numbers = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def engine(tiny_model: Path) -> Iterator[Engine]:
    loaded = Engine.load(tiny_model, LoadOptions(n_ctx=1024))
    yield loaded
    loaded.close()


def read(engine: Engine, job: Job) -> tuple[list[TextPiece], Finished]:
    *before, last = engine.submit(job)
    assert isinstance(last, Finished)
    assert last.error is None, last.error
    return [event for event in before if isinstance(event, TextPiece)], last


def entries(texts: list[TextPiece]) -> list[Logprob]:
    return [entry for text in texts for entry in text.logprobs]


def written(found: list[Logprob]) -> bytes:
    return b"".join(entry.chosen.data for entry in found if not entry.chosen.control)


def log_softmax(model: Path, chunk: int, *tokens: Sequence[int]) -> Numbers:
    """Return llama.cpp's own numbers, one row per token. Other chunks would round differently, by 0.03."""
    reference = Llama(
        str(model), n_ctx=1024, n_batch=chunk, n_threads=1, flash_attn=False, logits_all=True, verbose=False
    )
    for part in tokens:
        reference.eval(part)
    logits: Numbers = np.asarray(reference.scores[: sum(map(len, tokens))], np.float64)
    reference.close()
    return np.asarray(logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)))


def check(found: list[Logprob], expected: Numbers, top: int) -> None:
    for row, entry in zip(expected, found, strict=True):
        assert entry.chosen.logprob == pytest.approx(row[entry.chosen.token], abs=TOLERANCE)
        assert [choice.logprob for choice in entry.top] == pytest.approx(
            np.sort(row)[::-1][:top].tolist(), abs=TOLERANCE
        )
        for choice in entry.top:
            assert choice.logprob == pytest.approx(row[choice.token], abs=TOLERANCE)


def test_logprobs_are_the_log_softmax_of_the_logits(engine: Engine, tiny_model: Path) -> None:
    prompt = engine.tokenize_chat(STORY)
    # Parameters that change the choice must not change the reported logprobs.
    sampling = Sampling(seed=5, temperature=2.0, top_k=0, repeat_penalty=1.3, logit_bias={7: -100.0, 400: 2.0})
    found = entries(read(engine, Job(prompt=prompt, max_tokens=30, sampling=sampling, logprobs=20))[0])
    tokens = [entry.chosen.token for entry in found]
    assert len(found) == 30
    assert len(set(tokens)) > 5
    check(found, log_softmax(tiny_model, 64, prompt, *zip(tokens, strict=True))[len(prompt) - 1 : -1], 20)


def test_prompt_logprobs_are_the_log_softmax_of_the_logits(engine: Engine, tiny_model: Path) -> None:
    prompt = engine.tokenize_chat(STORY)
    job = Job(prompt=prompt, max_tokens=0, logprobs=5, echo="the prompt")
    (text,), end = read(engine, job)
    assert (text.text, text.tokens, end.reason, end.usage.completion_tokens) == ("the prompt", 0, "length", 0)
    first, *found = text.logprobs
    assert first == Logprob(TokenChoice(prompt[0], b"<|im_start|>", None, control=True))
    assert [entry.chosen.token for entry in found] == list(prompt[1:])
    check(found, log_softmax(tiny_model, 16, prompt)[:-1], 5)


def test_scored_prompt_does_not_change_later_replies(engine: Engine) -> None:
    prompt = engine.tokenize_chat(STORY)
    plain, scored = (Job(prompt=prompt, max_tokens=20, sampling=SEEDED, logprobs=0, echo=echo) for echo in (None, ""))
    before = read(engine, plain)[0]
    once, _ = read(engine, scored)
    assert read(engine, plain)[0] == before
    assert read(engine, scored)[0] == once


def test_greedy_choice_is_the_likeliest(engine: Engine) -> None:
    job = Job(prompt=engine.tokenize_chat(STORY), max_tokens=8, sampling=Sampling(temperature=0), logprobs=3)
    for entry in entries(read(engine, job)[0]):
        assert entry.top[0] == entry.chosen
        assert len(entry.top) == 3


def test_logprobs_are_optional_and_change_no_token(engine: Engine) -> None:
    prompt = engine.tokenize_chat(STORY)
    plain, _ = read(engine, Job(prompt=prompt, max_tokens=40, sampling=SEEDED))
    assert entries(plain) == []
    asked, _ = read(engine, Job(prompt=prompt, max_tokens=40, sampling=SEEDED, logprobs=0))
    assert [text.text for text in asked] == [text.text for text in plain]
    assert [entry.top for entry in entries(asked)] == [()] * 40


def test_entries_come_with_the_text_of_their_tokens(engine: Engine) -> None:
    """Force the bytes of wide characters one by one, complete and broken ones."""
    allowed = dict.fromkeys(engine.tokenize("Ж🎉日", add_special=False, parse_special=False), 100.0)
    sampling = Sampling(seed=3, temperature=2.0, top_k=0, logit_bias=allowed)
    texts, end = read(engine, Job(prompt=(1, 2, 3), max_tokens=200, sampling=sampling, logprobs=0))
    assert len(entries(texts)) == end.usage.completion_tokens == 200
    spelled = b""
    for text in texts:
        spelled += written(list(text.logprobs))
        assert spelled.decode(errors="replace").startswith("".join(t.text for t in texts[: texts.index(text) + 1])[:-1])
    assert spelled.decode(errors="replace") == "".join(text.text for text in texts)


def text_of(found: list[Logprob]) -> str:
    return written(found).decode(errors="replace")


@pytest.mark.parametrize("start", range(0, 30, 3))
def test_entries_of_a_stop_string_are_cut_with_it(engine: Engine, start: int) -> None:
    prompt = engine.tokenize_chat(STORY)
    plain = Job(prompt=prompt, max_tokens=40, sampling=SEEDED, logprobs=1)
    whole = read(engine, plain)[0]
    text, all_of_them = "".join(piece.text for piece in whole), entries(whole)
    stop = text[start + 8 : start + 14]
    job = Job(prompt=prompt, max_tokens=40, sampling=SEEDED, logprobs=1, stop=(stop,))
    cut, end = read(engine, job)
    assert end.reason == "stop"
    spelled, found = "".join(piece.text for piece in cut), entries(cut)
    assert found == all_of_them[: len(found)]
    # The last one begins in the text and may end in what was cut; the next one begins after it.
    assert len(text_of(found[:-1])) < len(spelled) <= len(text_of(found))


def test_held_stop_string_prefix_holds_its_entries(engine: Engine) -> None:
    prompt = engine.tokenize_chat(STORY)
    whole = read(engine, Job(prompt=prompt, max_tokens=40, sampling=SEEDED))[0]
    text = "".join(piece.text for piece in whole)
    job = Job(prompt=prompt, max_tokens=40, sampling=SEEDED, logprobs=0, stop=(text[10:] + "never",))
    held, end = read(engine, job)
    assert end.reason == "length"
    assert held[-1].text == text[10:]
    assert len(entries(held)) == 40
    assert written(entries(held)).decode(errors="replace") == text


def test_end_token_has_no_entry(engine: Engine) -> None:
    (end_token,) = engine.tokenize("<|im_end|>", add_special=False, parse_special=True)
    sampling = Sampling(seed=1, logit_bias={end_token: 100.0})
    texts, end = read(engine, Job(prompt=(1, 2, 3), sampling=sampling, logprobs=2))
    assert (texts, end.reason) == ([], "stop")


def test_other_control_token_has_a_name_and_no_bytes(engine: Engine) -> None:
    (start,) = engine.tokenize("<|im_start|>", add_special=False, parse_special=True)
    sampling = Sampling(seed=1, logit_bias={start: 100.0})
    texts, _ = read(engine, Job(prompt=(1, 2, 3), max_tokens=2, sampling=sampling, logprobs=0))
    assert [text.text for text in texts] == [""]
    (first, second) = chat_logprobs(entries(texts))["content"]
    assert first["token"] == second["token"] == "<|im_start|>"
    assert first["bytes"] is None


def test_openai_format_escapes_broken_bytes() -> None:
    found = chat_logprobs([Logprob(TokenChoice(1, b"\xf0\x9f", -1.5), (TokenChoice(2, "ä".encode(), -0.5),))])
    assert found == {
        "content": [
            {
                "token": "\\xf0\\x9f",
                "logprob": -1.5,
                "bytes": [0xF0, 0x9F],
                "top_logprobs": [{"token": "ä", "logprob": -0.5, "bytes": [0xC3, 0xA4]}],
            }
        ],
        "refusal": None,
    }
