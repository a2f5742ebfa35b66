"""A second real model, of another architecture: Gemma 3 270M, with sliding windows and 262,144 tokens."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from llama_cpp import Llama

from bench.memory import used
from function.gguf import fit, read_header
from tests.servers.doors import ServedFunction, Stream, serving

pytestmark = pytest.mark.slow

COUNTING = "1, 2, 3, 4,"
SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "maxLength": 30},
        "inhabitants": {"type": "integer", "maximum": 99_999_999},
    },
    "required": ["city", "inhabitants"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def function(gemma_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedFunction]:
    with serving(tmp_path_factory.mktemp("gemma"), MODEL_URI=str(gemma_model), N_CTX="2048") as running:
        running.wait("ready")
        yield running


def complete(function: ServedFunction, prompt: str, **fields: Any) -> dict[str, Any]:
    """Return the body of a greedy completion of at most 16 tokens."""
    status, body = function.ask("/v1/completions", {"prompt": prompt, "temperature": 0, "max_tokens": 16, **fields})
    assert status == 200, body
    found: dict[str, Any] = body
    return found


def test_greedy_replies_equal_those_of_the_bindings(function: ServedFunction, gemma_model: Path) -> None:
    """The bindings' own loop, which computes whole batches, is another way through llama.cpp."""
    model = Llama(str(gemma_model), n_ctx=512, n_threads=1, flash_attn=False, verbose=False)
    for prompt in (COUNTING, "The capital of France is", "Once upon a time"):
        expected = model.create_completion(prompt, max_tokens=16, temperature=0)
        assert isinstance(expected, dict)
        assert complete(function, prompt)["choices"][0]["text"] == expected["choices"][0]["text"]
    model.close()


def test_prefix_is_reused_within_and_beyond_the_window(function: ServedFunction) -> None:
    text = " ".join(f"Item {n} costs {n * n % 97} euros." for n in range(100))  # longer than the window of 512 tokens
    first = complete(function, text)
    again = complete(function, text + " The end.")
    assert again["usage"]["prompt_tokens_details"]["cached_tokens"] >= first["usage"]["prompt_tokens"] - 1


def test_json_follows_the_schema(function: ServedFunction) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "city", "schema": SCHEMA}}
    messages = [{"role": "user", "content": "Describe Paris as JSON: city, inhabitants."}]
    body = {"messages": messages, "temperature": 0, "max_tokens": 100, "response_format": form}
    status, reply = function.ask("/v1/chat/completions", body)
    assert status == 200, reply
    jsonschema.validate(json.loads(reply["choices"][0]["message"]["content"]), SCHEMA)


def test_cancelled_reply_frees_the_model(function: ServedFunction) -> None:
    with Stream(function, {"prompt": "Once", "ignore_eos": True, "stream": True}, "/v1/completions") as stream:
        stream.until("data: {")
    function.idle()
    assert complete(function, COUNTING)["choices"][0]["text"].startswith(" 5, 6, 7")


@pytest.mark.parametrize("n_ctx", [2048, 8192])
def test_planned_memory_is_within_five_percent_of_what_is_used(gemma_model: Path, n_ctx: int) -> None:
    planned = fit(read_header(gemma_model), n_ctx, prefixes=0).total
    assert planned == pytest.approx(used(gemma_model, n_ctx), rel=0.05)
