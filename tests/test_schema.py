from dataclasses import fields
from typing import Any

import pytest

from function.engine import Sampling
from function.errors import RequestError
from function.web.request.schema import Chat, ChatCompletion, parse

USER = {"role": "user", "content": "hi"}


def refusal(**fields: Any) -> RequestError:
    with pytest.raises(RequestError) as raised:
        parse(ChatCompletion, {"messages": [USER]} | fields, strict=True)
    return raised.value


def test_the_defaults_are_the_engines() -> None:
    assert parse(ChatCompletion, {"messages": [USER]}, strict=True).sampling() == Sampling()


def test_null_counts_as_not_given() -> None:
    asked = parse(ChatCompletion, {"messages": [USER], "temperature": None, "stop": None, "tools": None}, strict=True)
    assert asked.sampling() == Sampling()
    assert asked.stops() == ()


def test_a_reply_may_be_sent_back_as_it_came() -> None:
    reply = {"role": "assistant", "content": "hello", "refusal": None, "tool_calls": None, "audio": None}
    asked = parse(ChatCompletion, {"messages": [USER, reply, USER]}, strict=True)
    assert (asked.messages[1].role, asked.messages[1].text()) == ("assistant", "hello")


def test_every_parameter_reaches_the_sampler() -> None:
    given: dict[str, Any] = {
        "temperature": 1,
        "top_k": 5,
        "top_p": 0.5,
        "min_p": 0.1,
        "typical_p": 0.9,
        "repeat_penalty": 1.1,
        "repeat_last_n": 32,
        "presence_penalty": 0.5,
        "frequency_penalty": -0.5,
        "seed": 7,
        "ignore_eos": True,
        "top_n_sigma": 2,
        "xtc_probability": 0.5,
        "xtc_threshold": 0.2,
        "dynatemp_range": 0.5,
        "dynatemp_exponent": 2,
        "mirostat": 2,
        "mirostat_tau": 4,
        "mirostat_eta": 0.2,
        "dry_multiplier": 0.8,
        "dry_base": 2,
        "dry_allowed_length": 3,
        "dry_penalty_last_n": 100,
        "dry_sequence_breakers": ["x"],
    }
    asked = parse(ChatCompletion, {"messages": [USER], "logit_bias": {"42": -100}, **given}, strict=True)
    expected: dict[str, Any] = given | {"dry_sequence_breakers": ("x",)}
    assert asked.sampling() == Sampling(**expected, logit_bias={42: -100.0})
    assert set(given) | {"logit_bias"} == {field.name for field in fields(Sampling)}


def test_stop_is_one_text_or_several() -> None:
    assert parse(ChatCompletion, {"messages": [USER], "stop": "a"}, strict=True).stops() == ("a",)
    assert parse(ChatCompletion, {"messages": [USER], "stop": ["a", "b"]}, strict=True).stops() == ("a", "b")


def test_the_newer_name_of_max_tokens_wins() -> None:
    asked = parse(ChatCompletion, {"messages": [USER], "max_tokens": 5, "max_completion_tokens": 7}, strict=True)
    assert asked.limit() == 7


def test_content_may_be_parts() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    asked = parse(ChatCompletion, {"messages": [{"role": "developer", "content": parts}]}, strict=True)
    assert asked.messages[0].text() == "a\nb"


def test_fields_without_effect_are_accepted() -> None:
    parse(ChatCompletion, {"messages": [USER], "user": "u", "store": True, "metadata": {"a": "b"}, "n": 1}, strict=True)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [{"role": "robot", "content": "hi"}]}, "messages.0.role"),
        ({"messages": [{"role": "user"}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": "\ud800"}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages.0.content.0.type"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": -1}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"top_p": 2}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"stop": [""]}, "stop.0"),
        ({"stop": ["x"] * 17}, "stop"),
        ({"seed": 1 << 70}, "seed"),
        ({"logit_bias": {"a": 1}}, "logit_bias.a"),
        ({"logit_bias": {"1": 101}}, "logit_bias.1"),
        ({"n": 2}, "n"),
        ({"n": True}, "n"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": 1}, "stream_options"),
        ({"logprobs": 5}, "logprobs"),
        ({"top_logprobs": 5}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"tools": [{"type": "function"}]}, "tools.0.function"),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools.0.type"),
        ({"tools": [{"type": "function", "function": {"name": "no space"}}]}, "tools.0.function.name"),
        ({"tool_choice": "perhaps"}, "tool_choice.type"),
        ({"tool_choice": {"type": "function", "function": {}}}, "tool_choice.function.name"),
        ({"messages": [USER | {"tool_calls": "x"}]}, "messages.0.tool_calls"),
        ({"reasoning_effort": "huge"}, "reasoning_effort"),
        ({"modalities": ["audio"]}, "modalities"),
        ({"audio": {"voice": "x"}}, "audio"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"functions": []}, "functions"),
        ({"function_call": "auto"}, "function_call"),
        ({"verbosity": "low"}, "verbosity"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema", "json_schema": {}}}, "response_format.json_schema.name"),
        ({"response_format": {"type": "json_object", "schema": {}}}, "response_format.schema"),
        ({"temprature": 1}, "temprature"),
    ],
)
def test_what_cannot_be_honoured_is_named(fields: dict[str, Any], param: str) -> None:
    error = refusal(**fields)
    assert error.status == 400
    assert error.param == param
    assert param in str(error)


def test_a_form_has_texts_only() -> None:
    asked = parse(Chat, {"prompt": "hi", "temperature": "0.5", "max_tokens": "7"}, strict=False)
    assert asked.sampling().temperature == 0.5
    assert asked.limit() == 7


@pytest.mark.parametrize("fields", [{}, {"prompt": "a", "messages": [USER]}])
def test_a_chat_has_a_prompt_or_messages(fields: dict[str, Any]) -> None:
    with pytest.raises(RequestError):
        parse(Chat, fields, strict=True).conversation()
