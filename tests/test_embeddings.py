"""POST /v1/embeddings and /v1/rerank: values of a reference implementation, shapes of clients, kinds of models."""

import base64
import json
import math
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from tests.bert import Bert, random_bert, unit, write_bert
from tests.servers.doors import ServedFunction, serving
from tests.servers.gated import gated_store

CAT, MAT = "the cat sat on the mat", "the mats"


@pytest.fixture(scope="module")
def bert() -> Bert:
    return random_bert()


@pytest.fixture(scope="module")
def ranker() -> Bert:
    return random_bert(classifier=True)


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory, bert: Bert) -> Iterator[ServedFunction]:
    """Serve a BERT with a mean as its pooling."""
    folder = tmp_path_factory.mktemp("embeddings")
    with serving(folder, MODEL_URI=str(write_bert(folder / "bert.gguf", bert))) as running:
        running.wait("ready")
        yield running


@pytest.fixture(scope="module")
def reranker(tmp_path_factory: pytest.TempPathFactory, ranker: Bert) -> Iterator[ServedFunction]:
    """Serve a BERT with a classifier."""
    folder = tmp_path_factory.mktemp("rerank")
    with serving(folder, MODEL_URI=str(write_bert(folder / "ranker.gguf", ranker, pooling=4))) as running:
        running.wait("ready")
        yield running


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedFunction]:
    """Serve a chat model."""
    with serving(tmp_path_factory.mktemp("chat")) as running:
        running.wait("ready")
        yield running


def embed(function: ServedFunction, given: Any, **fields: Any) -> dict[str, Any]:
    status, answer = function.ask("/v1/embeddings", {"input": given, **fields})
    assert status == 200, answer
    assert isinstance(answer, dict)
    return answer


def vectors(answer: dict[str, Any]) -> list[Any]:
    assert [entry["index"] for entry in answer["data"]] == list(range(len(answer["data"])))
    return [np.array(entry["embedding"]) for entry in answer["data"]]


def rank(function: ServedFunction, documents: Any, path: str = "/v1/rerank", **fields: Any) -> Any:
    status, answer = function.ask(path, {"query": MAT, "documents": documents, **fields})
    assert status == 200, answer
    return answer


