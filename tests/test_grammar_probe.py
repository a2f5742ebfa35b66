"""Schemas made to crash or explode, and wrong ones: rejected with their path, and the process survives."""

from typing import Any

import pytest

from function.engine import json_grammar, probe_grammar
from function.errors import RequestError
from tests.schemas import EXPLOSIVE, Schema, chain, nested


def anyhow(**part: Any) -> Schema:
    return {"type": "object", "properties": {"x": {"type": "array", "items": part}}}


X = "schema.properties.x.items"
WRONG: dict[str, tuple[Schema, str, str]] = {
    "an unknown type": (anyhow(type="strin"), X, "strin"),
    "a keyword that no grammar keeps": (anyhow(**{"if": {"type": "string"}}), X, "if"),
    "not": (anyhow(**{"not": {"type": "string"}}), X, "not"),
    "uniqueItems": (anyhow(type="array", uniqueItems=True), X, "uniqueItems"),
    "an unknown format": (anyhow(type="string", format="colour"), X, "colour"),
    "a broken pattern": (anyhow(type="string", pattern="(("), X, "unclosed"),
    "a pattern that looks around": (anyhow(type="string", pattern="(?=a)b"), X, "look-around"),
    "bounds that exclude each other": (
        {"type": "object", "properties": {"x": {"type": "integer", "minimum": 3, "maximum": 2}}, "required": ["x"]},
        "schema.properties.x",
        "minimum",
    ),
    "a reference to itself": ({"$ref": "#"}, "schema", "itself"),
    "a reference to nowhere": (anyhow(**{"$ref": "#/$defs/nothing"}), X, "nothing"),
    "a reference to somewhere else": (anyhow(**{"$ref": "https://example.com/s.json"}), X, "example.com"),
    "no schema at all": ({"type": "object", "properties": {"x": 5}}, "schema.properties.x", "object"),
    "a fault in a definition": ({"$ref": "#/$defs/d", "$defs": {"d": {"type": 1}}}, "schema.$defs.d", "type"),
    "alternatives that may both hold": (
        anyhow(oneOf=[{"type": "string"}, {"type": "string", "maxLength": 3}]),
        X,
        "oneOf",
    ),
    "the same in a property that is called like a keyword": (
        {"type": "object", "properties": {"default": {"type": "object", "minProperties": 2}}},
        "schema.properties.default.minProperties",
        "",
    ),
    "more properties than are required": (anyhow(type="object", minProperties=3), f"{X}.minProperties", ""),
}


def refusal(schema: Schema) -> RequestError:
    with pytest.raises(RequestError) as raised:
        probe_grammar(json_grammar(schema, "schema"))
    return raised.value


@pytest.mark.parametrize("name", EXPLOSIVE)
def test_explosive_schema_is_rejected(name: str) -> None:
    error = refusal(EXPLOSIVE[name])
    assert (error.param or "").startswith("schema")
    assert len(str(error)) < 1500


@pytest.mark.parametrize("name", WRONG)
def test_wrong_schema_is_rejected_with_its_path(name: str) -> None:
    schema, param, word = WRONG[name]
    error = refusal(schema)
    assert error.param == param
    assert word in str(error)
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    "schema",
    [
        chain(40),
        nested(25),
        {"type": "object", "properties": {f"p{i}": {"type": "string"} for i in range(100)}},
        {"enum": [f"value {i}" for i in range(2000)]},
        {"type": "string", "maxLength": 1_000_000},
        {"type": "array", "items": {"type": "integer"}, "minItems": 1_000_000},
        {"type": "string", "pattern": "^((a|b)*a(a|b){30}){3}$"},
        {"$ref": "#/$defs/a/b~1c", "$defs": {"a": {"b/c": {"type": "null"}}}},
        {"type": "object", "x-unknown": 1, "title": "An object", "description": "…", "default": {}},
        {"x-guidance": {"lenient": True}, "type": "object"},
    ],
)
def test_large_valid_schema_is_accepted(schema: Schema) -> None:
    probe_grammar(json_grammar(schema, "schema"))


def test_request_cannot_make_the_schema_lenient() -> None:
    assert refusal({"x-guidance": {"lenient": True}, **anyhow(**{"if": {}})}).param == X
