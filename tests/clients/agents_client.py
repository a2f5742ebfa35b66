"""OpenAI's Agents SDK with its default model class, the Responses API: python agents_client.py BASE_URL [KEY]."""

import asyncio
import sys
from typing import Literal

import agents
import openai
from verdict import Verdict

NO_THOUGHTS = agents.ModelSettings(max_tokens=400, reasoning=openai.types.Reasoning(effort="none"))


@agents.function_tool
def choose(unit: Literal["C", "F"]) -> str:
    """Choose a unit of temperature."""
    return f"{unit} it is"


async def check_tools(model: agents.Model) -> None:
    """Call a tool; the loop ends with its result."""
    settings = NO_THOUGHTS.resolve(agents.ModelSettings(tool_choice="required", parallel_tool_calls=False))
    agent = agents.Agent(
        name="chooser", model=model, tools=[choose], model_settings=settings, tool_use_behavior="stop_on_first_tool"
    )
    result = await agents.Runner.run(agent, "Choose one.")
    assert result.final_output in ("C it is", "F it is")
    streamed = agents.Runner.run_streamed(agent, "Choose one.")
    names = [event.name async for event in streamed.stream_events() if event.type == "run_item_stream_event"]
    assert "tool_called" in names
    assert "tool_output" in names


async def check_structured_output(model: agents.Model) -> None:
    """Receive structured output."""
    agent = agents.Agent(name="judge", model=model, output_type=Verdict, model_settings=NO_THOUGHTS)
    result = await agents.Runner.run(agent, "Are you sure, and is it good?")
    assert isinstance(result.final_output, Verdict)
    assert result.context_wrapper.usage.total_tokens > 0


async def check_all(base_url: str, key: str) -> None:
    """Run all checks."""
    agents.set_tracing_disabled(True)
    async with openai.AsyncOpenAI(base_url=f"{base_url.removesuffix('/v1')}/v1", api_key=key, max_retries=0) as client:
        model = agents.OpenAIProvider(openai_client=client).get_model("any")
        assert isinstance(model, agents.OpenAIResponsesModel), "the default"
        await check_tools(model)
        await check_structured_output(model)


def main(base_url: str, key: str = "none") -> None:
    """Run all checks."""
    asyncio.run(check_all(base_url, key))


if __name__ == "__main__":
    main(*sys.argv[1:])
