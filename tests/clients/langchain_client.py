"""LangChain's OpenAI package: python langchain_client.py BASE_URL."""

import sys
from typing import Any

import openai
from checks import rejects, run
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAI
from verdict import Verdict

COMMON: dict[str, Any] = {"base_url": f"{sys.argv[1]}/v1", "api_key": "none", "model": "any", "max_retries": 0}
model = ChatOpenAI(**COMMON, timeout=120)


@tool
def get_weather(city: str) -> str:
    """Return the weather of a city."""
    return f"sunny in {city}"


def cold_start() -> None:
    """Read a stream that begins before the model is loaded."""
    assert "".join(str(chunk.content) for chunk in model.stream("Hello!")).startswith("Hello!")


def chat() -> None:
    """Ask for replies, one and several, and complete several prompts."""
    reply = model.invoke("Hello!")
    assert str(reply.content).startswith("Hello!")
    assert reply.usage_metadata
    assert len(model.batch(["Hello!", "Hi!"], config={"max_concurrency": 1})) == 2
    assert len(OpenAI(**COMMON, max_tokens=4).batch(["one\n", "two\n"])) == 2


def stream() -> None:
    """Read a stream with its usage."""
    chunks = list(ChatOpenAI(**COMMON, stream_usage=True).stream("Hello!"))
    assert any(chunk.usage_metadata for chunk in chunks)


def tools() -> None:
    """Receive a call and send its result."""
    bound = model.bind_tools([get_weather])
    call = bound.invoke("Weather in Paris?")
    assert call.tool_calls[0]["args"] == {"city": "Paris"}
    result = get_weather.invoke(call.tool_calls[0])
    assert "sunny" in str(bound.invoke([("user", "Weather in Paris?"), call, result]).content)
    forced = model.bind_tools([Verdict], tool_choice="Verdict").invoke("Hello!")
    assert len(forced.tool_calls) == 1


def structured() -> None:
    """Parse structured output by both methods."""
    for method in ("json_schema", "function_calling"):
        assert isinstance(model.with_structured_output(Verdict, method=method).invoke("Hello!"), Verdict)


def errors() -> None:
    """Be rejected with OpenAI's classes."""
    rejects(lambda: model.invoke("word " * 20_000), openai.BadRequestError, word="context")
    rejects(lambda: list(model.stream("word " * 20_000)), openai.BadRequestError)


def responses() -> None:
    """Use the Responses API."""
    reply = ChatOpenAI(**COMMON, use_responses_api=True).invoke("Hello!")
    assert reply.text.startswith("Hello!")


run([cold_start, chat, stream, tools, structured, errors, responses])
