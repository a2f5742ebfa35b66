"""OpenAI's Responses API: requests and replies with right values, through OpenAI's client and without it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from function.dialect.reply_parts import PlainReader
from function.engine import Finished, PrefillProgress, TextPiece, Timings, Usage
from function.errors import RequestError, Stopping
from function.web.docs.response_answers import ResponseEvent, ResponseObject
from function.web.reply.blocks import BlockReader
from function.web.reply.responses import ResponsesReply, usage_object
from function.web.request.item_memory import ItemMemory
from function.web.request.responses import ResponsesRequest
from tests.servers.doors import ROOT, ServedFunction, serving
from tests.thinking_model import (
    ANSWER,
    GREETING,
    PARAMETERS,
    PLAIN_GREETING,
    PLAN,
    THOUGHT,
    write_thinking_model,
)

PATH = "/v1/responses"
TOOL: Any = {"type": "function", "name": "get_weather", "parameters": PARAMETERS, "strict": None}
QUIET: Any = {"reasoning": {"effort": "none"}}
CALL_EVENTS = [
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.content_part.added",
    *["response.reasoning_text.delta"] * 3,
    "response.reasoning_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.output_item.added",
    *["response.function_call_arguments.delta"] * 2,
    "response.function_call_arguments.done",
    "response.output_item.done",
    "response.completed",
]


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedFunction]:
    folder = tmp_path_factory.mktemp("responses")
    with serving(folder, MODEL_URI=str(write_thinking_model(folder / "model.gguf"))) as running:
        running.wait("ready")
        yield running


@pytest.fixture(scope="module")
def client(function: ServedFunction) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{function.url}/v1", api_key="none", max_retries=0) as made:
        yield made


def parsed(**fields: Any) -> ResponsesRequest:
    return ResponsesRequest.parse(fields, strict=True)


def events_of(function: ServedFunction, **fields: Any) -> list[dict[str, Any]]:
    """Return the events of a stream; each has its type as its name."""
    status, headers, text = function.exchange(PATH, {**fields, "stream": True}, {"X-Progress": "0"})
    assert (status, headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    frames = [frame.split("\n") for frame in text.split("\n\n") if frame]
    assert all(name == f"event: {json.loads(data[6:])['type']}" for name, data in frames)
    events = [json.loads(data[6:]) for _, data in frames]
    for event in events:
        ResponseEvent.model_validate(event, strict=True)
    return events


def test_thoughts_and_text_are_items(client: openai.OpenAI) -> None:
    response = client.responses.create(model="any", input="hi")
    thoughts, message = response.output
    assert thoughts.type == "reasoning"
    assert thoughts.content is not None
    assert [part.text for part in thoughts.content] == [THOUGHT]
    assert message.type == "message"
    assert response.output_text == GREETING
    assert (response.status, response.model, response.store) == ("completed", "thinker", False)  # type: ignore[attr-defined]
    assert client.responses.create(model="any", input="hi", **QUIET).output_text == PLAIN_GREETING


def test_requested_summary_has_the_thoughts(client: openai.OpenAI) -> None:
    events = list(client.responses.create(model="any", input="hi", reasoning={"summary": "auto"}, stream=True))
    pieces = [event.delta for event in events if event.type == "response.reasoning_summary_text.delta"]
    assert "".join(pieces) == THOUGHT
    last = events[-1]
    assert last.type == "response.completed"
    item = last.response.output[0]
    assert item.type == "reasoning"
    assert ([part.text for part in item.summary], item.content) == ([THOUGHT], [])


def test_stream_has_every_event_in_order(function: ServedFunction) -> None:
    events = events_of(function, input="hi", tools=[TOOL])
    assert [event["type"] for event in events] == CALL_EVENTS
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    _, whole = function.ask(PATH, {"input": "hi", "tools": [TOOL]})
    ResponseObject.model_validate(whole, strict=True)
    response = events[-1]["response"]
    assert [_without_ids(item) for item in response["output"]] == [_without_ids(item) for item in whole["output"]]
    assert {**whole, **_changing(response)} == response
    added = [event["item"]["id"] for event in events if event["type"] == "response.output_item.added"]
    assert added == [item["id"] for item in response["output"]]


def test_tool_result_is_answered(client: openai.OpenAI) -> None:
    question: Any = {"role": "user", "content": "Weather?"}
    first = client.responses.create(model="any", input=[question], tools=[TOOL])
    thoughts, call = first.output
    assert thoughts.type == "reasoning"
    assert thoughts.content is not None
    assert thoughts.content[0].text == PLAN
    assert call.type == "function_call"
    assert json.loads(call.arguments) == {"city": "Paris"}
    result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
    history: Any = [question, *first.output, result]
    answer = client.responses.create(model="any", input=history, tools=[TOOL], **QUIET)
    assert answer.output_text == ANSWER


def test_limit_makes_response_incomplete(function: ServedFunction) -> None:
    events = events_of(function, input="hi", max_output_tokens=2, **QUIET)
    last = events[-1]
    assert last["type"] == "response.incomplete"
    assert last["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    assert last["response"]["output"][0]["status"] == "incomplete"
    assert last["response"]["usage"]["output_tokens"] == 2


def test_timings_and_progress_are_streamed_on_request(function: ServedFunction) -> None:
    events = events_of(function, input="hi there", timings_per_token=True, return_progress=True, **QUIET)
    progress = [event["prompt_progress"] for event in events if "prompt_progress" in event]
    assert progress[-1]["processed"] == progress[-1]["total"] == events[-1]["response"]["usage"]["input_tokens"]
    assert {event["type"] for event in events if "prompt_progress" in event} == {"response.in_progress"}
    deltas = [event for event in events if event["type"] == "response.output_text.delta"]
    assert all(event["timings"]["predicted_n"] >= 1 for event in (*deltas, events[-1]))
    assert not any("timings" in event for event in events_of(function, input="hi there", **QUIET))


def test_thoughts_are_counted(function: ServedFunction) -> None:
    def reasoning_tokens(**fields: Any) -> int:
        usage = function.ask(PATH, {"input": "hi", **fields})[1]["usage"]
        return int(usage["output_tokens_details"]["reasoning_tokens"])

    assert reasoning_tokens(**QUIET) == 0 < reasoning_tokens()


def test_cached_tokens_are_counted(function: ServedFunction) -> None:
    usages = [function.ask(PATH, {"input": "cache me", **QUIET})[1]["usage"] for _ in range(2)]
    first, second = (usage["input_tokens_details"]["cached_tokens"] for usage in usages)
    assert first < second == usages[1]["input_tokens"] - 1


def test_logprobs_are_returned_on_request(function: ServedFunction) -> None:
    fields = {"input": "hi", "include": ["message.output_text.logprobs"], "top_logprobs": 2, **QUIET}
    events = events_of(function, **fields)
    part = events[-1]["response"]["output"][0]["content"][0]
    assert b"".join(bytes(entry["bytes"]) for entry in part["logprobs"]).decode() == PLAIN_GREETING
    assert all(len(entry["top_logprobs"]) == 2 for entry in part["logprobs"])
    deltas = [event for event in events if event["type"] == "response.output_text.delta"]
    assert [entry["token"] for event in deltas for entry in event["logprobs"]] == [
        entry["token"] for entry in part["logprobs"] if entry["bytes"]
    ]


@pytest.mark.parametrize(
    ("fields", "alternatives"),
    [({"include": ["message.output_text.logprobs"]}, 0), ({"top_logprobs": 2}, 2), ({"top_logprobs": 0}, None)],
)
def test_either_field_requests_logprobs(
    function: ServedFunction, fields: dict[str, Any], alternatives: int | None
) -> None:
    part = function.ask(PATH, {"input": "hi", **fields, **QUIET})[1]["output"][0]["content"][0]
    assert {len(entry["top_logprobs"]) for entry in part["logprobs"]} == (
        set() if alternatives is None else {alternatives}
    )


def test_ignored_fields_are_named(function: ServedFunction) -> None:
    body = {"input": [{"role": "user", "content": "hi"}, {"type": "web_search_call", "id": "w"}], "keep_alive": 1}
    _, headers, _ = function.exchange(PATH, {**body, "tools": [{"type": "web_search"}], **QUIET, "store": True})
    assert headers["x-ignored-fields"] == "keep_alive, input.web_search_call, tools.web_search"
    unique = {"type": "array", "items": {"enum": [1]}, "maxItems": 1, "uniqueItems": True}
    _, headers, _ = function.exchange(PATH, {"input": "hi", **QUIET, "text": {"format": _format(unique)}})
    assert headers["x-ignored-fields"] == "text.format.schema.uniqueItems"


def test_opaque_thoughts_are_read_again(function: ServedFunction) -> None:
    _, response = function.ask(PATH, {"input": "hi", "include": ["reasoning.encrypted_content"]})
    opaque = response["output"][0]["encrypted_content"]
    item = {"type": "reasoning", "summary": [], "encrypted_content": opaque}
    for thoughts, expected in ((item, THOUGHT), ({**item, "encrypted_content": "gAAAA_x"}, None)):
        (reply,) = parsed(input=[thoughts, {"role": "assistant", "content": "Hello!"}]).chat().messages
        assert (reply.reasoning_content or None) == expected


def test_items_can_be_referred_to(function: ServedFunction) -> None:
    def ask(*items: dict[str, Any], **fields: Any) -> tuple[int, Any]:
        return function.ask(PATH, {"input": [{"role": "user", "content": "hi"}, *items], **fields})

    def references(response: Any) -> list[dict[str, Any]]:
        return [{"type": "item_reference", "id": item["id"]} for item in response["output"]]

    more = {"role": "user", "content": "more"}
    _, first = ask()
    _, resent = ask(*first["output"], more)
    status, referred = ask(*references(first), more)
    assert status == 200, referred
    assert referred["usage"]["input_tokens"] == resent["usage"]["input_tokens"]
    _, private = ask(store=False)
    status, rejected = ask(*references(private), more)
    assert (status, rejected["error"]["param"]) == (400, "input.1"), "the forgotten thought before it is left out"
    assert "store: false" in rejected["error"]["message"]


def test_item_memory_forgets_the_oldest() -> None:
    memory = ItemMemory(max_bytes=150)
    for number in range(5):
        memory.keep([{"id": f"msg_{number}", "text": "x" * 30}])
    references = [{"type": "item_reference", "id": f"msg_{number}"} for number in range(5)]
    known = memory.resolve({"input": references})["input"]
    assert [item for item in known if "text" not in item] == references[: len(references) - 2]
    assert memory.resolve({"input": "text"}) == {"input": "text"}


def test_openai_client_uses_the_whole_api(function: ServedFunction) -> None:
    script = ROOT / "tests" / "clients" / "responses_client.py"
    done = subprocess.run([sys.executable, script, function.url], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_errors_name_fields_of_this_api(function: ServedFunction) -> None:
    def param(**fields: Any) -> str:
        status, answer = function.ask(PATH, {"input": "hi", **fields})
        assert status == 400, answer
        assert answer["error"]["param"] in answer["error"]["message"]
        return str(answer["error"]["param"])

    assert param(previous_response_id="resp_1") == "previous_response_id"
    assert param(conversation="conv_1") == "conversation"
    assert param(background=True) == "background"
    assert param(input=[{"type": "item_reference", "id": "x"}]) == "input.0"
    assert (
        param(input=[{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}])
        == "input.0.content.0.type"
    )
    assert param(text={"format": {"type": "json_schema", "name": "x"}}) == "text.format.schema"
    assert param(text={"format": {"type": "json_schema", "name": "x", "schema": {"type": "x"}}}) == "text.format.schema"
    twice = [TOOL, TOOL]
    assert param(tools=twice) == "tools.1.name"
    broken = {**TOOL, "parameters": {"type": "object", "properties": {"a": {"type": "x"}}}}
    assert param(tools=[broken], tool_choice="required").startswith("tools.0.parameters")
    assert param(tool_choice={"type": "function", "name": "other"}, tools=[TOOL]) == "tool_choice"
    status, answer = function.ask(PATH, {"input": "word " * 3000})
    assert (status, answer["error"]["param"], answer["error"]["code"]) == (400, "input", "context_length_exceeded")


def test_tokens_are_counted_without_generation(function: ServedFunction) -> None:
    _, counted = function.ask(f"{PATH}/input_tokens", {"input": "hi", "tools": [TOOL]})
    _, response = function.ask(PATH, {"input": "hi", "tools": [TOOL]})
    assert counted == {"object": "response.input_tokens", "input_tokens": response["usage"]["input_tokens"]}


def test_items_of_one_reply_become_one_message() -> None:
    request = parsed(
        instructions="Be brief.",
        input=[
            {"role": "user", "content": [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]},
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "plan"}]},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Wait."}]},
            {"type": "function_call", "call_id": "1", "name": "f", "arguments": '{"x": 1}'},
            {"type": "function_call", "call_id": "2", "name": "g", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "1", "output": "one"},
            {"type": "function_call_output", "call_id": "2", "output": [{"type": "input_text", "text": "two"}]},
            {"role": "developer", "content": "c"},
        ],
    )
    system, user, reply, one, two, developer = request.chat().messages
    assert (system.role, system.text()) == ("system", "Be brief.")
    assert (user.role, user.text()) == ("user", "a\nb")
    assert (reply.reasoning_content, reply.text()) == ("plan", "Wait.")
    assert [(call.id, call.function.name, call.function.arguments) for call in reply.tool_calls or ()] == [
        ("1", "f", '{"x": 1}'),
        ("2", "g", "{}"),
    ]
    assert [(result.tool_call_id, result.text()) for result in (one, two)] == [("1", "one"), ("2", "two")]
    assert developer.role == "developer"


def test_choice_of_tools_is_translated() -> None:
    tools = [TOOL, {**TOOL, "name": "other"}, {"type": "web_search"}]
    for choice, names in (
        ("none", []),
        ("required", ["get_weather", "other"]),
        ({"type": "function", "name": "other"}, ["other"]),
        ({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "other"}]}, ["other"]),
    ):
        chat = parsed(input="hi", tools=tools, tool_choice=choice).chat()
        assert [tool.function.name for _, tool in chat.tool_choice.among(chat.tools)] == names
    with pytest.raises(RequestError, match="tool_choice"):
        parsed(input="hi", tool_choice={"type": "function"})


def test_failure_before_and_after_the_beginning_is_recognisable() -> None:
    for opened in (False, True):
        reply = ResponsesReply(lambda: "m", BlockReader(PlainReader), {})
        before = [*reply.prefill(PrefillProgress(0, 1))] if opened else []
        error, failed = reply.failure(Stopping("It stops."))
        assert (error["type"], error["code"], error["error"]["message"]) == ("error", "stopping", "It stops.")
        assert failed["response"]["status"] == "failed"
        assert failed["response"]["error"] == {"code": "stopping", "message": "It stops."}
        assert failed["sequence_number"] == len(before) + 1


def test_empty_reply_has_an_empty_message() -> None:
    end = Finished("stop", Usage(3, 1, 0), Timings(0, None, 0))
    response = ResponsesReply(lambda: "m", BlockReader(PlainReader), {}).whole([TextPiece("", 1)], end)
    (message,) = response["output"]
    assert message["content"] == [{"type": "output_text", "text": "", "annotations": [], "logprobs": []}]


def _format(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "name": "x", "schema": schema}


def _without_ids(item: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key not in ("id", "call_id")}


def _changing(response: dict[str, Any]) -> dict[str, Any]:
    """Return the fields in which two equal responses may differ."""
    return {key: response[key] for key in ("id", "created_at", "completed_at", "output", "usage")}


def test_usage_of_a_response_has_the_cached_tokens_and_none_written() -> None:
    assert usage_object(Usage(12, 5, 8, 3)) == {
        "input_tokens": 12,
        "input_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 0},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 3},
        "total_tokens": 17,
    }
