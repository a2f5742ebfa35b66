"""LiteLLM: python litellm_client.py BASE_URL."""

import json
import sys
from typing import Any

import litellm
from checks import rejects, run
from verdict import Verdict

litellm.suppress_debug_info = True
USER: Any = {"role": "user", "content": "Hello!"}
COMMON: dict[str, Any] = {"api_base": f"{sys.argv[1]}/v1", "api_key": "none", "timeout": 120, "num_retries": 0}
ASK: dict[str, Any] = COMMON | {"model": "openai/any", "messages": [USER]}
TOOL: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def cold_start() -> None:
    """Read a stream that begins before the model is loaded."""
    text = "".join(chunk.choices[0].delta.content or "" for chunk in litellm.completion(**ASK, stream=True))
    assert text.startswith("Hello!")


def chat() -> None:
    """Ask under several of its providers' names, with fields of others."""
    cached = {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}
    messages = [{"role": "system", "content": [cached]}, USER]
    reply = litellm.completion(**ASK | {"messages": messages}, reasoning_effort="low", drop_params=True)
    assert reply.choices[0].message.content.startswith("Hello!")
    for provider in ("hosted_vllm", "llamafile", "lm_studio"):
        assert litellm.completion(**ASK | {"model": f"{provider}/any"}).choices[0].message.content
    text = litellm.text_completion(**COMMON, model="text-completion-openai/any", prompt=["one\n", "two\n"])
    assert len(text.choices) == 2


def stream() -> None:
    """Read a stream with its usage."""
    chunks = list(litellm.completion(**ASK, stream=True, stream_options={"include_usage": True}))
    assert litellm.stream_chunk_builder(chunks).usage.completion_tokens > 0


def tools() -> None:
    """Receive a call and send its result, in the message that it made."""
    message = litellm.completion(**ASK, tools=[TOOL]).choices[0].message
    (call,) = message.tool_calls
    assert json.loads(call.function.arguments) == {"city": "Paris"}
    history = [USER, message, {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]
    assert "sunny" in litellm.completion(**ASK | {"messages": history}, tools=[TOOL]).choices[0].message.content


def structured() -> None:
    """Receive structured output."""
    reply = litellm.completion(**ASK, response_format=Verdict)
    assert Verdict.model_validate_json(reply.choices[0].message.content)


def errors() -> None:
    """Be rejected with its classes."""
    long = ASK | {"messages": [{"role": "user", "content": "word " * 20_000}]}
    rejects(lambda: litellm.completion(**long), litellm.ContextWindowExceededError)


def responses() -> None:
    """Use the Responses API, and the bridge from Anthropic's."""
    reply = litellm.responses(**COMMON, model="openai/any", input="Hello!")
    assert reply.output_text.startswith("Hello!")


run([cold_start, chat, stream, tools, structured, errors, responses])
