"""The default model, a real one, through the whole function: replies with meaning, numbers equal to llama.cpp's."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import jsonschema
import numpy as np
import pytest
from llama_cpp import Llama

from bench.memory import used
from function import default_model
from function.gguf import fit, read_header
from tests.servers.doors import ServedFunction, Stream, serving
from tests.servers.process import free_port, running
from tests.test_snapshot import command

CHAT = "/v1/chat/completions"
LOGPROB_TOLERANCE = 1e-3
QUESTIONS = ("Name the capital of France.", "Write a Python function that adds two numbers.", "Hello!")
SYSTEM = "You are a helpful assistant. " + " ".join(f"Rule {n}: be kind, brief and exact." for n in range(12))


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedFunction]:
    """The function with no setting but a context."""
    with serving(tmp_path_factory.mktemp("real"), MODEL_URI="", N_CTX="2048") as running:
        running.wait("ready")
        yield running


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedFunction]:
    """The function without repacked weights: AMX, for example, multiplies whole numbers in another order."""
    with serving(tmp_path_factory.mktemp("exact"), MODEL_URI="", N_CTX="2048", LOAD_MODE="mapped") as running:
        running.wait("ready")
        yield running


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def ask(function: ServedFunction, *messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return the body of a greedy reply of at most 64 tokens, without the penalty that the model has by default."""
    greedy = {"messages": messages, "temperature": 0, "dry_multiplier": 0, "max_tokens": 64}
    status, body = function.ask(CHAT, greedy | fields)
    assert status == 200, body
    found: dict[str, Any] = body
    return found


def content(body: dict[str, Any]) -> str:
    return str(body["choices"][0]["message"]["content"])


def test_greedy_tokens_and_logprobs_equal_the_bindings(exact: ServedFunction, real_model: Path) -> None:
    """The bindings' own loop, which computes whole batches, is another way through llama.cpp."""
    model = Llama(str(real_model), n_ctx=512, n_threads=1, flash_attn=False, logits_all=True, verbose=False)
    for question in QUESTIONS:
        status, prompt = exact.ask("/apply-template", {"messages": [user(question)]})
        assert status == 200, prompt
        reply = model.create_completion(prompt["prompt"], max_tokens=24, temperature=0, logprobs=1)
        assert isinstance(reply, dict)
        expected = reply["choices"][0]["logprobs"]
        assert expected is not None
        body = ask(exact, user(question), logprobs=True, max_tokens=24)
        found = body["choices"][0]["logprobs"]["content"]
        assert [token["token"] for token in found] == expected["tokens"]
        assert [token["logprob"] for token in found] == pytest.approx(expected["token_logprobs"], abs=LOGPROB_TOLERANCE)
    model.close()


@pytest.mark.slow
@pytest.mark.skipif("LLAMA_SERVER" not in os.environ, reason="LLAMA_SERVER does not name llama.cpp's server")
def test_greedy_tokens_and_logprobs_equal_llama_server(exact: ServedFunction, real_model: Path, tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    options = ["-m", str(real_model), "--port", str(port), "-c", "2048", "-t", "1", "-np", "1", "-fa", "off", "--jinja"]
    with running([os.environ["LLAMA_SERVER"], *options], port, log) as server:
        peer = ServedFunction(server.url, log, server.process)
        while peer.get("/health")[0] == 503:
            time.sleep(0.05)
        for question in QUESTIONS:
            replies = [ask(each, user(question), logprobs=True, max_tokens=24) for each in (exact, peer)]
            found, expected = (reply["choices"][0]["logprobs"]["content"] for reply in replies)
            if replies[1]["choices"][0]["finish_reason"] == "stop":
                expected.pop()  # llama-server lists the token that ends the turn
            assert [token["token"] for token in found] == [token["token"] for token in expected]
            for token, other in zip(found, expected, strict=True):
                assert token["logprob"] == pytest.approx(other["logprob"], abs=LOGPROB_TOLERANCE)


def test_conversation_of_several_turns_reuses_the_prefix(function: ServedFunction) -> None:
    messages: list[dict[str, str]] = []
    read = 0
    for question, answer in (
        ("Name the capital of France.", "Paris"),
        ("What is the capital city of Japan?", "Tokyo"),
        ("What is the capital of Italy?", "Rome"),
    ):
        messages.append(user(question))
        body = ask(function, *messages)
        assert answer in content(body)
        usage = body["usage"]
        assert usage["prompt_tokens_details"]["cached_tokens"] >= read
        read = usage["prompt_tokens"]
        messages.append({"role": "assistant", "content": content(body)})


def test_replies_end_by_themselves_and_do_not_loop(function: ServedFunction) -> None:
    """With the sampling that holds where a request sets none."""
    for seed, question in enumerate(("Hello! Who are you?", "Why is the sky blue?", "Give me three ideas for dinner.")):
        status, body = function.ask(CHAT, {"messages": [user(question)], "seed": seed, "max_tokens": 600})
        assert status == 200
        choice = body["choices"][0]
        assert choice["finish_reason"] == "stop", choice
        sentences = [part.strip() for part in choice["message"]["content"].split(".") if len(part.strip()) > 20]
        assert len(set(sentences)) >= 0.8 * len(sentences), choice


def test_json_follows_the_schema(function: ServedFunction) -> None:
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 30}, "inhabitants": {"type": "integer"}},
        "required": ["city", "inhabitants"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "json_schema": {"name": "city", "schema": schema}}
    reply = json.loads(content(ask(function, user("Describe Paris as JSON: city, inhabitants."), response_format=form)))
    jsonschema.validate(reply, schema)
    assert "Paris" in reply["city"]


