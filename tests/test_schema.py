"""Request models: defaults, conversions and errors."""

from dataclasses import fields
from typing import Any

import pytest

from function.engine import Sampling
from function.errors import RequestError
from function.web.request.schema import Chat, ChatCompletion, LlamaCompletion

USER = {"role": "user", "content": "hi"}


def refusal(**fields: Any) -> RequestError:
    with pytest.raises(RequestError) as raised:
        ChatCompletion.parse({"messages": [USER]} | fields, strict=True)
    return raised.value


def test_sampling_defaults_are_those_of_engine() -> None:
    assert ChatCompletion.parse({"messages": [USER]}, strict=True).sampling() == Sampling()


def test_null_counts_as_not_given() -> None:
    asked = ChatCompletion.parse({"messages": [USER], "temperature": None, "stop": None, "tools": None}, strict=True)
    assert asked.sampling() == Sampling()
    assert asked.stop_strings == ()


def test_reply_may_be_returned_unchanged() -> None:
    reply = {"role": "assistant", "content": "hello", "refusal": None, "tool_calls": None, "audio": None}
    asked = ChatCompletion.parse({"messages": [USER, reply, USER]}, strict=True)
    assert (asked.messages[1].role, asked.messages[1].text()) == ("assistant", "hello")


def test_sampling_has_every_parameter() -> None:
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
    asked = ChatCompletion.parse({"messages": [USER], "logit_bias": {"42": -100}, **given}, strict=True)
    expected: dict[str, Any] = given | {"dry_sequence_breakers": ("x",)}
    assert asked.sampling() == Sampling(**expected, logit_bias={42: -100.0})
    assert set(given) | {"logit_bias"} == {field.name for field in fields(Sampling)}


def test_stop_is_one_text_or_several() -> None:
    assert ChatCompletion.parse({"messages": [USER], "stop": "a"}, strict=True).stop_strings == ("a",)
    assert ChatCompletion.parse({"messages": [USER], "stop": ["a", "b"]}, strict=True).stop_strings == ("a", "b")


def test_max_completion_tokens_overrides_max_tokens() -> None:
    asked = ChatCompletion.parse({"messages": [USER], "max_tokens": 5, "max_completion_tokens": 7}, strict=True)
    assert asked.token_limit == 7


def test_content_may_be_parts() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    asked = ChatCompletion.parse({"messages": [{"role": "developer", "content": parts}]}, strict=True)
    assert asked.messages[0].text() == "a\nb"


def test_fields_without_effect_are_accepted() -> None:
    ChatCompletion.parse({"messages": [USER], "user": "u", "store": True, "metadata": {"a": "b"}, "n": 1}, strict=True)


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
        ({"stop": ["x"] * 17}, "stop"),
        ({"seed": 1 << 70}, "seed"),
        ({"logit_bias": {"1": 101}}, "logit_bias.1"),
        ({"n": 9}, "n"),
        ({"n": True}, "n"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": 1}, "stream_options"),
        ({"logprobs": 5}, "logprobs"),
        ({"top_logprobs": 5}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"tools": [{"type": "function"}]}, "tools.0.function"),
        ({"tools": [{"type": "function", "function": {"name": "no space"}}]}, "tools.0.function.name"),
        ({"tool_choice": "perhaps"}, "tool_choice.type"),
        ({"tool_choice": {"type": "function", "function": {}}}, "tool_choice.function.name"),
        ({"messages": [USER | {"tool_calls": "x"}]}, "messages.0.tool_calls"),
        ({"reasoning_effort": "huge"}, "reasoning_effort"),
        ({"modalities": ["audio"]}, "modalities"),
        ({"audio": {"voice": "x"}}, "audio"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"functions": [{"name": "x"}]}, "functions"),
        ({"function_call": {"name": "x"}}, "function_call"),
        ({"stop": ["\ud800"]}, "stop.0"),
        ({"min_tokens": 5}, "min_tokens"),
        ({"repetition_penalty": 1.2}, "repetition_penalty"),
        ({"samplers": ["top_k"]}, "samplers"),
        ({"max_tokens": -2}, "max_tokens"),
        ({"top_k": -2}, "top_k"),
        ({"logit_bias": [["Hello", 101]]}, "logit_bias.Hello"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
    ],
)
def test_unsupported_field_is_named(fields: dict[str, Any], param: str) -> None:
    error = refusal(**fields)
    assert error.status == 400
    assert error.param == param
    assert param in str(error)


def test_form_texts_are_converted() -> None:
    asked = Chat.parse({"prompt": "hi", "temperature": "0.5", "max_tokens": "7"}, strict=False)
    assert asked.sampling().temperature == 0.5
    assert asked.token_limit == 7


@pytest.mark.parametrize("fields", [{}, {"prompt": "a", "messages": [USER]}])
def test_chat_needs_prompt_or_messages(fields: dict[str, Any]) -> None:
    with pytest.raises(RequestError):
        Chat.parse(fields, strict=True)


def test_model_defaults_hold_for_fields_that_a_request_does_not_set() -> None:
    asked = ChatCompletion.parse({"messages": [USER], "temperature": 0.8, "top_p": None}, strict=True)
    defaults = Sampling(temperature=0.2, top_p=0.9, dry_multiplier=0.8)
    assert asked.sampling(defaults) == Sampling(temperature=0.8, top_p=0.9, dry_multiplier=0.8)


def test_bias_of_up_to_nine_digits_is_that_of_a_token() -> None:
    bias = {"999999999": 1, "1000000000": 2, "٣": 3, "x": 5}
    asked = ChatCompletion.parse({"messages": [USER], "logit_bias": bias}, strict=True)
    assert asked.sampling().logit_bias == {999999999: 1}
    assert asked.biased_texts == {"1000000000": 2, "٣": 3, "x": 5}


def test_hundred_fields_of_a_response_may_be_chosen() -> None:
    assert LlamaCompletion.parse({"prompt": "hi", "response_fields": ["content"] * 100}, strict=True)
    with pytest.raises(RequestError, match="response_fields"):
        LlamaCompletion.parse({"prompt": "hi", "response_fields": ["content"] * 101}, strict=True)
