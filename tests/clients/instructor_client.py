"""Instructor, in four modes: python instructor_client.py BASE_URL."""

import sys
from typing import Any

import instructor
import openai
from checks import rejects, run
from verdict import Verdict

client = openai.OpenAI(base_url=f"{sys.argv[1]}/v1", api_key="none", max_retries=0, timeout=120)
ASK: dict[str, Any] = {"model": "any", "messages": [{"role": "user", "content": "Hello!"}], "max_retries": 0}


def extract(mode: instructor.Mode) -> None:
    """Extract an object, whole and streamed."""
    patched: Any = instructor.from_openai(client, mode=mode)
    assert isinstance(patched.chat.completions.create(response_model=Verdict, **ASK), Verdict)


def cold_start() -> None:
    """Extract before the model is loaded."""
    extract(instructor.Mode.TOOLS)


def tools() -> None:
    """Extract by a named tool, also as a stream of partial objects."""
    extract(instructor.Mode.TOOLS_STRICT)
    patched: Any = instructor.from_openai(client, mode=instructor.Mode.TOOLS)
    partial = list(patched.chat.completions.create_partial(response_model=Verdict, **ASK))
    assert partial[-1].grade in ("good", "bad")


def structured() -> None:
    """Extract by a schema."""
    extract(instructor.Mode.JSON_SCHEMA)


def errors() -> None:
    """Be rejected."""
    patched: Any = instructor.from_openai(client, mode=instructor.Mode.TOOLS)
    long: Any = ASK | {"messages": [{"role": "user", "content": "word " * 20_000}]}
    rejects(lambda: patched.chat.completions.create(response_model=Verdict, **long), Exception, word="context")


def responses() -> None:
    """Extract by a tool of the Responses API."""
    extract(instructor.Mode.RESPONSES_TOOLS)


run([cold_start, tools, structured, errors, responses])
