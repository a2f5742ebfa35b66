"""Simon Willison's llm, as a command and as a library: python llm_client.py BASE_URL."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from checks import rejects, run

folder = Path(tempfile.mkdtemp())
os.environ["LLM_USER_PATH"] = str(folder)
(folder / "extra-openai-models.yaml").write_text(
    json.dumps(
        [
            {
                "model_id": "local",
                "model_name": "any",
                "api_base": f"{sys.argv[1]}/v1",
                "api_key": "none",
                "supports_schema": True,
                "supports_tools": True,
            }
        ]
    )
)

import llm  # noqa: E402  it reads the folder when it is imported

model = llm.get_model("local")
SCHEMA = {"type": "object", "properties": {"grade": {"enum": ["good", "bad"]}}, "required": ["grade"]}


def command(*arguments: str) -> str:
    """Return the output of the command."""
    return subprocess.run(
        [sys.executable, "-m", "llm", "-m", "local", *arguments], capture_output=True, text=True, check=True
    ).stdout


def get_weather(city: str) -> str:
    """Return the weather of a city."""
    return f"sunny in {city}"


def cold_start() -> None:
    """Ask by the command before the model is loaded."""
    assert command("Hello!").startswith("Hello!")


def chat() -> None:
    """Ask without a stream, and go on."""
    assert command("--no-stream", "Hello!").startswith("Hello!")
    assert command("-c", "Go on.")


def stream() -> None:
    """Read a stream with its usage."""
    response = model.prompt("Hello!", stream=True)
    assert "".join(response).startswith("Hello!")
    assert response.usage().output


def tools() -> None:
    """Let the chain call a tool."""
    assert "sunny" in model.chain("Weather in Paris?", tools=[get_weather]).text()


def structured() -> None:
    """Receive output that follows a schema."""
    assert json.loads(model.prompt("Hello!", schema=SCHEMA).text())["grade"] in ("good", "bad")


def errors() -> None:
    """Be rejected."""
    rejects(lambda: model.prompt("word " * 20_000).text(), Exception, word="context")


run([cold_start, chat, stream, tools, structured, errors])
