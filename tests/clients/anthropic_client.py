"""Anthropic's client and the Messages API, with any model: python anthropic_client.py BASE_URL [KEY]."""

import sys
from typing import Any

import anthropic
from verdict import Verdict

TOOL: Any = {
    "name": "get_weather",
    "description": "Return the weather of a city.",
    "input_schema": {
        "type": "object",
        "properties": {"unit": {"enum": ["C", "F"]}},
        "required": ["unit"],
        "additionalProperties": False,
    },
}
USER: Any = {"role": "user", "content": "What is the weather?"}
CHAT: dict[str, Any] = {"model": "any", "messages": [{"role": "user", "content": "Hello!"}], "max_tokens": 16}
CACHED: Any = {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}
FORCED: dict[str, Any] = {
    "model": "any", "messages": [USER], "tools": [TOOL], "max_tokens": 400,
    "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
}  # fmt: skip


def check_whole(client: anthropic.Anthropic) -> None:
    """Ask for a whole message, with fields that only some clients send."""
    message = client.messages.create(**CHAT, system=[CACHED], metadata={"user_id": "1"})
    assert message.id.startswith("msg_")
    assert message.stop_reason in ("end_turn", "max_tokens")
    assert message.content[0].type == "text"
    beta = client.beta.messages.create(
        **CHAT, betas=["context-management-2025-06-27"], context_management={"edits": []}
    )
    assert beta.content[0].type == "text"


def check_stream(client: anthropic.Anthropic) -> None:
    """Read a stream: its events in order, and the message that they make."""
    events = list(client.messages.create(**CHAT, stream=True))
    kinds = [event.type for event in events]
    assert (kinds[0], kinds[-2:]) == ("message_start", ["message_delta", "message_stop"])
    assert kinds.count("content_block_start") == kinds.count("content_block_stop") >= 1
    with client.messages.stream(**CHAT) as stream:
        text = "".join(stream.text_stream)
        message = stream.get_final_message()
    assert text == "".join(block.text for block in message.content if block.type == "text")
    assert message.usage.output_tokens >= 1
    assert message.usage.input_tokens >= 1


def check_tools(client: anthropic.Anthropic) -> None:
    """Receive a call, whole and streamed, and send its result."""
    message = client.messages.create(**FORCED)
    (call,) = (block for block in message.content if block.type == "tool_use")
    assert call.name == "get_weather"
    assert call.input["unit"] in ("C", "F")
    assert message.stop_reason == "tool_use"
    result: Any = {"type": "tool_result", "tool_use_id": call.id, "content": "21 degrees"}
    history: Any = [USER, {"role": "assistant", "content": message.content}, {"role": "user", "content": [result]}]
    answer = client.messages.create(model="any", messages=history, tools=[TOOL], max_tokens=16)
    assert answer.content
    with client.messages.stream(**FORCED) as stream:
        (streamed,) = (block for block in stream.get_final_message().content if block.type == "tool_use")
    assert streamed.input["unit"] in ("C", "F")


def check_thinking(client: anthropic.Anthropic) -> None:
    """Ask for thoughts, and send them back as they came."""
    asked: dict[str, Any] = CHAT | {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 64}
    whole = client.messages.create(**asked)
    with client.messages.stream(**asked) as stream:
        streamed = stream.get_final_message()
    for message in (whole, streamed):
        for block in message.content:
            assert block.type != "thinking" or (block.thinking and block.signature)
    history: Any = [*CHAT["messages"], {"role": "assistant", "content": whole.content}, USER]
    client.messages.create(**asked | {"messages": history})


def check_structured_output(client: anthropic.Anthropic) -> None:
    """Parse structured output."""
    parsed = client.messages.parse(**CHAT | {"max_tokens": 200}, output_format=Verdict)
    assert isinstance(parsed.parsed_output, Verdict)


def check_counting(client: anthropic.Anthropic) -> None:
    """Count tokens without generating any."""
    counted = client.messages.count_tokens(model="any", messages=CHAT["messages"])
    usage = client.messages.create(**CHAT).usage
    assert counted.input_tokens == usage.input_tokens + (usage.cache_read_input_tokens or 0)


def check_errors(client: anthropic.Anthropic) -> None:
    """Be rejected, each time with the error's own class."""
    try:
        client.messages.create(**CHAT, extra_body={"temperature": -3})
    except anthropic.BadRequestError as e:
        assert e.body["error"]["type"] == "invalid_request_error"  # type: ignore[index]
        assert "temperature" in str(e)
    else:
        raise AssertionError("the temperature was accepted")
    try:
        client.messages.create(**CHAT | {"messages": [{"role": "user", "content": "word " * 200_000}]})
    except anthropic.BadRequestError as e:
        assert "prompt is too long" in str(e)
    else:
        raise AssertionError("the prompt was accepted")
    try:
        client.post("/v1/messages/nothing", cast_to=object, body={})
    except anthropic.NotFoundError as e:
        assert e.body["error"]["type"] == "not_found_error"  # type: ignore[index]
    else:
        raise AssertionError("the path was accepted")


def main(base_url: str, key: str = "none") -> None:
    """Run all checks."""
    with anthropic.Anthropic(base_url=base_url.removesuffix("/v1"), api_key=key, max_retries=0) as client:
        for check in (
            check_whole, check_stream, check_tools, check_thinking, check_structured_output, check_counting,
            check_errors,
        ):  # fmt: skip
            check(client)


if __name__ == "__main__":
    main(*sys.argv[1:])
