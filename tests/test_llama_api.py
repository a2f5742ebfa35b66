"""llama.cpp's own API: /completion, /completions, /slots, /props, input_tokens, and its additions to OpenAI's."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.scripted_model import write_scripted_model
from tests.servers.doors import ServedFunction, Stream, serving

REPLY = "Hello there, how are you today my friend?"
PATH = "/completion"
CHAT = "/v1/chat/completions"
MESSAGES = [{"role": "user", "content": "hi"}]


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedFunction]:
    tmp = tmp_path_factory.mktemp("llama")
    model = write_scripted_model(tmp / "model.gguf", {"\n": REPLY, "?": "One two\nthree"}, n_ctx=512)
    with serving(tmp, MODEL_URI=str(model)) as running:
        running.wait("ready")
        yield running


def ask(function: ServedFunction, path: str = PATH, **fields: Any) -> Any:
    status, answer = function.ask(path, fields)
    assert status == 200, answer
    return answer


def streamed(function: ServedFunction, path: str = PATH, **fields: Any) -> list[Any]:
    with Stream(function, fields | {"stream": True}, path) as stream:
        lines = [line[6:] for line in stream.rest() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def test_completion_has_content_settings_and_timings(function: ServedFunction) -> None:
    reply = ask(function, prompt="a\n", n_predict=4, seed=5, temperature=0.5)
    assert reply["content"] == "Hello there, how are"
    assert reply["tokens"] == []
    assert (reply["stop"], reply["stop_type"], reply["stopping_word"]) == (True, "limit", "")
    assert (reply["tokens_predicted"], reply["tokens_evaluated"], reply["truncated"]) == (4, 2, False)
    assert reply["prompt"] == "a\n"
    settings = reply["generation_settings"]
    assert (settings["n_predict"], settings["seed"], settings["temperature"]) == (4, 5, 0.5)
    timings = reply["timings"]
    assert (timings["predicted_n"], timings["prompt_n"] + timings["cache_n"]) == (4, 2)
    assert all(value >= 0 for value in timings.values())


def test_completion_ends_by_end_token_stop_string_or_context(function: ServedFunction) -> None:
    whole = ask(function, prompt="a\n")
    assert (whole["content"], whole["stop_type"]) == (REPLY, "eos")
    stopped = ask(function, prompt="a\n", stop=["there", "you"])
    assert (stopped["content"], stopped["stop_type"], stopped["stopping_word"]) == ("Hello ", "word", "there")
    full = ask(function, prompt="x" * 500 + "\n", ignore_eos=True)
    assert (full["stop_type"], full["truncated"], full["tokens_predicted"]) == ("limit", True, 512 - 501)
    assert ask(function, prompt="b?")["has_new_line"] is True


def test_completion_returns_tokens_that_spell_content(function: ServedFunction) -> None:
    reply = ask(function, prompt="a\n", return_tokens=True)
    assert ask(function, "/detokenize", tokens=reply["tokens"])["content"] == reply["content"]


def test_streamed_completion_equals_whole(function: ServedFunction) -> None:
    *pieces, last = streamed(function, prompt="a\n", n_predict=5)
    whole = ask(function, prompt="a\n", n_predict=5, return_tokens=True)
    assert "".join(piece["content"] for piece in pieces) == whole["content"]
    assert [token for piece in pieces for token in piece["tokens"]] == whole["tokens"]
    assert not any(piece["stop"] for piece in pieces)
    assert (last["stop"], last["content"], last["stop_type"]) == (True, "", "limit")
    assert last["generation_settings"]["stream"] is True
    assert last["timings"]["predicted_n"] == 5


def test_stream_of_completion_has_no_done(function: ServedFunction) -> None:
    with Stream(function, {"prompt": "a\n", "stream": True}, PATH) as stream:
        assert "data: [DONE]" not in stream.rest()


def test_completion_probabilities_are_those_of_openai_form(function: ServedFunction) -> None:
    reply = ask(function, prompt="a\n", n_predict=3, n_probs=4)
    other = ask(function, "/v1/completions", prompt="a\n", max_tokens=3, logprobs=4)["choices"][0]["logprobs"]
    found = reply["completion_probabilities"]
    assert [entry["token"] for entry in found] == other["tokens"]
    assert [entry["logprob"] for entry in found] == other["token_logprobs"]
    assert all(len(entry["top_logprobs"]) == 4 for entry in found)
    assert bytes(byte for entry in found for byte in entry["bytes"]).decode() == reply["content"]
    *pieces, _ = streamed(function, prompt="a\n", n_predict=3, n_probs=4)
    assert [entry for piece in pieces for entry in piece["completion_probabilities"]] == found


def test_post_sampling_probabilities_are_those_of_the_sampler(function: ServedFunction) -> None:
    body: dict[str, Any] = {"prompt": "a\n", "n_predict": 3, "n_probs": 5, "post_sampling_probs": True}
    chosen = ask(function, **body, top_k=1)["completion_probabilities"]
    assert [(entry["prob"], len(entry["top_probs"])) for entry in chosen] == [(1.0, 1)] * 3
    body |= {"prompt": "xy", "temperature": 100, "min_p": 0, "top_p": 1, "seed": 1}
    for top_k in (0, 4):
        found = ask(function, **body, top_k=top_k)["completion_probabilities"]
        for entry in found:
            probabilities = [each["prob"] for each in entry["top_probs"]]
            assert len(probabilities) == (4 if top_k else 5)
            assert probabilities == sorted(probabilities, reverse=True)
            assert (sum(probabilities) == pytest.approx(1)) == bool(top_k)
            assert 0 < entry["prob"] <= 1
    greedy = ask(function, **body | {"temperature": 0})["completion_probabilities"]
    assert [entry["prob"] for entry in greedy] == [1.0] * 3


def test_response_fields_select_and_unnest(function: ServedFunction) -> None:
    fields = ["content", "generation_settings/n_predict", "no/such", "timings/predicted_n"]
    reply = ask(function, prompt="a\n", n_predict=3, response_fields=fields)
    assert reply == {"content": "Hello there, how", "generation_settings/n_predict": 3, "timings/predicted_n": 3}
    *_, last = streamed(function, prompt="a\n", n_predict=3, response_fields=["stop"])
    assert last == {"stop": True}


def test_completion_takes_every_form_of_prompt(function: ServedFunction) -> None:
    expected = ask(function, prompt="a\n", n_predict=3)["content"]
    tokens = ask(function, "/tokenize", content="a\n")["tokens"]
    for prompt in (tokens, ["a", *tokens], {"prompt_string": "a\n"}, [*tokens, "\n"]):
        assert ask(function, prompt=prompt, n_predict=3)["content"] == expected
    several = ask(function, prompt=["a\n", tokens, {"prompt_string": "a\n", "multimodal_data": []}], n_predict=3)
    assert [(reply["index"], reply["content"]) for reply in several] == [(0, expected), (1, expected), (2, expected)]


def test_prompt_with_media_is_rejected(function: ServedFunction) -> None:
    prompt = {"prompt_string": "a <__media__>", "multimodal_data": ["aGk="]}
    status, answer = function.ask(PATH, {"prompt": prompt})
    assert status == 400
    assert answer["error"]["param"].endswith("multimodal_data")


def test_grammar_holds_reply_at_every_endpoint(function: ServedFunction) -> None:
    grammar = 'root ::= item{2} [\\u00e9] .\nitem ::= "ab" | "start" item # a comment'
    body: dict[str, Any] = {"grammar": grammar, "temperature": 1.0, "seed": 3, "max_tokens": 200}
    text = ask(function, prompt="a\n", **body)["content"]
    assert text.startswith(("ab", "start"))
    assert text[-2] == "é"
    assert ask(function, "/v1/completions", prompt="a\n", **body)["choices"][0]["text"] == text
    chat = ask(function, CHAT, messages=MESSAGES, **body)["choices"][0]["message"]["content"]
    assert chat[-2] == "é"


@pytest.mark.parametrize(
    ("grammar", "reason"),
    [
        ("root ::= this is (not valid GBNF", "not GBNF"),
        ('x ::= "a"', "root"),
        ("root ::= " + "(" * 5000 + '"a"' + ")" * 5000, "nested"),
        ('root ::= "a" | <[1000]>', "not GBNF"),
        ("x" * 300_000, "262,144"),
        ("\n".join(f'r{i} ::= r{i + 1} "x"' for i in range(4000)) + '\nr4000 ::= "a"\nroot ::= r0', "too complex"),
    ],
    ids=["invalid", "no root", "deep", "tokens", "large", "slow"],
)
def test_unusable_grammar_is_rejected_by_name(function: ServedFunction, grammar: str, reason: str) -> None:
    status, answer = function.ask(PATH, {"prompt": "a", "grammar": grammar})
    assert (status, answer["error"]["param"]) == (400, "grammar")
    assert reason in answer["error"]["message"]


def test_completions_without_version_follow_the_model_field(function: ServedFunction) -> None:
    assert ask(function, "/completions", prompt="a\n", n_predict=2)["content"] == "Hello there,"
    reply = ask(function, "/completions", prompt="a\n", max_tokens=2, model="any")
    assert reply["choices"][0]["text"] == "Hello there,"


def test_timings_and_progress_are_added_on_request(function: ServedFunction) -> None:
    body: dict[str, Any] = {"messages": MESSAGES, "max_tokens": 4}
    assert "timings" not in ask(function, CHAT, **body)
    assert ask(function, CHAT, **body, timings_per_token=True)["timings"]["predicted_n"] == 4
    options = {"timings_per_token": True, "return_progress": True, "stream_options": {"include_usage": True}}
    first, *chunks, last, usage = streamed(function, CHAT, **body, **options)
    assert first["choices"][0]["delta"]["role"] == "assistant"
    assert "timings" not in first
    assert last["timings"] == usage["timings"]
    assert usage["timings"]["predicted_n"] == 4
    reports = [chunk["prompt_progress"] for chunk in chunks if "prompt_progress" in chunk]
    assert reports[0]["processed"] == reports[0]["cache"]
    assert reports[-1]["processed"] == reports[-1]["total"] == usage["usage"]["prompt_tokens"]
    texts = [chunk for chunk in chunks if chunk["choices"][0]["delta"].get("content")]
    assert [chunk["timings"]["predicted_n"] for chunk in texts] == [1, 2, 3, 4]


def test_verbose_adds_native_form(function: ServedFunction) -> None:
    reply = ask(function, CHAT, messages=MESSAGES, max_tokens=2, verbose=True)
    prompt = ask(function, "/apply-template", messages=MESSAGES)["prompt"]
    assert reply["__verbose"]["prompt"] == prompt
    assert reply["__verbose"]["content"] == reply["choices"][0]["message"]["content"]
    assert "__verbose" not in ask(function, CHAT, messages=MESSAGES, max_tokens=2)


@pytest.mark.parametrize("path", ["/v1/chat/completions/input_tokens", "/chat/completions/input_tokens"])
def test_input_tokens_counts_as_usage_does(function: ServedFunction, path: str) -> None:
    counted = ask(function, path, messages=MESSAGES)
    usage = ask(function, CHAT, messages=MESSAGES, max_tokens=1)["usage"]
    assert counted == {"object": "response.input_tokens", "input_tokens": usage["prompt_tokens"]}


def test_biased_text_biases_each_of_its_tokens(function: ServedFunction) -> None:
    tokens = ask(function, "/tokenize", content="Hi you")["tokens"]
    reply = ask(function, prompt="a\n", n_predict=1, logit_bias=[["Hi you", False], [str(tokens[0]), 2]])
    found = {entry["token"]: entry["bias"] for entry in reply["generation_settings"]["logit_bias"]}
    assert found == dict.fromkeys(tokens, -100.0) | {tokens[0]: 2.0}, "an id comes before a text"


def test_probed_paths_describe_the_model(function: ServedFunction) -> None:
    properties = function.get("/props")[1]
    assert properties["total_slots"] == 1
    assert properties["model_path"] == "model.gguf"
    assert properties["default_generation_settings"]["n_ctx"] == 512
    assert properties["default_generation_settings"]["params"]["n_predict"] == -1
    assert function.get("/slots")[1] == [{"id": 0, "n_ctx": 512, "speculative": False, "is_processing": False}]
    (model,) = function.get("/models")[1]["data"]
    assert model["meta"]["n_ctx"] == model["context_length"] == model["max_model_len"] == 512
    assert model["meta"]["size"] > 0
