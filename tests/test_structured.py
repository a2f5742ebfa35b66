"""Structured output through a real server, complete and streamed, and requests that try to end its process."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import openai
import pydantic
import pytest

from tests.schemas import EXPLOSIVE
from tests.servers.doors import ServedFunction, serving

PATH = "/v1/chat/completions"
ASK: dict[str, Any] = {"messages": [{"role": "user", "content": "Tell me."}], "max_tokens": 300}


class Colour(pydantic.BaseModel):
    """One of two colours."""

    name: Literal["red", "green"]
    share: int = pydantic.Field(ge=0, le=100)


class Picture(pydantic.BaseModel):
    """A realistic model: nested, with a list and an optional field."""

    title: str = pydantic.Field(max_length=10)
    colours: list[Colour] = pydantic.Field(max_length=3)
    year: Annotated[int, pydantic.Field(ge=0, le=3000)] | None


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[ServedFunction]:
    with serving(tmp_path_factory.mktemp("structured"), MODEL_URI=str(tiny_model), N_CTX="1024") as running:
        running.wait("ready")
        yield running


@pytest.fixture
def client(function: ServedFunction) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{function.url}/v1", api_key="none", max_retries=0) as made:
        yield made


def format_of(schema: Any, **more: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "thing", "schema": schema, **more}}


def test_openai_client_parses_the_requested_type(client: openai.OpenAI) -> None:
    for seed in range(3):
        reply = client.chat.completions.parse(model="any", response_format=Picture, seed=seed, **ASK)
        assert isinstance(reply.choices[0].message.parsed, Picture)
        assert reply.choices[0].finish_reason == "stop"


def test_openai_client_streams_the_requested_type(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(model="any", response_format=Picture, seed=1, **ASK) as stream:
        deltas = [event.delta for event in stream if event.type == "content.delta"]
        final = stream.get_final_completion().choices[0].message
    assert isinstance(final.parsed, Picture)
    assert "".join(deltas) == final.content
    whole = client.chat.completions.parse(model="any", response_format=Picture, seed=1, **ASK)
    assert whole.choices[0].message.content == final.content


def test_json_object_format_returns_an_object(function: ServedFunction) -> None:
    for seed in range(5):
        asked = {**ASK, "response_format": {"type": "json_object"}, "seed": seed, "max_tokens": 400}
        choice = function.ask(PATH, asked)[1]["choices"][0]
        assert choice["message"]["content"].startswith("{")
        if choice["finish_reason"] == "stop":
            assert isinstance(json.loads(choice["message"]["content"]), dict)


def test_missing_schema_is_any_object_and_strict_is_ignored(function: ServedFunction) -> None:
    for format_ in (
        {"type": "json_schema", "json_schema": {"name": "x"}},
        format_of({"type": "object"}, strict=False, description="A thing"),
        format_of({"type": "object"}, strict=True),
    ):
        status, body = function.ask(PATH, {**ASK, "response_format": format_, "max_tokens": 5})
        assert status == 200, body
        assert body["choices"][0]["message"]["content"].startswith("{")


def test_faulty_schema_is_rejected_with_its_path(function: ServedFunction) -> None:
    wrong = {"type": "object", "properties": {"a": {"type": "string", "if": {}}}}
    for stream in (False, True):
        status, body = function.ask(PATH, {**ASK, "response_format": format_of(wrong), "stream": stream})
        assert (status, body["error"]["param"]) == (400, "response_format.json_schema.schema.properties.a")
        assert "if" in body["error"]["message"]


def test_explosive_schemas_are_rejected_and_the_process_survives(function: ServedFunction) -> None:
    before = function.get("/health/ready")[1]
    for name, schema in EXPLOSIVE.items():
        status, body = function.ask(PATH, {**ASK, "response_format": format_of(schema)})
        assert status == 400, name
        assert body["error"]["param"].startswith("response_format.json_schema.schema")
    assert function.ask(PATH, {**ASK, "response_format": format_of({"const": {"a": 1}})})[0] == 200
    assert function.get("/health/ready")[1]["state"] == before["state"]
    assert function.log.read_text().count('"message": "ready') <= 1, "the worker is the same"