def test_vector_equals_reference(function: ServedFunction, bert: Bert) -> None:
    answer = embed(function, CAT)
    expected = unit(bert.embed(bert.tokenize(CAT)).mean(0))
    assert vectors(answer)[0] @ expected > 1 - 1e-5
    assert np.linalg.norm(vectors(answer)[0]) == pytest.approx(1, abs=1e-6)
    tokens = len(bert.tokenize(CAT))
    assert answer["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}
    assert (answer["object"], answer["data"][0]["object"], answer["model"]) == ("list", "embedding", "tiny bert")


def test_batch_equals_single_inputs(function: ServedFunction) -> None:
    texts = [CAT, MAT, "a", CAT]
    answer = embed(function, texts)
    single = [embed(function, text) for text in texts]
    assert [entry["embedding"] for entry in answer["data"]] == [one["data"][0]["embedding"] for one in single]
    assert answer["usage"]["prompt_tokens"] == sum(one["usage"]["prompt_tokens"] for one in single)


def test_base64_has_the_same_numbers(function: ServedFunction) -> None:
    floats = vectors(embed(function, [CAT, MAT]))
    encoded = embed(function, [CAT, MAT], encoding_format="base64")["data"]
    for vector, entry in zip(floats, encoded, strict=True):
        assert (np.frombuffer(base64.b64decode(entry["embedding"]), "<f4") == vector.astype(np.float32)).all()


def test_dimensions_cut_and_scale(function: ServedFunction) -> None:
    (whole,), (cut,) = (vectors(embed(function, CAT, **fields)) for fields in ({}, {"dimensions": 16}))
    assert len(cut) == 16
    assert np.allclose(cut, unit(whole[:16]), atol=1e-6)
    assert len(vectors(embed(function, CAT, dimensions=64))[0]) == 64


def test_inputs_of_every_shape_are_accepted(function: ServedFunction, bert: Bert) -> None:
    tokens = bert.tokenize(CAT)
    (expected,) = vectors(embed(function, CAT))
    middle = tokens[1:-1]
    for same in (
        [CAT],
        tokens,
        [tokens],
        {"prompt_string": CAT},
        [{"content": [{"type": "text", "text": CAT[:7]}, {"type": "text", "text": CAT[7:]}]}],
        [*middle[:2], " ".join(CAT.split()[2:])],
        [[*middle[:2], " ".join(CAT.split()[2:])]],
    ):
        assert (vectors(embed(function, same))[0] == expected).all(), same
    assert len(vectors(embed(function, ["a", tokens, {"prompt_string": "b"}]))) == 3
    assert embed(function, "")["usage"]["prompt_tokens"] == 2


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "input"),
        ({"input": []}, "input"),
        ({"input": None}, "input"),
        ({"input": 7.5}, "input.0"),
        ({"input": ["a", True]}, "input.1"),
        ({"input": [[]]}, "input"),
        ({"input": ["a", []]}, "input.1"),
        ({"input": [1 << 30]}, "input"),
        ({"input": [-1]}, "input.0.0"),
        ({"input": {"content": "a"}}, "input.0.content"),
        ({"input": {"content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}}, "input.0.content.0.type"),
        ({"input": ["a"] * 2049}, "input"),
        ({"input": "a", "encoding_format": "int8"}, "encoding_format"),
        ({"input": "a", "dimensions": 0}, "dimensions"),
        ({"input": "a", "dimensions": 65}, "dimensions"),
        ({"input": "a", "embd_normalize": -1}, "embd_normalize"),
        ({"input": "a", "task": "retrieval.query"}, "task"),
    ],
)
def test_wrong_field_is_400_that_names_it(function: ServedFunction, fields: dict[str, Any], param: str | None) -> None:
    status, answer = function.ask("/v1/embeddings", fields)
    assert status == 400, answer
    if param is not None:
        assert answer["error"]["param"] == param, answer


def test_neutral_and_unknown_fields_are_accepted(function: ServedFunction) -> None:
    status, headers, _ = function.exchange(
        "/v1/embeddings",
        {"input": "a", "model": "text-embedding-3-small", "user": "u", "embd_normalize": 2, "input_type": "query"},
    )
    assert (status, headers["x-ignored-fields"]) == (200, "input_type")


def test_too_long_input_is_400_with_both_numbers(function: ServedFunction) -> None:
    embed(function, "a " * 62)
    status, answer = function.ask("/v1/embeddings", {"input": ["b", "a " * 63]})
    error = answer["error"]
    assert (status, error["code"], error["param"]) == (400, "context_length_exceeded", "input.1")
    assert (error["n_prompt_tokens"], error["n_ctx"]) == (65, 64)
    assert "too large" in error["message"]


@pytest.mark.parametrize("path", ["/embeddings", "/embedding", "/v1/embeddings/", "//v1//embeddings"])
def test_other_paths_of_embeddings_are_accepted(function: ServedFunction, path: str) -> None:
    assert function.ask(path, {"input": "a"})[0] == 200


def test_scores_equal_reference(reranker: ServedFunction, ranker: Bert) -> None:
    documents = [CAT, "a", "on the mat", "cats"]
    logits = [ranker.score([*ranker.tokenize(MAT), *ranker.tokenize(text)[1:]]) for text in documents]
    answer = rank(reranker, documents)
    best = sorted(range(4), key=lambda index: -logits[index])
    assert [entry["index"] for entry in answer["results"]] == best
    for entry in answer["results"]:
        assert entry["relevance_score"] == pytest.approx(1 / (1 + math.exp(-logits[entry["index"]])), abs=1e-3)
    raw = rank(reranker, documents, raw_scores=True)["results"]
    assert [entry["relevance_score"] for entry in raw] == pytest.approx([logits[index] for index in best], abs=3e-3)
    assert answer["usage"]["prompt_tokens"] == answer["usage"]["total_tokens"] > 0


def test_rerank_takes_jinas_and_coheres_bodies(reranker: ServedFunction) -> None:
    documents = [CAT, "a", "on the mat"]
    whole = rank(reranker, documents)["results"]
    assert rank(reranker, documents, top_n=2)["results"] == whole[:2]
    assert rank(reranker, documents, top_n=99)["results"] == whole
    assert rank(reranker, [{"text": text} for text in documents])["results"] == whole
    shown = rank(reranker, documents, return_documents=True)["results"]
    assert [entry["document"]["text"] for entry in shown] == [documents[entry["index"]] for entry in whole]
    for path in ("/rerank", "/reranking", "/v1/reranking", "/v2/rerank"):
        assert rank(reranker, documents, path)["results"] == whole


def test_rerank_takes_the_body_of_text_embeddings_inference(reranker: ServedFunction) -> None:
    whole = rank(reranker, [CAT, "a"])["results"]
    status, answer = reranker.ask("/rerank", {"query": MAT, "texts": [CAT, "a"], "return_text": True})
    assert status == 200
    assert answer == [
        {"index": entry["index"], "score": entry["relevance_score"], "text": [CAT, "a"][entry["index"]]}
        for entry in whole
    ]
    assert reranker.ask("/rerank", {"query": MAT, "texts": [CAT, "a"]}) == (
        200,
        [{key: entry[key] for key in ("index", "score")} for entry in answer],
    )


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"query": "a"}, "documents"),
        ({"query": "a", "documents": []}, "documents"),
        ({"query": "a", "documents": ["a"], "texts": ["a"]}, "documents"),
        ({"query": "a", "documents": 123}, "documents"),
        ({"query": "a", "documents": [1, 2]}, None),
        ({"documents": ["a"]}, "query"),
        ({"query": ["a"], "documents": ["a"]}, "query"),
        ({"query": "a", "documents": ["a"], "top_n": 0}, "top_n"),
        ({"query": "a", "documents": ["b", "a " * 70]}, "documents.1"),
        ({"query": "a", "texts": ["a " * 70]}, "texts"),
    ],
)
def test_wrong_field_of_rerank_is_400(reranker: ServedFunction, fields: dict[str, Any], param: str | None) -> None:
    status, answer = reranker.ask("/v1/rerank", fields)
    assert status == 400, answer
    if param is not None:
        assert answer["error"]["param"] == param, answer


