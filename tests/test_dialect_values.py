"""Arguments as models write them → valid JSON of the types that a schema asks for."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from function.dialect.json_stream import JsonStream, repaired
from function.dialect.schema_values import json_value, property_schema
from function.dialect.text_feed import TextFeed

FAULTS = [
    ("valid", '{"a": [1, {"b": "}"}]}', {"a": [1, {"b": "}"}]}),
    ("a line break in a string", '{"a": "x\ny"}', {"a": "x\ny"}),
    ("a tab in a string", '{"a": "x\ty"}', {"a": "x\ty"}),
    ("a comma at the end", '{"a": [1, 2,], }', {"a": [1, 2]}),
    ("two commas", '{"a": 1,, "b": 2}', {"a": 1, "b": 2}),
    ("no comma", '{"a": 1 "b": 2}', {"a": 1, "b": 2}),
    ("a surplus brace", '{"a": 1}}', {"a": 1}),
    ("a missing brace", '{"a": {"b": [1', {"a": {"b": [1]}}),
    ("an open string", '{"a": "x', {"a": "x"}),
    ("single quotes", "{'a': 'it\\'s \"x\"'}", {"a": 'it\'s "x"'}),
    ("Python's constants", "{'a': True, 'b': None, 'c': False}", {"a": True, "b": None, "c": False}),
    ("names without quotes", "{a: 1, b_c: x y}", {"a": 1, "b_c": "x y"}),
    ("equals signs", "{a=1}", {"a": 1}),
    ("no value", '{"a": , "b": 1}', {"a": None, "b": 1}),
    ("numbers", '{"a": [-1.5e3, +2, .5, 1., 01]}', {"a": [-1500.0, 2, 0.5, 1.0, 0]}),
    ("no number", '{"a": NaN}', {"a": None}),
    ("unknown escapes", r'{"a": "\d \x41 \u0041 \uZZ"}', {"a": "\\d A A \\uZZ"}),
    ("blanks of other scripts", '{"a":\u00a01,\x0c"b": 2}', {"a": 1, "b": 2}),
    ("a bracket of another kind", '{"a": [1, 2}', {"a": [1, 2]}),
]


@pytest.mark.parametrize(("text", "value"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS])
def test_faulty_json_is_repaired(text: str, value: Any) -> None:
    fixed = repaired(text)
    assert fixed is not None
    assert json.loads(fixed) == value


def test_text_that_is_no_object_is_not_repaired() -> None:
    for text in ("", "3", "x", '"x"', '{"a": 1} and more'):
        assert repaired(text) is None


def streamed(text: str, pieces: list[str], *, cut: bool) -> str:
    """Return the JSON of a value that comes in pieces."""
    written: list[str] = []
    feed = TextFeed()
    stream = JsonStream(feed, written.append)
    reading = stream.value()
    for piece in pieces:
        feed.add(piece)
        if next(reading, "end") == "end":
            return "".join(written)
    stream.cut, feed.ended = cut, True
    next(reading, None)
    return "".join(written)


@settings(deadline=None)
@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda below: st.dictionaries(st.text(), below))
)
def test_valid_json_passes_unchanged(value: Any) -> None:
    text = json.dumps({"a": value}, ensure_ascii=False)
    assert streamed(text, list(text), cut=True) == text
    assert streamed(text, [text], cut=True) == text


@settings(deadline=None)
@given(st.text(alphabet="{}[]\"':,\\ntrue1.e- \n=()uN\u00a0", max_size=30), st.integers(1, 5))
def test_any_text_becomes_valid_json_however_it_is_cut(text: str, width: int) -> None:
    text = "{" + text
    pieces = [text[at : at + width] for at in range(0, len(text), width)]
    assert isinstance(json.loads(streamed(text, [text], cut=False)), dict)
    for cut in (True, False):
        assert streamed(text, [text], cut=cut) == streamed(text, pieces, cut=cut)


TYPED: list[tuple[str, dict[str, Any], Any]] = [
    ("3", {"type": "integer"}, 3),
    ("3.0", {"type": "integer"}, 3),
    ("3", {"type": "number"}, 3),
    ("3", {"type": "string"}, "3"),
    ("3", {}, 3),
    ("three", {"type": "integer"}, "three"),
    ('"3"', {"type": "integer"}, 3),
    ("true", {"type": "boolean"}, True),
    ("True", {"type": "boolean"}, True),
    ("True", {"type": "string"}, "True"),
    ("null", {"type": ["string", "null"]}, None),
    ("None", {"anyOf": [{"type": "integer"}, {"type": "null"}]}, None),
    ("null", {"type": "string", "nullable": True}, None),
    ("x", {"type": ["string", "null"]}, "x"),
    ("123 Main St", {"type": ["string", "null"]}, "123 Main St"),
    ('{"a": 1}', {"type": ["object", "string"]}, {"a": 1}),
    ("{'a': [None, True]}", {"type": "object"}, {"a": [None, True]}),
    ('{"a": 1,}', {"type": "object"}, {"a": 1}),
    ("{no json", {"type": ["object", "string"]}, "{no json"),
    ("[1, 2]", {"type": "array"}, [1, 2]),
    ("3", {"enum": ["3", "4"]}, "3"),
    ("3", {"enum": [3, 4]}, 3),
    ("3", {"const": 3}, 3),
    ("NaN", {"type": "number"}, "NaN"),
    ("", {"type": "string"}, ""),
    ("3", {"$ref": "#/$defs/days"}, 3),
]


@pytest.mark.parametrize(("text", "schema", "value"), TYPED)
def test_values_follow_the_schema(text: str, schema: dict[str, Any], value: Any) -> None:
    root = {"$defs": {"days": {"type": "integer"}}}
    result = json.loads(json_value(text, schema, root))
    assert (result, type(result)) == (value, type(value))


def test_schemas_of_properties_are_found() -> None:
    root = {"properties": {"a": {"$ref": "#/$defs/x"}}, "$defs": {"x": {"type": "null"}}, "additionalProperties": False}
    assert property_schema(root, "a") == {"type": "null"}
    assert property_schema(root, "b") == {}
    assert property_schema({"additionalProperties": {"type": "integer"}}, "b") == {"type": "integer"}
    assert property_schema({"$ref": "#/$ref"}, "b") == {}
