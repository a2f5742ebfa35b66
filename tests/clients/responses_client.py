"""OpenAI's client and the Responses API, with any model: python responses_client.py BASE_URL [KEY]."""

import json
import sys
from typing import Any

import openai
from verdict import Verdict

TOOL: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "Return the weather of a city.",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"unit": {"enum": ["C", "F"]}},
        "required": ["unit"],
        "additionalProperties": False,
    },
}
QUESTION: Any = {"role": "user", "content": "What is the weather?"}
FORCED: dict[str, Any] = {
    "model": "any", "tools": [TOOL], "tool_choice": "required", "parallel_tool_calls": False, "max_output_tokens": 400,
    "reasoning": {"effort": "none"},
}  # fmt: skip


def check_whole(client: openai.OpenAI) -> None:
    """Ask for a whole response."""
    response = client.responses.create(model="any", input="Hello!", instructions="Be brief.", max_output_tokens=16)
    assert response.id.startswith("resp_")
    assert response.status in ("completed", "incomplete")
    assert response.output
    assert response.usage is not None
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens
    history: Any = [{"role": "user", "content": "Hello!"}, *response.output, {"role": "user", "content": "Go on."}]
    again = client.responses.create(
        model="any",
        input=history,
        max_output_tokens=8,
    )
    assert again.usage is not None
    assert again.usage.input_tokens > response.usage.input_tokens


def check_events(client: openai.OpenAI) -> None:
    """Read all events of a stream: in order, and whole."""
    events = list(client.responses.create(model="any", input="Hello!", max_output_tokens=16, stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [event.type for event in events[:2]] == ["response.created", "response.in_progress"]
    last = events[-1]
    assert last.type in ("response.completed", "response.incomplete")
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == last.response.output_text
    started = [event.item.id for event in events if event.type == "response.output_item.added"]
    ended = [event.item.id for event in events if event.type == "response.output_item.done"]
    assert started == ended == [item.id for item in last.response.output]


def check_structured_output(client: openai.OpenAI) -> None:
    """Parse structured output, whole and streamed."""
    question = "Answer as JSON: are you sure, and is it good?"
    parsed = client.responses.parse(
        model="any", input=question, text_format=Verdict, reasoning={"effort": "none"}, max_output_tokens=200
    )
    assert isinstance(parsed.output_parsed, Verdict)
    with client.responses.stream(
        model="any", input=question, text_format=Verdict, reasoning={"effort": "none"}, max_output_tokens=200
    ) as stream:
        assert isinstance(stream.get_final_response().output_parsed, Verdict)


def check_tools(client: openai.OpenAI) -> None:
    """Receive a call, whole and streamed, and send its result."""
    response = client.responses.create(input=[QUESTION], **FORCED)
    calls = [item for item in response.output if item.type == "function_call"]
    assert len(calls) == 1
    assert json.loads(calls[0].arguments)["unit"] in ("C", "F")
    result: Any = {"type": "function_call_output", "call_id": calls[0].call_id, "output": "21 degrees"}
    history: Any = [QUESTION, *response.output, result]
    answer = client.responses.create(model="any", input=history, tools=[TOOL], max_output_tokens=16)
    assert answer.status in ("completed", "incomplete")
    with client.responses.stream(input=[QUESTION], **FORCED) as stream:
        pieces = [event for event in stream if event.type == "response.function_call_arguments.done"]
        (call,) = (item for item in stream.get_final_response().output if item.type == "function_call")
    assert [piece.arguments for piece in pieces] == [call.arguments]
    assert json.loads(call.arguments)["unit"] in ("C", "F")


def check_errors(client: openai.OpenAI) -> None:
    """Be rejected with the field at fault."""
    for fields, param in (
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"temperature": -3}, "temperature"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
    ):
        try:
            client.responses.create(model="any", input="Hello!", **fields)
        except openai.BadRequestError as e:
            assert e.param == param
            assert param in str(e)
        else:
            raise AssertionError(f"{param} was accepted")


def check_counting(client: openai.OpenAI) -> None:
    """Count tokens without generating any."""
    counted = client.responses.input_tokens.count(model="any", input="Hello!")
    response = client.responses.create(model="any", input="Hello!", max_output_tokens=1)
    assert response.usage is not None
    assert counted.input_tokens == response.usage.input_tokens


def main(base_url: str, key: str = "none") -> None:
    """Run all checks."""
    with openai.OpenAI(base_url=f"{base_url.removesuffix('/v1')}/v1", api_key=key, max_retries=0) as client:
        for check in (
            check_whole, check_events, check_structured_output, check_tools, check_errors, check_counting,
        ):  # fmt: skip
            check(client)


if __name__ == "__main__":
    main(*sys.argv[1:])
