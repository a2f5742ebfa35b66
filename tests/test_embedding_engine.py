"""The engine of embedding models and rerankers: values of a reference, chunks, prefixes and suffixes."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from function.engine import EmbeddedInput, EmbeddingEngine, EmbeddingJob, Finished, Job, LoadOptions
from function.engine.embedding import EmbeddingModel
from function.errors import ContextExceeded, ModelError, RequestError, WrongModelKind
from function.gguf import Pooling, read_header
from tests.bert import Array, Bert, random_bert, unit, write_bert
from tests.encoders import LAYER_TENSORS, WIDTH, write_encoder
from tests.gguf_files import File
from tools.models import write_model
from tools.shapes import SHAPES

TEXT = "the cat sat on the mat"
UINT32, BOOL, STRING = 4, 7, 8
Loader = Callable[..., EmbeddingEngine]


@pytest.fixture
def load() -> Iterator[Loader]:
    """Return a function that loads a file; its engine is closed after the test."""
    loaded: list[EmbeddingEngine] = []

    def load(path: Path, pooling: Pooling | None = None, n_ctx: int | None = None) -> EmbeddingEngine:
        header = read_header(path).with_pooling(pooling)
        engine = EmbeddingEngine.load(path, LoadOptions(pooling=header.pooling, n_ctx=n_ctx))
        assert isinstance(engine, EmbeddingEngine)
        loaded.append(engine)
        return engine

    yield load
    for engine in loaded:
        engine.close()


@pytest.fixture(scope="module")
def bert() -> Bert:
    return random_bert()


def run(engine: EmbeddingEngine, *inputs: Sequence[int], scores: bool = False) -> list[Array]:
    """Return the values of ``inputs``."""
    tokens = tuple(map(tuple, inputs))
    job = EmbeddingJob(prompt=sum(tokens, ()), inputs=tokens, scores=scores)
    events = list(engine.submit(job))
    end = events[-1]
    assert isinstance(end, Finished)
    assert (end.reason, end.error, end.usage.prompt_tokens) == ("stop", None, sum(map(len, inputs)))
    found = [event for event in events if isinstance(event, EmbeddedInput)]
    assert [event.index for event in found] == list(range(len(inputs)))
    return [np.array(event.values) for event in found]


def decoder(path: Path, shape: str = "tiny", **keys: int | bool | str) -> Path:
    """Write a decoder with random weights and further ``keys`` of its architecture."""
    write_model(path, SHAPES[shape])
    file = File.load(path)
    for key, value in keys.items():
        kind = BOOL if isinstance(value, bool) else UINT32 if isinstance(value, int) else STRING
        file.set(key.replace("__", "."), kind, value)
    path.write_bytes(file.dump())
    return path


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
def test_pooled_vector_equals_reference(tmp_path: Path, load: Loader, bert: Bert, pooling: Pooling) -> None:
    engine = load(write_bert(tmp_path / "bert.gguf", bert, pooling=None), pooling)
    tokens = engine.tokenize(TEXT, add_special=True, parse_special=True)
    assert tokens == bert.tokenize(TEXT)
    states = bert.embed(tokens)
    expected = {"mean": states.mean(0), "cls": states[0], "last": states[-1]}[pooling]
    (vector,) = run(engine, tokens)
    assert unit(vector) @ unit(expected) > 1 - 1e-5
    assert engine.n_embd == len(vector) == 64


def test_half_precision_is_close_to_reference(tmp_path: Path, load: Loader, bert: Bert) -> None:
    engine = load(write_bert(tmp_path / "bert.gguf", bert, half=True))
    tokens = bert.tokenize(TEXT)
    (vector,) = run(engine, tokens)
    assert unit(vector) @ unit(bert.embed(tokens).mean(0)) > 1 - 1e-4


def test_long_context_uses_flash_attention_with_the_same_result(tmp_path: Path, load: Loader) -> None:
    bert = random_bert(layers=1, n_ctx=2304)
    engine = load(write_bert(tmp_path / "bert.gguf", bert))
    tokens = bert.tokenize("the cat " * 300)
    (vector,) = run(engine, tokens)
    assert unit(vector) @ unit(bert.embed(tokens).mean(0)) > 1 - 1e-4


def test_decoder_reads_the_last_token_in_chunks_or_whole(tmp_path: Path, load: Loader) -> None:
    """The last token of a text has the same vector, whether or not the text is longer than a chunk."""
    last = load(decoder(tmp_path / "last.gguf", llama__pooling_type=3), n_ctx=512)
    whole = load(decoder(tmp_path / "whole.gguf", llama__pooling_type=3, llama__attention__causal=False), n_ctx=512)
    assert (last.chunk, whole.chunk) == (64, 512)
    tokens = [number % 900 for number in range(3, 3 + 150)]
    (chunked,), (short,) = run(last, tokens), run(last, tokens[:20])
    assert unit(chunked) @ unit(short) < 0.99
    assert (run(last, tokens)[0] == chunked).all()
    mean = load(decoder(tmp_path / "mean.gguf", llama__pooling_type=1), n_ctx=512)
    assert mean.chunk == 512
    first, second = run(mean, tokens[:1], tokens[:1])
    assert (first == second).all()
    # The mean of a single token is its last token.
    assert unit(first) @ unit(run(last, tokens[:1])[0]) > 1 - 1e-5


def test_vector_does_not_depend_on_the_text_before(tmp_path: Path) -> None:
    path = decoder(tmp_path / "last.gguf", llama__pooling_type=3)
    model = EmbeddingModel(path, n_ctx=512, n_threads=1, n_gpu_layers=0, pooling="last")
    tokens, other = [5, 6, 7, 8], [400, 401, 402]
    first, _, second = model.embed(tokens), model.embed(other), model.embed(tokens)
    assert first == second
    model.free()


def test_size_of_chunks_does_not_change_a_vector(tmp_path: Path) -> None:
    path = decoder(tmp_path / "last.gguf", llama__pooling_type=3)
    tokens = [number % 900 for number in range(3, 3 + 150)]
    found = []
    for kind, chunk in ((EmbeddingModel, 64), (SmallChunks, 7)):
        model = kind(path, n_ctx=512, n_threads=1, n_gpu_layers=0, pooling="last")
        assert model.chunk == chunk
        found.append(unit(np.array(model.embed(tokens))))
        model.free()
    assert found[0] @ found[1] > 1 - 1e-5


class SmallChunks(EmbeddingModel):
    """A model that reads 7 tokens at once."""

    def _count_chunk_tokens(self) -> int:
        return 7


def test_score_equals_reference_and_ignores_other_documents(tmp_path: Path, load: Loader) -> None:
    ranker = random_bert(classifier=True)
    engine = load(write_bert(tmp_path / "ranker.gguf", ranker, pooling=4))
    assert engine.kind == "reranker"
    pairs = [engine.tokenize_pair("the mat", text) for text in (TEXT, "cats")]
    assert list(pairs[0]) == [*ranker.tokenize("the mat"), *ranker.tokenize(TEXT)[1:]]
    scores = [float(values[0]) for values in run(engine, *pairs, scores=True)]
    assert scores == pytest.approx([ranker.score(pair) for pair in pairs], abs=3e-3)
    assert [float(run(engine, pair, scores=True)[0][0]) for pair in pairs] == scores


def test_pair_template_is_filled_once(tmp_path: Path, load: Loader) -> None:
    """A query cannot insert the document a second time."""
    ranker = random_bert(classifier=True)
    path = write_bert(tmp_path / "ranker.gguf", ranker, pooling=4)
    template = "[CLS] the {query} on {document}"
    path.write_bytes(File.load(path).set("tokenizer.chat_template.rerank", STRING, template).dump())
    engine = load(path)
    assert list(engine.tokenize_pair("mat", "cat")) == ranker.tokenize("the mat on cat")[:-1]
    expected = engine.tokenize("the {document} on cat", add_special=False, parse_special=False)
    assert list(engine.tokenize_pair("{document}", "cat"))[1:] == expected


@pytest.mark.parametrize("pooling", [1, 2, 3])
@pytest.mark.parametrize("architecture", LAYER_TENSORS)
def test_models_of_every_architecture_make_embeddings(
    tmp_path: Path, load: Loader, architecture: str, pooling: int
) -> None:
    engine = load(write_encoder(tmp_path / "model.gguf", architecture, pooling=pooling))
    assert (engine.kind, engine.n_embd, engine.n_ctx) == ("embedding", WIDTH, 256)
    texts = [*("the cat sat", "the cat sat on", "sat the cat"), "a cat " * 30, "the cat sat"]
    first, second, third, long, again = run(
        engine, *(engine.tokenize(text, add_special=True, parse_special=True) for text in texts)
    )
    assert (first == again).all()
    for other in (second, third, long):
        assert np.isfinite(other).all()
        if pooling != 2 or architecture != "qwen3":  # its first token sees no other
            assert (first != other).any()


@pytest.mark.parametrize(
    ("architecture", "classes"), [("qwen3", 2), ("modern-bert", 1), ("neo-bert", 1), ("jina-bert-v2", 1)]
)
def test_rerankers_of_several_architectures_score(
    tmp_path: Path, load: Loader, architecture: str, classes: int
) -> None:
    path = write_encoder(tmp_path / "model.gguf", architecture, pooling=4, classes=classes)
    if architecture == "jina-bert-v2":  # its one layer has another name
        file = File.load(path)
        file.tensor("cls.output.weight").name = "cls.weight"
        path.write_bytes(file.dump())
    engine = load(path)
    assert (engine.kind, engine.scores_are_probabilities) == ("reranker", architecture == "qwen3")
    pairs = [engine.tokenize_pair("the cat", text) for text in ("a cat", "sat on", "a cat")]
    first, second, again = (values[0] for values in run(engine, *pairs, scores=True))
    assert first == again != second
    if engine.scores_are_probabilities:
        assert 0 < first < 1


@pytest.mark.parametrize("add", [True, False])
def test_end_token_is_added_if_the_file_asks_for_it(tmp_path: Path, load: Loader, add: bool) -> None:
    engine = load(decoder(tmp_path / "last.gguf", llama__pooling_type=3, tokenizer__ggml__add_eos_token=add))
    bare = engine.tokenize("hi", add_special=False, parse_special=True)
    framed = engine.tokenize("hi", add_special=True, parse_special=True)
    assert len(framed) - len(bare) == add


def test_sentencepiece_decoder_gets_its_begin_token(tmp_path: Path, load: Loader) -> None:
    engine = load(decoder(tmp_path / "spm.gguf", "tiny-spm", llama__pooling_type=3))
    assert engine.tokenize("hi", add_special=True, parse_special=True)[0] == 1


def test_job_that_cannot_run_is_rejected(tmp_path: Path, load: Loader, bert: Bert) -> None:
    engine = load(write_bert(tmp_path / "bert.gguf", bert))
    with pytest.raises(WrongModelKind):
        engine.submit(Job((1, 2)))
    with pytest.raises(WrongModelKind):
        run(engine, [2, 3], scores=True)
    with pytest.raises(WrongModelKind):
        engine.render([{"role": "user", "content": "hi"}])
    with pytest.raises(ContextExceeded) as caught:
        run(engine, [2] * 64, [2] * 65)
    assert caught.value.evidence == {"tokens": 65, "n_ctx": 64}
    with pytest.raises(RequestError, match="empty"):
        run(engine, [])
    with pytest.raises(RequestError, match="There is no token"):
        run(engine, [1 << 20])


def test_cancelled_batch_ends_between_inputs(tmp_path: Path, load: Loader) -> None:
    engine = load(write_bert(tmp_path / "bert.gguf", random_bert(layers=6, width=256, heads=4, n_ctx=512)))
    tokens = tuple([5] * 500)
    generation = engine.submit(EmbeddingJob(prompt=tokens * 50, inputs=(tokens,) * 50))
    assert isinstance(generation.next_event(), EmbeddedInput)
    generation.cancel()
    events = list(generation)
    assert isinstance(events[-1], Finished)
    assert events[-1].reason == "cancelled"
    assert sum(isinstance(event, EmbeddedInput) for event in events) < 48
    assert len(run(engine, tokens)) == 1


def test_damaged_weights_are_reported_at_load(tmp_path: Path, load: Loader, bert: Bert) -> None:
    tensors = dict(bert.tensors)
    tensors["embeddings.LayerNorm.bias"] = np.full(64, np.nan, np.float32)
    path = write_bert(tmp_path / "bert.gguf", Bert(tensors, bert.words, bert.heads))
    with pytest.raises(ModelError, match="NaN"):
        load(path)
