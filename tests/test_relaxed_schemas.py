"""Rules of schemas that cannot be enforced: dropped and named, or rejected for ``strict`` schemas."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from function.engine import relax_schema
from function.engine.grammar.grammar import MAX_SCHEMA_LEVELS
from tests.servers.doors import ServedFunction, serving

CHAT = "/v1/chat/completions"
MESSAGES = [{"role": "user", "content": "hi"}]
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "price": {"type": "string", "format": "decimal", "maxLength": 5},
        "tags": {"type": "array", "items": {"enum": ["a"]}, "uniqueItems": True, "minItems": 2, "maxItems": 2},
        "mail": {"type": "string", "pattern": "^(?!\\.)[a-z]+$", "maxLength": 4},
        "uniqueItems": {"const": True},
    },
    "required": ["price", "tags", "mail", "uniqueItems"],
    "additionalProperties": False,
}
DROPPED = ["properties.tags.uniqueItems", "properties.mail.pattern"]


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[ServedFunction]:
    with serving(tmp_path_factory.mktemp("relaxed"), MODEL_URI=str(tiny_model)) as running:
        running.wait("ready")
        yield running


@pytest.mark.parametrize("pattern", ["(?=a)", "(?!a)", "(?<=a)", "(?<!a)b", "\\bword", "(a)\\1", "\\\\\\B"])
def test_pattern_with_look_around_is_dropped(pattern: str) -> None:
    assert relax_schema({"pattern": pattern, "minLength": 1}, "s", strict=False) == ({"minLength": 1}, ("s.pattern",))
    assert relax_schema({"pattern": pattern}, "s", strict=True) == ({"pattern": pattern}, ())


@pytest.mark.parametrize("pattern", ["^a+$", "(?:a|b)", "(?<name>a)", "(?i)a", "\\\\b", "[(]?=", "\\(?!"])
def test_other_pattern_stays(pattern: str) -> None:
    assert relax_schema({"pattern": pattern}, "s", strict=False) == ({"pattern": pattern}, ())


@pytest.mark.parametrize("strict", [True, False])
def test_unknown_format_is_an_annotation(strict: bool) -> None:
    schema = {"items": [{"format": "decimal"}, {"format": "date"}], "properties": {"format": {"format": "password"}}}
    relaxed, dropped = relax_schema(schema, "s", strict=strict)
    assert relaxed == {"items": [{}, {"format": "date"}], "properties": {"format": {}}}
    assert dropped == ()


@pytest.mark.parametrize("level", [lambda below: {"items": below}, lambda below: {"properties": {"a": below}}])
def test_schema_that_is_too_deep_is_left_to_its_rejection(level: Callable[[Any], dict[str, Any]]) -> None:
    schema = {"pattern": "(?=a)"}
    for _ in range(MAX_SCHEMA_LEVELS + 5):
        schema = level(schema)
    assert relax_schema(schema, "s", strict=False) == (schema, ())


def test_values_are_no_rules() -> None:
    schema = {"enum": [{"uniqueItems": True}], "const": {"format": "x"}, "default": {"pattern": "(?=a)"}}
    assert relax_schema(schema, "s", strict=False) == (schema, ())


@pytest.mark.parametrize(
    ("fields", "prefix"),
    [
        ({"json_schema": SCHEMA}, "json_schema"),
        ({"response_format": {"type": "json_object", "schema": SCHEMA}}, "response_format.schema"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}},
            "response_format.json_schema.schema",
        ),
    ],
)
def test_dropped_rules_are_named_in_header_and_receipt(
    function: ServedFunction, fields: dict[str, Any], prefix: str
) -> None:
    body = {"messages": MESSAGES, "max_tokens": 200, **fields}
    status, headers, text = function.exchange(CHAT, body, {"X-Receipt": "1"})
    assert status == 200, text
    reply = json.loads(text)
    named = [f"{prefix}.{path}" for path in DROPPED]
    assert headers["x-ignored-fields"].split(", ") == named
    assert reply["receipt"]["ignored_fields"] == named
    made = json.loads(reply["choices"][0]["message"]["content"])
    assert made["tags"] == ["a", "a"]


def test_dropped_rules_of_forced_tool_are_named(function: ServedFunction) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": SCHEMA}}
    body = {"messages": MESSAGES, "max_tokens": 300, "tools": [tool], "tool_choice": "required"}
    _, headers, _ = function.exchange(CHAT, body | {"parallel_tool_calls": False})
    assert headers["x-ignored-fields"].split(", ") == [f"tools.0.function.parameters.{path}" for path in DROPPED]


@pytest.mark.parametrize(
    ("rule", "reason"), [({"type": "array", "uniqueItems": True}, "uniqueItems"), ({"pattern": "(?=a)"}, "look-around")]
)
def test_strict_schema_is_rejected_by_place(function: ServedFunction, rule: dict[str, Any], reason: str) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", **rule}}}
    named = {"name": "x", "schema": schema, "strict": True}
    body = {"messages": MESSAGES, "response_format": {"type": "json_schema", "json_schema": named}}
    status, answer = function.ask(CHAT, body)
    assert status == 400
    assert answer["error"]["param"] == "response_format.json_schema.schema.properties.a"
    assert reason in answer["error"]["message"]
