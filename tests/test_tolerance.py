"""Tolerance: a field without effect on the reply is accepted, and named if it is unknown."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from function.errors import RequestError
from function.web.request.schema import Chat, ChatCompletion, Completion, Tokenize
from tests.servers.doors import ServedFunction, serving

USER: dict[str, Any] = {"role": "user", "content": "hi"}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {"name": "f", "parameters": {"type": "object", "properties": {}}},
}


def parse(**fields: Any) -> ChatCompletion:
    return ChatCompletion.parse({"messages": [USER]} | fields, strict=True)


def parse_messages(*messages: Any) -> ChatCompletion:
    return parse(messages=[USER, *messages, USER])


@pytest.mark.parametrize(
    "fields",
    [
        {"n": 1},
        {"n": 1.0},
        {"functions": []},
        {"function_call": "auto"},
        {"function_call": "none"},
        {"grammar": ""},
        {"samplers": []},
        {"lora": []},
        {"timings_per_token": True, "return_progress": True, "verbose": True},
        {"n_probs": 0},
        {"min_keep": 0},
        {"min_tokens": 0},
        {"post_sampling_probs": False},
        {"return_tokens": False},
        {"response_fields": []},
        {"t_max_predict_ms": -1},
        {"reasoning_format": "auto"},
        {"reasoning_budget_tokens": -1},
        {"parse_tool_calls": True},
        {"add_generation_prompt": True},
        {"continue_final_message": False},
        {"repetition_penalty": 1.0},
        {"length_penalty": 1},
        {"use_beam_search": False},
        {"stop_token_ids": []},
        {"bad_words": []},
        {"skip_special_tokens": True},
        {"modalities": ["text"]},
        {"documents": []},
        {"user": "u", "store": True, "metadata": {"a": "b"}, "service_tier": "auto", "prompt_cache_key": "k"},
        {"audio": None, "web_search_options": None, "logit_bias": None, "reasoning_effort": None},
    ],
)
def test_neutral_value_is_accepted_and_not_named(fields: dict[str, Any]) -> None:
    assert parse(**fields).ignored_fields() == []


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"verbosity": "low"}, ["verbosity"]),
        ({"keep_alive": "5m"}, ["keep_alive"]),
        ({"priority": 3}, ["priority"]),
        ({"cache_prompt": True, "id_slot": -1}, ["cache_prompt", "id_slot"]),
        ({"n_keep": 0, "n_discard": 4}, ["n_keep", "n_discard"]),
        ({"session_id": "s", "usage": {"include": True}}, ["session_id", "usage"]),
        ({"include_reasoning": True, "plugins": [], "provider": {}}, ["include_reasoning", "plugins", "provider"]),
        ({"stream_options": {"continuous_usage_stats": False}}, ["stream_options.continuous_usage_stats"]),
        ({"temprature": 1}, ["temprature"]),
        ({"messages": [USER | {"id": "m1"}]}, ["messages.id"]),
        ({"messages": [USER | {"cache_control": {"type": "ephemeral"}}] * 2}, ["messages.cache_control"]),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "a", "cache_control": {}}]}]},
            ["messages.content.cache_control"],
        ),
        ({"tools": [TOOL | {"cache_control": {}, "strict": True}]}, ["tools.cache_control", "tools.strict"]),
        ({"tools": [{**TOOL, "function": {**TOOL["function"], "returns": {}}}]}, ["tools.function.returns"]),
        ({"response_format": {"type": "text", "extra": 1}}, ["response_format.extra"]),
    ],
)
def test_unknown_field_is_accepted_and_named(fields: dict[str, Any], names: list[str]) -> None:
    assert parse(**fields).ignored_fields() == names


@pytest.mark.parametrize(
    "name",
    ["reasoning", "reasoning_details", "thinking_blocks", "provider_specific_fields", "extra_content", "audio_id"],
)
def test_unknown_field_of_earlier_reply_is_accepted_and_named(name: str) -> None:
    body = parse_messages({"role": "assistant", "content": "hello", name: [{"type": "x"}]})
    assert body.messages[1].text() == "hello"
    assert body.ignored_fields() == [f"messages.{name}"]


def test_unknown_field_of_tool_call_is_accepted_and_named() -> None:
    call = CALL | {"extra_content": {"google": {"thought_signature": "s"}}}
    result = {"role": "tool", "tool_call_id": "c1", "content": "x", "is_error": False}
    body = parse_messages({"role": "assistant", "content": None, "tool_calls": [call]}, result)
    assert body.ignored_fields() == ["messages.tool_calls.extra_content", "messages.is_error"]


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"role": "assistant", "content": None}, ""),
        ({"role": "assistant"}, ""),
        ({"role": "assistant", "content": None, "tool_calls": []}, ""),
        ({"role": "assistant", "content": None, "refusal": "No."}, "No."),
        ({"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}, "No."),
        ({"role": "assistant", "content": [{"type": "output_text", "text": "a"}]}, "a"),
        ({"role": "user", "content": [{"type": "input_text", "text": "a"}, {"type": "text", "text": "b"}]}, "a\nb"),
        ({"role": "tool", "tool_call_id": "c1", "content": None}, ""),
    ],
)
def test_message_content_is_read_in_every_form(message: dict[str, Any], text: str) -> None:
    assert parse_messages(message).messages[1].text() == text


@pytest.mark.parametrize(("arguments", "text"), [({"a": 1}, '{"a": 1}'), (None, "{}"), ("{}", "{}")])
def test_tool_call_arguments_may_be_object_or_null(arguments: Any, text: str) -> None:
    call = {"id": "c1", "function": {"name": "f", "arguments": arguments}}
    calls = parse_messages({"role": "assistant", "tool_calls": [call]}).messages[1].tool_calls
    assert calls is not None
    assert calls[0].function.arguments == text


def test_tool_of_unknown_type_is_skipped() -> None:
    body = parse(tools=[{"type": "web_search"}, TOOL, {"type": "custom", "custom": {"name": "x"}}])
    assert [(index, tool.function.name) for index, tool in body.tool_choice.among(body.tools)] == [(1, "f")]
    assert body.ignored_fields() == ["tools.web_search", "tools.custom"]


@pytest.mark.parametrize(
    ("tools", "param"),
    [
        ([{"type": "web_search"}, {"type": "function", "function": {}}], "tools.1.function.name"),
        ([{"type": "web_search"}, TOOL, TOOL], "tools.2.function.name"),
        ([{"type": "web_search"}, TOOL, {"function": {"name": "g"}}], "tools.2.type"),
    ],
)
def test_tool_after_skipped_one_keeps_its_index(tools: list[Any], param: str) -> None:
    with pytest.raises(RequestError) as caught:
        body = parse(tools=tools)
        body.tool_choice.among(body.tools)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("stop", "texts"), [("", ()), ([""], ()), (["", "\n"], ("\n",)), ([], ()), ("a", ("a",)), (["a", "b"], ("a", "b"))]
)
def test_empty_stop_string_has_no_effect(stop: Any, texts: tuple[str, ...]) -> None:
    assert parse(stop=stop).stop_strings == texts


def test_too_many_stop_strings_are_counted_in_error() -> None:
    with pytest.raises(RequestError, match="stop: List should have at most 16 items"):
        parse(stop=["x"] * 17)


def test_minus_one_means_no_limit() -> None:
    assert parse(top_k=-1).sampling().top_k == 0
    for name in ("max_tokens", "max_completion_tokens", "n_predict"):
        assert parse(**{name: -1}).token_limit is None
        assert Completion.parse({"prompt": "a", name: -1}, strict=True).token_limit is None
    assert Completion.parse({"prompt": "a", "n_predict": 5}, strict=True).token_limit == 5
    assert Completion.parse({"prompt": "a"}, strict=True).token_limit == 16


def test_logit_bias_may_name_texts() -> None:
    body = parse(logit_bias=[["42", -1], [" the ", False]])
    assert body.sampling().logit_bias == {42: -1.0}
    assert body.biased_texts == {" the ": -100.0}


@pytest.mark.parametrize(
    "bias", [{"42": -100}, {"42": False}, [["42", False]], [[42, -100]], [[42, False]], [[42, -100.0]]]
)
def test_logit_bias_may_be_pairs_and_false(bias: Any) -> None:
    assert parse(logit_bias=bias).sampling().logit_bias == {42: -100.0}


@pytest.mark.parametrize("name", ["max_tokens", "seed", "top_k", "repeat_last_n"])
def test_integer_may_be_written_with_a_point(name: str) -> None:
    assert getattr(parse(**{name: 256.0}), name) == 256
    with pytest.raises(RequestError, match=name):
        parse(**{name: 256.5})


@pytest.mark.parametrize(
    "fields",
    [
        {"response_format": {"type": "json_object", "schema": {"const": 42}}},
        {"response_format": {"type": "json_schema", "schema": {"const": 42}}},
        {"response_format": {"type": "json_schema", "json_schema": {"schema": {"const": 42}}}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "an answer", "schema": {"const": 42}}}},
        {"json_schema": {"const": 42}},
    ],
)
def test_schema_is_found_in_every_spelling(fields: dict[str, Any]) -> None:
    expected = parse(response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {"const": 42}}})
    grammar, wanted = parse(**fields).grammar(), expected.grammar()
    assert grammar is not None
    assert wanted is not None
    assert grammar.rules == wanted.rules


def test_response_format_without_schema_is_named() -> None:
    with pytest.raises(RequestError, match=r"response_format\.json_schema"):
        parse(response_format={"type": "json_schema"}).grammar()


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"chat_template_kwargs": {"\ud83d": 1}}, "chat_template_kwargs.?"),
        (
            {"json_schema": {"properties": {"a": {"properties": {"\ud83d": {}}}}}},
            "json_schema.properties.a.properties.?",
        ),
        ({"messages": [USER | {"name": "\ud83d"}]}, "messages.0.name"),
        ({"logit_bias": {"\ud83d": 1}}, "logit_bias.\ufffd\ufffd\ufffd"),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"properties": {"\ud83d": {}}}}}]},
            "tools.0.function.parameters.properties.?",
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"enum": ["\ud83d"]}}}},
            "response_format.json_schema.schema.enum.0",
        ),
    ],
)
def test_half_of_a_surrogate_pair_is_named_anywhere(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(RequestError) as raised:
        parse(**fields)
    assert raised.value.param == param
    assert "surrogate" in str(raised.value) or "unicode" in str(raised.value)


def test_unknown_fields_are_named_for_every_body() -> None:
    assert Chat.parse({"prompt": "a", "x": "1"}, strict=False).ignored_fields() == ["x"]
    assert Completion.parse({"prompt": "a", "x": 1}, strict=True).ignored_fields() == ["x"]
    assert Tokenize.parse({"content": "a", "x": 1}, strict=True).ignored_fields() == ["x"]


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory, tiny_model: Any) -> Iterator[ServedFunction]:
    with serving(tmp_path_factory.mktemp("tolerance"), MODEL_URI=str(tiny_model)) as running:
        running.wait("ready")
        yield running


def test_openai_client_finds_ignored_fields_in_header_and_receipt(function: ServedFunction) -> None:
    extra = {"keep_alive": "5m", "top_k": -1, "logit_bias": [[5, False]], "ünicode\n": 1}
    messages: list[Any] = [USER | {"content": [{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}]}]
    with openai.OpenAI(base_url=f"{function.url}/v1", api_key="none", max_retries=0) as client:
        raw = client.chat.completions.with_raw_response.create(
            model="any",
            messages=messages,
            max_completion_tokens=3,
            verbosity="low",
            store=True,
            extra_body=extra,
            extra_headers={"X-Receipt": "1"},
        )
    named = ["verbosity", "keep_alive", "ünicode\n", "messages.content.cache_control"]
    assert raw.headers["x-ignored-fields"].split(", ") == [r"verbosity", "keep_alive", r"\xfcnicode", named[3]]
    assert raw.http_response.json()["receipt"]["ignored_fields"] == named
    assert raw.parse().choices[0].finish_reason


def test_thoughts_that_a_model_does_not_have_are_reported(function: ServedFunction) -> None:
    """A limit of no thoughts is kept; thoughts that were asked for are missing."""
    body = {"messages": [USER], "max_tokens": 2}
    for fields, named in (
        ({"thinking_budget_tokens": 9, "enable_thinking": True}, "enable_thinking, thinking_budget_tokens"),
        ({"thinking_budget_tokens": 0, "reasoning_effort": "none", "reasoning_budget_tokens": -1}, None),
    ):
        status, headers, _ = function.exchange("/v1/chat/completions", body | fields)
        assert (status, headers.get("x-ignored-fields")) == (200, named)


def test_stream_names_ignored_fields_in_header(function: ServedFunction) -> None:
    body = {"messages": [USER], "stream": True, "max_tokens": 2, "keep_alive": "5m"}
    _, headers, text = function.exchange("/v1/chat/completions", body)
    assert headers["x-ignored-fields"] == "keep_alive"
    assert text.endswith("data: [DONE]\n\n")


def test_header_of_ignored_fields_is_short(function: ServedFunction) -> None:
    body = {"content": "hi"} | {f"field-{number}": 1 for number in range(1000)}
    status, headers, _ = function.exchange("/tokenize", body)
    assert status == 200
    assert len(headers["x-ignored-fields"]) <= 1000


def test_json_schema_holds_text_completion(function: ServedFunction) -> None:
    body = {"prompt": "x", "json_schema": {"const": 42}, "n_predict": 8}
    answer = function.ask("/v1/completions", body)[1]
    assert answer["choices"][0]["text"] == "42"


BODIES: dict[str, dict[str, Any]] = {
    "litellm cache_control": {
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}]},
            USER,
        ]
    },
    "vercel": {"messages": [USER], "stream": True, "stream_options": {"include_usage": True}, "verbosity": "medium"},
    "langchain": {"messages": [USER], "n": 1, "stream": False, "parallel_tool_calls": None, "logit_bias": None},
    "pydantic-ai": {"messages": [USER], "tool_choice": "auto", "tools": [TOOL], "max_completion_tokens": 64},
    "instructor": {
        "messages": [USER],
        "tools": [TOOL],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "parallel_tool_calls": False,
    },
    "openai-agents": {"messages": [USER], "tools": [], "store": False, "metadata": {}, "top_logprobs": None},
    "open webui": {"messages": [USER], "stream": True, "chat_id": "c", "session_id": "s", "background_tasks": {}},
    "openrouter": {
        "messages": [USER],
        "usage": {"include": True},
        "provider": {"order": ["x"]},
        "plugins": [],
        "transforms": [],
        "include_reasoning": True,
    },
    "openrouter reply": {
        "messages": [
            USER,
            {
                "role": "assistant",
                "content": "a",
                "reasoning": "r",
                "reasoning_details": [{"type": "reasoning.text", "text": "r"}],
                "refusal": None,
                "annotations": [],
            },
            USER,
        ]
    },
    "litellm reply": {
        "messages": [
            USER,
            {
                "role": "assistant",
                "content": "a",
                "thinking_blocks": [{"type": "thinking", "thinking": "t", "signature": "s"}],
                "provider_specific_fields": {"citations": None},
                "function_call": None,
            },
            USER,
        ]
    },
    "gemini tool call": {
        "messages": [
            USER,
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [CALL | {"extra_content": {"google": {"thought_signature": "s"}}}],
            },
            {"role": "tool", "tool_call_id": "c1", "name": "f", "content": "x"},
        ]
    },
    "qwen-code": {"messages": [USER], "stream": True, "max_tokens": 2000, "temperature": 0, "top_p": 1, "metadata": {}},
    "opencode": {"messages": [USER], "max_tokens": 32000, "stream": True, "stream_options": {"include_usage": True}},
    "vllm": {
        "messages": [USER],
        "top_k": -1,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "length_penalty": 1.0,
        "use_beam_search": False,
        "stop_token_ids": [],
        "include_stop_str_in_output": False,
        "min_tokens": 0,
        "skip_special_tokens": True,
        "spaces_between_special_tokens": True,
        "add_generation_prompt": True,
        "continue_final_message": False,
        "add_special_tokens": False,
        "priority": 0,
        "request_id": "r",
        "return_token_ids": False,
        "kv_transfer_params": None,
    },
    "llama.cpp web": {
        "messages": [USER],
        "stream": True,
        "cache_prompt": True,
        "reasoning_format": "auto",
        "samplers": [],
        "dynatemp_range": 0,
        "xtc_probability": 0,
        "typical_p": 1,
        "max_tokens": -1,
        "timings_per_token": True,
        "return_progress": True,
        "n_probs": 0,
        "id_slot": -1,
        "n_keep": 0,
        "t_max_predict_ms": 0,
        "grammar": "",
        "ignore_eos": False,
    },
    "llama-cpp-python": {
        "messages": [USER],
        "response_format": {"type": "json_object", "schema": {"type": "object"}},
        "repeat_penalty": 1.1,
        "mirostat_mode": 0,
    },
    "ollama": {"messages": [USER], "keep_alive": "5m", "think": False, "format": "", "options": {}},
    "n8n": {
        "messages": [USER],
        "max_tokens": -1,
        "temperature": 0.7,
        "frequency_penalty": 0.0,
        "presence_penalty": 0.0,
    },
    "javascript numbers": {"messages": [USER], "max_tokens": 256.0, "seed": 1.0, "top_k": 40.0},
    "sillytavern": {"messages": [USER], "stop": ["", "\n\n"], "logit_bias": {}, "include_reasoning": False},
    "librechat": {"messages": [USER], "user": "u", "stop": [], "stream": True, "safety_identifier": "s"},
    "codex chat": {
        "messages": [USER],
        "tools": [TOOL, {"type": "local_shell"}, {"type": "web_search"}],
        "stream": True,
    },
    "azure": {"messages": [USER], "data_sources": [], "user_security_context": {}},
    "dify": {"messages": [USER], "model": "m", "response_format": {"type": "text"}, "stop": []},
    "continue": {"messages": [USER], "prediction": {"type": "content", "content": "x"}, "max_tokens": 100},
}


@pytest.mark.parametrize("client", BODIES)
def test_body_of_known_client_is_accepted(client: str) -> None:
    assert ChatCompletion.parse(BODIES[client], strict=True).messages
