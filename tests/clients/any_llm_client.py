"""Mozilla's any-llm: python any_llm_client.py BASE_URL."""

import json
import sys
from typing import Any

import any_llm
from checks import rejects, run
from verdict import Verdict

USER: Any = {"role": "user", "content": "Hello!"}
COMMON: dict[str, Any] = {"model": "any", "provider": "openai", "api_base": f"{sys.argv[1]}/v1", "api_key": "none"}
ASK: dict[str, Any] = COMMON | {"messages": [USER]}


def get_weather(city: str) -> str:
    """Return the weather of a city.

    Args:
        city: Name of the city.

    """
    return f"sunny in {city}"


def cold_start() -> None:
    """Read a stream that begins before the model is loaded."""
    text = "".join(chunk.choices[0].delta.content or "" for chunk in any_llm.completion(**ASK, stream=True))
    assert text.startswith("Hello!")


def chat() -> None:
    """Ask under several providers' names, with an effort."""
    for provider in ("openai", "llamafile", "llamacpp", "vllm"):
        reply = any_llm.completion(**ASK | {"provider": provider}, reasoning_effort="low")
        assert reply.choices[0].message.content.startswith("Hello!")


def stream() -> None:
    """Read a stream of another provider's name."""
    chunks = list(any_llm.completion(**ASK | {"provider": "llamacpp"}, stream=True))
    assert chunks[-1].choices == [] or chunks[-1].choices[0].finish_reason


def tools() -> None:
    """Receive a call."""
    (call,) = any_llm.completion(**ASK, tools=[get_weather]).choices[0].message.tool_calls
    assert json.loads(call.function.arguments) == {"city": "Paris"}


def structured() -> None:
    """Receive structured output."""
    content = any_llm.completion(**ASK, response_format=Verdict).choices[0].message.content
    assert Verdict.model_validate_json(content)


def errors() -> None:
    """Be rejected."""
    long = ASK | {"messages": [{"role": "user", "content": "word " * 20_000}]}
    rejects(lambda: any_llm.completion(**long), Exception, word="context")


def responses() -> None:
    """Use the Responses API."""
    assert any_llm.responses(**COMMON, input_data="Hello!").output_text.startswith("Hello!")


run([cold_start, chat, stream, tools, structured, errors, responses])