CHATS: list[tuple[str, dict[str, Any]]] = [
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": "hi"}]}),
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": "hi"}], "stream": True}),
    ("/v1/completions", {"prompt": "hi"}),
    ("/chat", {"prompt": "hi"}),
    ("/apply-template", {"messages": [{"role": "user", "content": "hi"}]}),
    ("/completion", {"prompt": "hi"}),
    ("/v1/responses", {"input": "hi"}),
    ("/v1/chat/completions/input_tokens", {"messages": [{"role": "user", "content": "hi"}]}),
    ("/v1/messages", {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9}),
    ("/v1/messages/count_tokens", {"messages": [{"role": "user", "content": "hi"}]}),
]
EMBEDDING: tuple[str, dict[str, Any]] = ("/v1/embeddings", {"input": "a"})
RERANK: tuple[str, dict[str, Any]] = ("/v1/rerank", {"query": "a", "documents": ["a"]})


def wrong_kind(function: ServedFunction, path: str, body: dict[str, Any]) -> str:
    """Return the sentence of the 400 that names the model's kind."""
    status, answer = function.ask(path, body)
    assert (status, answer["error"].get("code", "wrong_model_kind")) == (400, "wrong_model_kind"), answer
    return str(answer["error"]["message"])


def test_embedding_model_rejects_requests_of_other_kinds(function: ServedFunction) -> None:
    for path, body in [*CHATS, RERANK]:
        sentence = wrong_kind(function, path, body)
        assert "The loaded model is an embedding model" in sentence
        assert "POST /v1/embeddings" in sentence
        assert ("set MODEL_URI to a reranker" if path == RERANK[0] else "set MODEL_URI to a chat model") in sentence
    embed(function, "a")


def test_reranker_rejects_requests_of_other_kinds(reranker: ServedFunction) -> None:
    for path, body in [*CHATS, EMBEDDING]:
        assert "The loaded model is a reranker" in wrong_kind(reranker, path, body)


def test_chat_model_rejects_requests_of_other_kinds(chat: ServedFunction) -> None:
    for path, body in (EMBEDDING, RERANK):
        sentence = wrong_kind(chat, path, body)
        assert "The loaded model is a chat model" in sentence
        assert "POST /v1/chat/completions" in sentence


def test_kind_is_in_card_receipt_metrics_and_page(
    function: ServedFunction, reranker: ServedFunction, chat: ServedFunction
) -> None:
    for served, kind in ((function, "embedding"), (reranker, "reranker"), (chat, "chat")):
        assert served.get("/v1/models")[1]["data"][0]["kind"] == kind
        assert f'kind="{kind}"' in served.exchange("/metrics", None)[2]
    _, answer = function.ask("/v1/embeddings", {"input": ["a", "b"]}, {"X-Receipt": "1"})
    receipt = answer["receipt"]
    assert receipt["model"]["kind"] == "embedding"
    counts = dict.fromkeys(("cached", "completion", "reasoning", "drafted", "accepted"), 0)
    assert receipt["tokens"] == {"prompt": 6, **counts, "per_second": None}
    _, answer = reranker.ask(*RERANK, {"X-Receipt": "1"})
    assert answer["receipt"]["model"]["kind"] == "reranker"
    assert "The loaded model is an embedding model" in function.exchange("/", None)[2]
    line = next(line for line in function.log.read_text().splitlines() if '"event":"reply"' in line.replace(" ", ""))
    assert json.loads(line)["kind"] == "embedding"


