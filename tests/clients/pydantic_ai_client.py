"""Pydantic AI with its default model class: python pydantic_ai_client.py BASE_URL."""

import asyncio
import os
import sys
from typing import Any

os.environ |= {"OPENAI_BASE_URL": f"{sys.argv[1]}/v1", "OPENAI_API_KEY": "none"}

from checks import rejects, run
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider
from verdict import Verdict

CHAT: Any = OpenAIChatModel("any", provider=OpenAIProvider(base_url=f"{sys.argv[1]}/v1", api_key="none"))


def get_weather(city: str) -> str:
    """Return the weather of a city."""
    return f"sunny in {city}"


def cold_start() -> None:
    """Ask the default class before the model is loaded."""
    agent = Agent("openai:any")
    assert agent.run_sync("Hello!").output.startswith("Hello!")
    assert isinstance(agent.model, OpenAIResponsesModel) or agent.model == "openai:any"


def chat() -> None:
    """Ask by the Chat Completions API, with its history."""
    agent = Agent(CHAT)
    first = agent.run_sync("Hello!")
    assert agent.run_sync("Go on.", message_history=first.all_messages()).output


def stream() -> None:
    """Read streams of both APIs."""

    async def read(model: Any) -> str:
        async with Agent(model).run_stream("Hello!") as result:
            return str(await result.get_output())

    for model in ("openai:any", CHAT):
        assert asyncio.run(read(model)).startswith("Hello!")


def tools() -> None:
    """Let the loop call a tool."""
    for model in ("openai:any", CHAT):
        assert "sunny" in Agent(model, tools=[get_weather]).run_sync("Weather in Paris?").output


def structured() -> None:
    """Receive structured output by a tool and by a schema."""
    for model in ("openai:any", CHAT):
        for output in (Verdict, NativeOutput(Verdict)):
            agent: Any = Agent(model, output_type=output)
            assert isinstance(agent.run_sync("Hello!").output, Verdict)


def errors() -> None:
    """Be rejected."""
    rejects(lambda: Agent(CHAT).run_sync("word " * 20_000), Exception)


run([cold_start, chat, stream, tools, structured, errors])
