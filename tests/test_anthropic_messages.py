"""Anthropic's Messages API: requests and replies with right values."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from function.dialect.reply_parts import ArgumentsPiece, CallStart, ContentPiece, Part, PlainReader, StopReader
from function.engine import Finished, FinishReason, TextPiece, Timings, Usage
from function.errors import Busy, DoesNotFit, FunctionError, NotFound, RequestError, Stopping, Unauthorized
from function.web.docs.message_answers import MessageEvent, MessageObject
from function.web.reply.anthropic_messages import MessagesReply, error_body
from function.web.reply.blocks import BlockReader
from function.web.request.anthropic_messages import MessagesRequest
from tests.servers.doors import ServedFunction, serving
from tests.thinking_model import (
    ANSWER,
    CHECKING,
    GREETING,
    PARAMETERS,
    PLAIN_GREETING,
    PLAN,
    THOUGHT,
    write_thinking_model,
)

PATH = "/v1/messages"
KEY = "open sesame"
HEADERS = {"x-api-key": KEY, "anthropic-version": "2023-06-01", "X-Progress": "0"}
USER: Any = {"role": "user", "content": "hi"}
TOOL: Any = {"name": "get_weather", "input_schema": PARAMETERS}
THINKING: Any = {"type": "enabled", "budget_tokens": 1024}


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedFunction]:
    folder = tmp_path_factory.mktemp("messages")
    with serving(folder, MODEL_URI=str(write_thinking_model(folder / "model.gguf")), API_KEY=KEY) as running:
        running.wait("ready")
        yield running


def ask(function: ServedFunction, path: str = PATH, **fields: Any) -> dict[str, Any]:
    status, answer = function.ask(path, {"messages": [USER], "max_tokens": 100, **fields}, HEADERS)
    assert status == 200, answer
    assert isinstance(answer, dict)
    return answer


def events_of(function: ServedFunction, **fields: Any) -> list[dict[str, Any]]:
    """Return the events of a stream; each has its type as its name."""
    body = {"messages": [USER], "max_tokens": 100, **fields, "stream": True}
    _, _, text = function.exchange(PATH, body, HEADERS)
    frames = [frame.split("\n") for frame in text.split("\n\n") if frame]
    assert all(name == f"event: {json.loads(data[6:])['type']}" for name, data in frames)
    events = [json.loads(data[6:]) for _, data in frames]
    for event in events:
        MessageEvent.model_validate(event, strict=True)
    return events


def parsed(**fields: Any) -> MessagesRequest:
    return MessagesRequest.parse({"messages": [USER], "max_tokens": 100, **fields}, strict=True)


def test_thoughts_come_on_request_alone(function: ServedFunction) -> None:
    assert ask(function)["content"] == [{"type": "text", "text": PLAIN_GREETING}]
    thinking, text = ask(function, thinking=THINKING)["content"]
    assert (thinking["type"], thinking["thinking"]) == ("thinking", THOUGHT)
    assert thinking["signature"]
    assert text == {"type": "text", "text": GREETING}
    hidden, _ = ask(function, thinking={**THINKING, "display": "omitted"})["content"]
    assert hidden == {**thinking, "thinking": ""}


def test_budget_limits_thoughts(function: ServedFunction) -> None:
    def thinking_tokens(**thinking: Any) -> int:
        usage = ask(function, thinking=thinking)["usage"]
        return int(usage["output_tokens_details"]["thinking_tokens"])

    assert thinking_tokens(type="disabled") == 0
    assert thinking_tokens(type="enabled", budget_tokens=2) < thinking_tokens(type="adaptive")


def test_message_has_the_reason_of_its_end(function: ServedFunction) -> None:
    def ending(**fields: Any) -> tuple[str, str | None]:
        message = ask(function, **fields)
        return message["stop_reason"], message["stop_sequence"]

    assert ending() == ("end_turn", None)
    assert ending(max_tokens=2) == ("max_tokens", None)
    assert ending(stop_sequences=["nothing", "day"]) == ("stop_sequence", "day")
    assert ending(tools=[TOOL]) == ("tool_use", None)
    assert ask(function, stop_sequences=["day"])["content"] == [{"type": "text", "text": "Good "}]


def test_stream_has_every_event_in_order(function: ServedFunction) -> None:
    start, *blocks, delta, stop = events_of(function, tools=[TOOL], thinking=THINKING)
    message = start["message"]
    assert start["type"] == "message_start"
    assert (message["content"], message["stop_reason"], message["usage"]["output_tokens"]) == ([], None, 0)
    signature = next(event["delta"]["signature"] for event in blocks if "signature" in event.get("delta", {}))
    call = next(event["content_block"] for event in blocks if event.get("content_block", {}).get("type") == "tool_use")
    assert blocks == [
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "thinking", "thinking": "", "signature": ""},
        },
        *(_delta(0, "thinking_delta", thinking=text) for text in ("Look", " at", " weather.")),
        _delta(0, "signature_delta", signature=signature),
        {"type": "content_block_stop", "index": 0},
        {
            "type": "content_block_start",
            "index": 1,
            "content_block": {"type": "tool_use", "id": call["id"], "name": "get_weather", "input": {}},
        },
        *(_delta(1, "input_json_delta", partial_json=text) for text in ('{"city":', ' "Paris"}')),
        {"type": "content_block_stop", "index": 1},
    ]
    assert delta["delta"] == {"stop_reason": "tool_use", "stop_sequence": None}
    assert stop == {"type": "message_stop"}
    whole = ask(function, tools=[TOOL], thinking=THINKING)
    MessageObject.model_validate(whole, strict=True)
    assert whole["content"][0] == {"type": "thinking", "thinking": PLAN, "signature": signature}
    assert whole["content"][1]["input"] == {"city": "Paris"}
    assert delta["usage"]["output_tokens"] == whole["usage"]["output_tokens"]


def test_usage_separates_cached_tokens(function: ServedFunction) -> None:
    messages = [{"role": "user", "content": "cache me, please"}]
    count = ask(function, f"{PATH}/count_tokens", messages=messages)["input_tokens"]
    ask(function, messages=messages)
    start, *_, delta, _ = events_of(function, messages=messages)
    for usage in (start["message"]["usage"], delta["usage"]):
        assert (usage["input_tokens"], usage["cache_read_input_tokens"]) == (1, count - 1)
        assert usage["cache_creation_input_tokens"] == 0


def test_count_includes_system_tools_and_thoughts(function: ServedFunction) -> None:
    def count(**fields: Any) -> int:
        return int(ask(function, f"{PATH}/count_tokens", **fields)["input_tokens"])

    plain = count()
    assert plain < count(system="Be brief.") < count(system="Be brief.", tools=[TOOL])
    call = {"type": "tool_use", "id": "1", "name": "get_weather", "input": {"city": "Paris"}}
    thought = {"type": "thinking", "thinking": "It is about weather.", "signature": "x"}
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "sunny"}]}
    without = count(messages=[USER, {"role": "assistant", "content": [call]}, result])
    assert without < count(messages=[USER, {"role": "assistant", "content": [thought, call]}, result])


def test_tool_result_is_answered(function: ServedFunction) -> None:
    first = ask(function, tools=[TOOL])
    text, call = first["content"]
    assert (text["text"], call["input"]) == (CHECKING, {"city": "Rome"})
    result = {"type": "tool_result", "tool_use_id": call["id"], "content": [{"type": "text", "text": "sunny"}]}
    history = [USER, {"role": "assistant", "content": first["content"]}, {"role": "user", "content": [result]}]
    assert ask(function, messages=history, tools=[TOOL])["content"] == [{"type": "text", "text": ANSWER}]


def test_fields_of_anthropic_clients_are_accepted(function: ServedFunction) -> None:
    cached = {"cache_control": {"type": "ephemeral"}}
    body = {
        "max_tokens": 100,
        "system": [{"type": "text", "text": "Be brief.", **cached}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi", **cached}]}],
        "tools": [{**TOOL, **cached}, {"type": "web_search_20250305", "name": "web_search"}],
        "tool_choice": {"type": "none"},
        "metadata": {"user_id": "1"},
        "context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]},
        "mcp_servers": [],
    }
    status, headers, _ = function.exchange(f"{PATH}?beta=true", body, HEADERS)
    assert status == 200
    assert headers["x-ignored-fields"] == "mcp_servers, tools.web_search_20250305"


def test_rules_that_cannot_be_enforced_are_named(function: ServedFunction) -> None:
    unique = {"type": "array", "items": {"enum": [1]}, "maxItems": 1, "uniqueItems": True}
    body = {
        "messages": [USER],
        "max_tokens": 50,
        "output_config": {"format": {"type": "json_schema", "schema": unique}},
    }
    _, headers, _ = function.exchange(PATH, body, HEADERS)
    assert headers["x-ignored-fields"] == "output_config.format.schema.uniqueItems"


def test_errors_have_anthropics_envelope(function: ServedFunction) -> None:
    def refusal(path: str, body: Any, headers: dict[str, str]) -> tuple[int, str]:
        status, error = function.ask(path, body, headers)
        assert error["type"] == "error"
        assert error["request_id"].startswith("req_")
        assert error["error"]["message"]
        return status, error["error"]["type"]

    versioned = {"anthropic-version": "2023-06-01"}
    body = {"messages": [USER], "max_tokens": 5}
    assert refusal(PATH, body, {}) == (401, "authentication_error")
    assert refusal("/v1/models", None, versioned) == (401, "authentication_error")
    assert refusal(PATH, {"max_tokens": 5}, HEADERS) == (400, "invalid_request_error")
    assert refusal(PATH, b"{", HEADERS) == (400, "invalid_request_error")
    assert refusal(f"{PATH}/nothing", body, HEADERS) == (404, "not_found_error")
    assert refusal(PATH, None, HEADERS) == (405, "invalid_request_error")
    _, long = function.ask(PATH, {**body, "messages": [{"role": "user", "content": "word " * 3000}]}, HEADERS)
    assert long["error"]["message"].startswith("prompt is too long: ")
    assert long["error"]["code"] == "context_length_exceeded"


def test_errors_name_fields_of_this_api(function: ServedFunction) -> None:
    def param(**fields: Any) -> str:
        status, answer = function.ask(PATH, {"messages": [USER], "max_tokens": 5, **fields}, HEADERS)
        assert status == 400, answer
        assert answer["error"]["param"] in answer["error"]["message"]
        return str(answer["error"]["param"])

    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
    assert param(messages=[{"role": "user", "content": [image]}]) == "messages.0.content.0"
    assert param(output_config={"format": {"type": "json_schema", "schema": {"type": "x"}}}).startswith(
        "output_config.format"
    )
    broken = {**TOOL, "input_schema": {"type": "object", "properties": {"a": {"type": "x"}}}}
    assert param(tools=[broken], tool_choice={"type": "any"}).startswith("tools.0.input_schema")
    assert param(tool_choice={"type": "tool", "name": "other"}, tools=[TOOL]) == "tool_choice"
    assert param(max_tokens=0) == "max_tokens"


def test_errors_have_anthropics_types() -> None:
    types: dict[FunctionError, str] = {
        RequestError("x"): "invalid_request_error",
        Unauthorized("x"): "authentication_error",
        NotFound("x"): "not_found_error",
        Busy("x", retry_after=1): "rate_limit_error",
        Stopping("x"): "overloaded_error",
        DoesNotFit("x"): "api_error",
        FunctionError("x"): "api_error",
    }
    for error, expected in types.items():
        assert error_body(error)["error"]["type"] == expected


def test_turns_become_messages() -> None:
    request = parsed(
        system=[{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
        messages=[
            {"role": "user", "content": "Weather?"},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "plan", "signature": "s"},
                    {"type": "redacted_thinking", "data": "x"},
                    {"type": "text", "text": "Wait."},
                    {"type": "tool_use", "id": "1", "name": "f", "input": {"x": "ü"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Here:"},
                    {"type": "tool_result", "tool_use_id": "1", "is_error": True, "content": "no such city"},
                    {"type": "document", "title": "Notes", "source": {"type": "text", "data": "Rain."}},
                ],
            },
        ],
    )
    system, user, reply, result, more = request.chat().messages
    assert (system.role, system.text()) == ("system", "a\nb")
    assert user.text() == "Weather?"
    assert (reply.text(), reply.reasoning_content) == ("Wait.", "plan")
    [call] = reply.tool_calls or []
    assert (call.id, call.function.name, json.loads(call.function.arguments)) == ("1", "f", {"x": "ü"})
    assert (result.role, result.tool_call_id, result.text()) == ("tool", "1", "Error: no such city")
    assert (more.role, more.text()) == ("user", "Here:\nNotes\nRain.")


def test_last_assistant_turn_is_continued(function: ServedFunction) -> None:
    prefill = [USER, {"role": "assistant", "content": "Good day"}]
    assert parsed(messages=prefill).chat().continue_final_message
    assert not parsed().chat().continue_final_message
    plain = ask(function, f"{PATH}/count_tokens")["input_tokens"]
    assert ask(function, f"{PATH}/count_tokens", messages=prefill)["input_tokens"] < plain + 30


def test_choice_of_tools_is_translated() -> None:
    for choice, kind, parallel in (
        ({"type": "auto"}, "auto", True),
        ({"type": "any", "disable_parallel_tool_use": True}, "required", False),
        ({"type": "tool", "name": "get_weather"}, "function", True),
        ({"type": "none"}, "none", True),
    ):
        chat = parsed(tools=[TOOL], tool_choice=choice).chat()
        assert (chat.tool_choice.type, chat.parallel_tool_calls) == (kind, parallel)


def test_billing_stamp_does_not_defeat_the_prefix_cache() -> None:
    first, second = (
        parsed(system=f"x-anthropic-billing-header: cc_version=2; cch={stamp};You are helpful.")
        .chat()
        .messages[0]
        .text()
        for stamp in ("a5145", "0f3e2")
    )
    assert first == second
    assert first.endswith("You are helpful.")


class _Script:
    """Reader that returns given parts at its end."""

    thoughts = ()

    def __init__(self, *parts: Part) -> None:
        self._parts = parts

    def feed(self, text: str) -> tuple[Part, ...]:
        return ()

    def finish(self, *, cut: bool = True) -> tuple[Part, ...]:
        return self._parts


def whole(reason: FinishReason, *parts: Part) -> dict[str, Any]:
    blocks = BlockReader(lambda: _Script(*parts))
    return MessagesReply(lambda: "m", blocks).whole([], Finished(reason, Usage(3, 1, 0), Timings(0, None, 0)))


def test_call_that_is_cut_off_is_left_out() -> None:
    cut = whole("length", ContentPiece("Let me"), CallStart("f"), ArgumentsPiece('{"x": 1'))
    assert (cut["content"], cut["stop_reason"]) == ([{"type": "text", "text": "Let me"}], "max_tokens")
    kept = whole("length", CallStart("f"), ArgumentsPiece("{}"))
    assert [block["type"] for block in kept["content"]] == ["tool_use"]
    assert whole("length", CallStart("f"))["content"] == [{"type": "text", "text": ""}]


def test_stop_sequence_counts_also_under_a_schema() -> None:
    reply = MessagesReply(lambda: "m", BlockReader(lambda: StopReader(PlainReader(), ("b",))))
    end = Finished("length", Usage(3, 1, 0), Timings(0, None, 0))
    message = reply.whole([TextPiece("ab", 1)], end)
    assert (message["stop_reason"], message["stop_sequence"]) == ("stop_sequence", "b")


def _delta(index: int, kind: str, **text: str) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **text}}
