"""Objects of a schema, closed to properties that it does not name."""

from typing import Any

import pytest

from function.engine import close_objects
from function.web.request.schema import ChatCompletion

NUMBER = {"type": "integer"}
OPEN = {"type": "object", "properties": {"a": NUMBER}}
CLOSED = {**OPEN, "additionalProperties": False}


@pytest.mark.parametrize(
    ("schema", "closed"),
    [
        (OPEN, CLOSED),
        ({"properties": {"a": NUMBER}}, {"properties": {"a": NUMBER}, "additionalProperties": False}),
        ({"type": "array", "items": OPEN}, {"type": "array", "items": CLOSED}),
        ({"anyOf": [OPEN, NUMBER]}, {"anyOf": [CLOSED, NUMBER]}),
        ({"$defs": {"o": OPEN}, "$ref": "#/$defs/o"}, {"$defs": {"o": CLOSED}, "$ref": "#/$defs/o"}),
        ({"allOf": [OPEN]}, {"allOf": [CLOSED]}),
        ({"properties": {"properties": OPEN}, "type": "object"}, {
            "properties": {"properties": CLOSED}, "type": "object", "additionalProperties": False,
        }),
    ],
)  # fmt: skip
def test_object_that_names_its_properties_is_closed(schema: dict[str, Any], closed: dict[str, Any]) -> None:
    assert close_objects(schema) == closed


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {**OPEN, "additionalProperties": True},
        {**OPEN, "additionalProperties": NUMBER},
        {**OPEN, "patternProperties": {"^x": NUMBER}},
        {**OPEN, "required": ["a", "b"]},
        {**OPEN, "minProperties": 2},
        {"allOf": [OPEN, {"properties": {"b": NUMBER}}]},
        *({**OPEN, key: [{"properties": {"b": NUMBER}}]} for key in ("allOf", "anyOf", "oneOf")),
        {**OPEN, "$defs": {"o": OPEN}, "$ref": "#/$defs/o"},
        {"enum": [OPEN]},
        NUMBER,
    ],
)
def test_object_with_other_properties_stays_open(schema: dict[str, Any]) -> None:
    assert close_objects(schema) == schema


@pytest.mark.parametrize(
    "fields",
    [
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": OPEN}}},
        {"response_format": {"type": "json_object", "schema": OPEN}},
        {"json_schema": OPEN},
    ],
)
def test_every_schema_of_a_reply_is_closed(fields: dict[str, Any]) -> None:
    body = ChatCompletion.parse({"messages": [{"role": "user", "content": "a"}], **fields}, strict=True)
    grammar = body.grammar()
    assert grammar is not None
    assert '"additionalProperties": false' in grammar.start + grammar.rules
