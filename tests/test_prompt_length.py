"""Prompts that are too long by their length alone: refused before they are tokenized."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from function.engine import Engine, LoadOptions
from function.engine.engine import MAX_TOKENIZED_AT_ONCE
from function.engine.llama.library import library
from function.engine.llama.model import Model
from function.engine.llama.vocabulary import Vocabulary
from function.errors import ContextExceeded
from tests.servers.doors import ServedFunction, serving

DENSE = [
    "a" * 5000,
    " " * 5000,
    "=" * 4096,
    "\n" * 999,
    "\t" * 999,
    "日本語" * 500,
    "🎉" * 500,
    "�" * 300,
    "the " * 2000,
    "1" * 3000,
]
"""Texts with few tokens for their length."""


class CrowdedVocabulary(Vocabulary):
    """Vocabulary whose tokenizing ends only once a text more than allowed is tokenized, or ``PATIENCE_SECONDS`` later.

    ``most`` is the largest number of texts that were tokenized at once.
    """

    PATIENCE_SECONDS = 0.1

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._changed = threading.Condition()
        self._running = self.most = 0

    def tokenize(self, text: str, *, add_special: bool, parse_special: bool) -> list[int]:
        with self._changed:
            self._running += 1
            self.most = max(self.most, self._running)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self.most > MAX_TOKENIZED_AT_ONCE, self.PATIENCE_SECONDS)
        try:
            return super().tokenize(text, add_special=add_special, parse_special=parse_special)
        finally:
            with self._changed:
                self._running -= 1


class CrowdedModel(Model):
    """Model with a crowded vocabulary."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.vocabulary = CrowdedVocabulary(self._lib, self._model)


class CrowdedEngine(Engine):
    """Engine with a crowded model."""

    MODEL = CrowdedModel


@pytest.fixture(scope="module")
def engine(tiny_model: Path) -> Iterator[Engine]:
    loaded = Engine.load(tiny_model, LoadOptions(n_ctx=128))
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[ServedFunction]:
    with serving(tmp_path_factory.mktemp("length"), MODEL_URI=str(tiny_model), N_CTX="512") as running:
        running.wait("ready")
        yield running


def check_vocabularies(files: dict[str, Path]) -> set[str]:
    """Check that no text has fewer tokens than its length implies; return the vocabularies with such a bound."""
    lib = library()
    params = lib.llama_model_default_params()
    params.vocab_only = True
    bounded = set()
    for name, path in files.items():
        model = lib.llama_model_load_from_file(str(path).encode(), params)
        vocabulary = Vocabulary(lib, model)
        longest = max((vocabulary.text_of(token) for token in range(0, vocabulary.size, 7)), key=len)
        for text in (*DENSE, longest * 50, "<|im_end|>" + "\n" * 500 + "</s>"):
            least = vocabulary.count_at_least(text)
            assert least <= len(vocabulary.tokenize(text, add_special=False, parse_special=True)), (name, text[:20])
            if least:
                bounded.add(name)
        lib.llama_model_free(model)
    return bounded


def test_no_text_has_fewer_tokens_than_its_length_implies(real_vocabularies: dict[str, Path]) -> None:
    names = ("gpt-2", "llama-spm", "bert-bge")
    bounded = check_vocabularies({name: real_vocabularies[name] for name in names})
    assert bounded == {"gpt-2", "llama-spm"}, "one token of an encoder may stand for any word"


@pytest.mark.slow
def test_no_text_of_any_real_vocabulary_has_fewer_tokens_than_its_length_implies(
    real_vocabularies: dict[str, Path],
) -> None:
    bounded = check_vocabularies(real_vocabularies)
    assert {"llama-bpe", "llama-spm", "qwen2", "gpt-2"} <= bounded
    assert not {"bert-bge", "nomic-bert-moe"} & bounded


def test_prompt_that_is_far_too_long_is_refused_by_its_length(engine: Engine) -> None:
    engine.check_length("x" * 99_999)
    engine.check_length(" " * 1_000_000)
    with pytest.raises(ContextExceeded, match=r"has at least \d+ tokens, which exceeds") as e:
        engine.check_length("x" * 50_000, "y" * 50_000, param="prompt")
    assert e.value.evidence["tokens"] >= e.value.evidence["n_ctx"] == 128
    assert e.value.param == "prompt"


@pytest.mark.parametrize(
    "tokenize",
    [
        lambda engine: tuple(engine.tokenize("a b", add_special=False, parse_special=False)),
        lambda engine: engine.tokenize_prompt("a b", " c"),
    ],
)
def test_two_texts_are_tokenized_at_once_at_most(
    tokenize: Callable[[Engine], tuple[int, ...]], tiny_model: Path
) -> None:
    engine = CrowdedEngine.load(tiny_model, LoadOptions(n_ctx=128))
    try:
        with ThreadPoolExecutor(6) as pool:
            assert len(set(pool.map(tokenize, [engine] * 6))) == 1
        vocabulary = engine._model.vocabulary
        assert isinstance(vocabulary, CrowdedVocabulary)
        assert vocabulary.most == MAX_TOKENIZED_AT_ONCE == 2
    finally:
        engine.close()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x" * 3_000_000}]}),
        ("/v1/completions", {"prompt": "x" * 3_000_000}),
        ("/completion", {"prompt": ["x" * 3_000_000, 5]}),
        ("/v1/messages", {"messages": [{"role": "user", "content": "x" * 3_000_000}], "max_tokens": 5}),
        ("/v1/responses", {"input": "x" * 3_000_000}),
    ],
)
def test_every_endpoint_refuses_such_a_prompt(function: ServedFunction, path: str, body: dict[str, object]) -> None:
    status, answer = function.ask(path, body)
    assert status == 400, answer
    assert "at least" in answer["error"]["message"] or "prompt is too long" in answer["error"]["message"]


def test_tokens_of_such_a_prompt_are_counted_all_the_same(function: ServedFunction) -> None:
    messages = [{"role": "user", "content": "xy" * 50_000}]
    for path in ("/v1/chat/completions/input_tokens", "/v1/messages/count_tokens"):
        status, answer = function.ask(path, {"messages": messages})
        assert (status, answer["input_tokens"] > 5000) == (200, True), answer