def test_tool_is_called_and_its_result_is_used(function: ServedFunction) -> None:
    parameters = {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 20}},
        "required": ["city"],
        "additionalProperties": False,
    }
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": parameters}}
    question = user("What is the weather in Oslo?")
    body = ask(function, question, tools=[tool], tool_choice="required", parallel_tool_calls=False)
    message = body["choices"][0]["message"]
    (call,) = message["tool_calls"]
    assert call["function"]["name"] == "get_weather"
    jsonschema.validate(json.loads(call["function"]["arguments"]), parameters)
    assert body["choices"][0]["finish_reason"] == "tool_calls"
    result = {"role": "tool", "tool_call_id": call["id"], "content": "It is snowing, minus 5 degrees."}
    answer = ask(function, question, message, result, tools=[tool], tool_choice="none")
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert "snow" in content(answer), content(answer)


def test_cancelled_reply_frees_the_model(function: ServedFunction) -> None:
    endless = {"messages": [user("Tell me a long story.")], "ignore_eos": True, "stream": True}
    with Stream(function, endless) as stream:
        stream.until("data: {")
    function.idle()
    assert "Paris" in content(ask(function, user("Name the capital of France.")))


def test_restored_snapshot_gives_the_same_reply(real_model: Path, tmp_path: Path) -> None:
    """Log probabilities included, to the last bit."""
    model = tmp_path / "model.gguf"
    model.symlink_to(real_model)
    env = {"MODEL_URI": str(model), "SYSTEM_PROMPT": SYSTEM, "N_CTX": "1024", "N_THREADS": "1"}
    replies = []
    for cached in (False, True):
        with serving(tmp_path, **env) as function:
            function.wait("ready")
            body = ask(function, user("What is the capital of France?"), logprobs=True, max_tokens=24)
        assert (body["usage"]["prompt_tokens_details"]["cached_tokens"] > 0) == cached
        replies.append(body["choices"][0]["logprobs"]["content"])
        if not cached:
            made = command(env, "--json")
            assert json.loads(made.stdout)["stored"] is True, made.stderr
    assert replies[0] == replies[1]


@pytest.mark.parametrize("n_ctx", [2048, 8192])
def test_planned_memory_is_within_five_percent_of_what_is_used(real_model: Path, n_ctx: int) -> None:
    planned = fit(read_header(real_model), n_ctx, prefixes=0).total
    assert planned == pytest.approx(used(real_model, n_ctx), rel=0.05)


def test_adapter_changes_replies_and_one_of_zeros_does_not(function: ServedFunction, tmp_path: Path) -> None:
    question = user("What is the capital of France?")
    replies = []
    for strength in (0.0, 2.0):
        adapter = tmp_path / f"{strength}.gguf"
        write_adapter(adapter, strength)
        with serving(tmp_path, MODEL_URI="", N_CTX="2048", LORA_URI=str(adapter)) as adapted:
            replies.append(content(ask(adapted, question, max_tokens=16)))
    zeros, strong = replies
    assert zeros == content(ask(function, question, max_tokens=16)) != strong


def write_adapter(path: Path, strength: float, rank: int = 4, width: int = 576) -> None:
    """Write a LoRA adapter over the queries of every layer."""
    random = np.random.default_rng(0)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(rank))
    for layer in range(30):
        for part, shape in ((".lora_a", (rank, width)), (".lora_b", (width, rank))):
            weights = random.normal(0, strength, shape).astype(np.float32)
            writer.add_tensor(f"blk.{layer}.attn_q.weight{part}", weights)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_model_is_named_in_replies_and_on_the_page(function: ServedFunction) -> None:
    assert function.get("/v1/models")[1]["data"][0]["id"] == default_model.NAME
    page = function.exchange("/", None)[2]
    assert default_model.SOURCE_URL in page
    assert default_model.LICENSE in page
