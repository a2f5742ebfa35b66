"""/tokenize, /detokenize and /apply-template: llama-server's shapes, no place in the queue."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.servers.doors import ServedFunction, Stream, serving
from tests.servers.gated import gated_store

ENDLESS: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}], "ignore_eos": True, "stream": True}
TEXT = "Hello ñ 日本 🎉 <|im_end|> \n  x"


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory, slow_model: Path) -> Iterator[ServedFunction]:
    with serving(tmp_path_factory.mktemp("tokens"), MODEL_URI=str(slow_model), QUEUE_SIZE="0") as running:
        running.wait("ready")
        yield running


def tokens(function: ServedFunction, content: str, **fields: Any) -> Any:
    status, answer = function.ask("/tokenize", {"content": content, **fields})
    assert status == 200, answer
    return answer["tokens"]


def test_tokenize_and_detokenize_are_inverse(function: ServedFunction) -> None:
    for fields in ({}, {"parse_special": False}, {"add_special": False}):
        assert function.ask("/detokenize", {"tokens": tokens(function, TEXT, **fields)}) == (200, {"content": TEXT})
    assert tokens(function, "") == []
    assert function.ask("/detokenize", {"tokens": []}) == (200, {"content": ""})


def test_special_tokens_are_parsed_unless_switched_off(function: ServedFunction) -> None:
    assert len(tokens(function, "<|im_end|>")) == 1
    assert len(tokens(function, "<|im_end|>", parse_special=False)) > 1


def test_pieces_are_texts_or_bytes(function: ServedFunction) -> None:
    answer = tokens(function, TEXT, with_pieces=True)
    assert [entry["id"] for entry in answer] == tokens(function, TEXT)
    assert any(isinstance(entry["piece"], list) for entry in answer)
    data = b"".join(bytes(p) if isinstance(p := entry["piece"], list) else p.encode() for entry in answer)
    assert data.decode() == TEXT


def test_apply_template_equals_prompt_of_chat(function: ServedFunction) -> None:
    messages = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "hi"}]
    status, answer = function.ask("/apply-template", {"messages": messages})
    assert (status, answer["prompt"]) == (
        200,
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n",
    )
    usage = function.ask("/v1/chat/completions", {"messages": messages, "max_tokens": 1})[1]["usage"]
    assert usage["prompt_tokens"] == len(tokens(function, answer["prompt"]))


def test_token_endpoints_do_not_queue(function: ServedFunction) -> None:
    with Stream(function, ENDLESS) as busy:
        busy.until("data: ")
        assert function.ask("/chat", {"prompt": "hi"})[0] == 429
        assert tokens(function, "hi")
        assert function.ask("/detokenize", {"tokens": [1]})[0] == 200
        assert function.ask("/apply-template", {"messages": ENDLESS["messages"]})[0] == 200
        busy.until("data: ")
    function.idle()


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/tokenize", {}, "content"),
        ("/tokenize", {"content": 7}, "content"),
        ("/tokenize", {"content": "\ud800"}, "content"),
        ("/tokenize", {"content": "x", "add_special": 1}, "add_special"),
        ("/detokenize", {"tokens": [1 << 30]}, "tokens"),
        ("/detokenize", {"tokens": [-1]}, "tokens.0"),
        ("/detokenize", {"tokens": "1"}, "tokens"),
        ("/apply-template", {"messages": []}, "messages"),
        ("/apply-template", {"prompt": "x"}, "messages"),
    ],
)
def test_wrong_field_is_400_that_names_it(function: ServedFunction, path: str, body: object, param: str) -> None:
    status, answer = function.ask(path, body)
    assert (status, answer["error"]["param"]) == (400, param), answer


def test_tokenize_accepts_long_texts_up_to_body_limit(function: ServedFunction) -> None:
    assert len(tokens(function, "ab" * 100_000)) > 0
    assert function.ask("/tokenize", {"content": "x" * (5 << 20)})[0] == 413


def test_token_endpoints_wait_for_model_in_cold_start(tmp_path: Path, tiny_model: Path) -> None:
    with (
        gated_store(tiny_model) as (uri, gate),
        serving(tmp_path, MODEL_URI=uri) as function,
        ThreadPoolExecutor(1) as pool,
    ):
        asked = pool.submit(function.ask, "/tokenize", {"content": "hi"})
        function.wait("fetching")
        assert not asked.done()
        gate.set()
        assert asked.result()[0] == 200


def test_token_endpoints_report_load_failure(tmp_path: Path) -> None:
    with serving(tmp_path, MODEL_URI=str(tmp_path / "none.gguf")) as function:
        status, answer = function.ask("/tokenize", {"content": "hi"})
        assert (status, answer["error"]["code"]) == (503, "model_not_found")


def test_token_endpoints_require_key(tmp_path: Path, tiny_model: Path) -> None:
    with serving(tmp_path, MODEL_URI=str(tiny_model), API_KEY="k") as function:
        for path in ("/tokenize", "/detokenize", "/apply-template", "/v1/completions"):
            assert function.ask(path, {})[0] == 401
