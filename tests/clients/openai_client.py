"""OpenAI's client and the Chat Completions API: python openai_client.py BASE_URL."""

import sys
from typing import Any

import openai
from checks import rejects, run
from verdict import Verdict

USER: Any = {"role": "user", "content": "Hello!"}
TOOL: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Return the weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
FORCED: dict[str, Any] = {"type": "function", "function": {"name": "set_unit"}}
UNIT: Any = {
    "type": "function",
    "function": {
        "name": "set_unit",
        "parameters": {"type": "object", "properties": {"unit": {"enum": ["C", "F"]}}, "required": ["unit"]},
    },
}


client = openai.OpenAI(base_url=f"{sys.argv[1]}/v1", api_key="none", max_retries=0, timeout=120)


def cold_start() -> None:
    """Read a stream that begins before the model is loaded."""
    chunks = list(
        client.chat.completions.create(
            model="any", messages=[USER], stream=True, stream_options={"include_usage": True}
        )
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices).startswith("Hello!")
    assert chunks[-1].usage is not None


def chat() -> None:
    """Ask for whole replies, with fields that change nothing."""
    reply = client.chat.completions.create(
        model="any", messages=[USER], verbosity="low", store=True, reasoning_effort="low", n=2, service_tier="auto"
    )
    assert len(reply.choices) == 2
    message = reply.choices[0].message
    assert message.content is not None
    again = client.chat.completions.create(model="any", messages=[USER, message, USER])  # type: ignore[list-item]
    assert again.usage is not None
    texts = client.completions.create(model="any", prompt=["one\n", "two\n"], max_tokens=4)
    assert [choice.index for choice in texts.choices] == [0, 1]


def stream() -> None:
    """Use the client's own accumulator."""
    with client.chat.completions.stream(model="any", messages=[USER]) as events:
        final = events.get_final_completion()
    assert final.choices[0].message.content


def tools() -> None:
    """Receive a call, send its result, and force one by its name."""
    first = client.chat.completions.create(model="any", messages=[USER], tools=[TOOL]).choices[0]
    assert first.finish_reason == "tool_calls"
    (call,) = first.message.tool_calls or []
    assert call.type == "function"
    assert call.function.arguments == '{"city": "Paris"}'
    result: Any = {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
    history: Any = [USER, first.message, result]
    told = client.chat.completions.create(model="any", messages=history, tools=[TOOL])
    assert "sunny" in (told.choices[0].message.content or "")
    forced: Any = {"model": "any", "messages": [USER], "tools": [TOOL, UNIT], "tool_choice": FORCED}
    only = client.chat.completions.create(**forced).choices[0]
    assert only.finish_reason in ("stop", "tool_calls")
    assert len(only.message.tool_calls or []) == 1
    with client.chat.completions.stream(**forced) as events:
        message = events.get_final_completion().choices[0].message
    assert len(message.tool_calls or []) == 1


def structured() -> None:
    """Parse structured output, whole and streamed."""
    parsed = client.chat.completions.parse(model="any", messages=[USER], response_format=Verdict)
    assert isinstance(parsed.choices[0].message.parsed, Verdict)
    with client.chat.completions.stream(model="any", messages=[USER], response_format=Verdict) as events:
        final = events.get_final_completion()
    assert isinstance(final.choices[0].message.parsed, Verdict)


def errors() -> None:
    """Be rejected with the right classes, also before a stream begins."""
    long: Any = [{"role": "user", "content": "word " * 20_000}]
    rejects(lambda: client.chat.completions.create(model="any", messages=long), openai.BadRequestError, word="context")
    rejects(
        lambda: list(client.chat.completions.create(model="any", messages=long, stream=True)), openai.BadRequestError
    )
    rejects(lambda: client.moderations.create(input="x"), openai.NotFoundError)


run([cold_start, chat, stream, tools, structured, errors])