def test_tokenize_adds_the_special_tokens(function: ServedFunction, bert: Bert) -> None:
    status, answer = function.ask("/tokenize", {"content": CAT, "add_special": True})
    assert (status, answer["tokens"]) == (200, bert.tokenize(CAT))
    assert function.ask("/tokenize", {"content": CAT})[1]["tokens"] == bert.tokenize(CAT)[1:-1]
    assert function.ask("/detokenize", {"tokens": answer["tokens"]})[1]["content"].count("cat") == 1


def test_cold_request_waits_for_embedding_model(tmp_path: Path, bert: Bert) -> None:
    path = write_bert(tmp_path / "bert.gguf", bert)
    with (
        gated_store(path) as (uri, gate),
        serving(tmp_path, MODEL_URI=uri) as function,
        ThreadPoolExecutor(2) as pool,
    ):
        asked = pool.submit(function.ask, "/v1/embeddings", {"input": CAT}, {"X-Receipt": "1"})
        warm = pool.submit(function.ask, "/events", {})
        function.wait("fetching")
        assert not asked.done()
        gate.set()
        status, answer = asked.result()
        assert (status, answer["receipt"]["cold"]) == (200, True)
        status, report = warm.result()
        assert (status, report["state"], report["kind"]) == (200, "ready", "embedding")


def test_closed_client_and_deadline_end_a_batch(tmp_path: Path) -> None:
    path = write_bert(tmp_path / "large.gguf", random_bert(layers=8, width=512, heads=8, n_ctx=512))
    batch = {"input": ["a " * 500] * 200}
    with serving(tmp_path, MODEL_URI=str(path), REQUEST_TIMEOUT="2") as function:
        function.wait("ready")
        address = urlsplit(function.url)
        body = json.dumps(batch).encode()
        with socket.create_connection((address.hostname or "", address.port or 0)) as client:
            client.sendall(b"POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n")
            client.sendall(f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
            function.arrived()
        function.idle()
        embed(function, "a")
        status, answer = function.ask("/v1/embeddings", batch)
        assert (status, answer["error"]["code"]) == (503, "unavailable")
        assert "ran out" in answer["error"]["message"]
        events = [line.get("event") for line in map(json.loads, filter(None, function.log.read_text().splitlines()))]
        assert [event for event in events if event in ("cancelled", "reply")] == ["cancelled", "reply", "reply"]


def test_embeddings_require_the_key(tmp_path: Path, bert: Bert) -> None:
    path = write_bert(tmp_path / "bert.gguf", bert)
    with serving(tmp_path, MODEL_URI=str(path), API_KEY="k") as function:
        assert function.ask(*EMBEDDING)[0] == 401
        assert function.ask(*RERANK)[0] == 401
        assert function.ask(*EMBEDDING, {"Authorization": "Bearer k"})[0] == 200


def test_pooling_setting_serves_an_encoder_and_rejects_what_it_cannot(tmp_path: Path, bert: Bert) -> None:
    path = write_bert(tmp_path / "bert.gguf", bert, pooling=None)
    with serving(tmp_path, MODEL_URI=str(path), POOLING="cls") as function:
        (vector,) = vectors(embed(function, CAT))
        assert vector @ unit(bert.embed(bert.tokenize(CAT))[0]) > 1 - 1e-5
    with serving(tmp_path, MODEL_URI=str(path), POOLING="rank") as function:
        report = function.wait("failed")
    assert report["error"]["code"] == "model_unusable"
    assert "cannot rerank" in report["error"]["message"]


def test_application_does_not_import_embeddings() -> None:
    """Chat's cold start imports none of the modules for embeddings."""
    code = (
        "import sys; import function.main; "
        "late = ['function.engine.embedding', 'function.web.embedding_stream', 'function.web.reply.embeddings']; "
        "sys.exit(', '.join(name for name in late if name in sys.modules) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], env={"PATH": ""}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
