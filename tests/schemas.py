"""JSON schemas from hypothesis, as programs send them: with bounds, patterns, unions and recursion."""

from typing import Any

from hypothesis import strategies as st

Schema = dict[str, Any]

NAMES = ["a", "b", "name", "isValid", "größe", "with space", 'quo"te', "$ref", "items"]
PATTERNS = [r"^[a-z]{2,5}$", r"^\d{3}-\d{4}$", r"^(foo|ba[rz])+$", r"x", r"^\w+@\w+\.(com|org)$", r"^[^\s]{0,4}$"]
FORMATS = ["date", "time", "date-time", "ipv4", "uuid", "email"]


def _bounded(draw: Any, low: str, high: str, most: int) -> Schema:
    """Return either bound of a count, both or none."""
    least = draw(st.integers(0, most))
    bounds = {}
    if draw(st.booleans()):
        bounds[low] = least
    if draw(st.integers(0, 3)):  # mostly: without it, random text does not end
        bounds[high] = draw(st.integers(least, most + 3))
    return bounds


@st.composite
def numbers(draw: Any) -> Schema:
    low = draw(st.integers(-1000, 1000))
    high = low + draw(st.integers(4, 1000))
    schema: Schema = {"type": draw(st.sampled_from(["integer", "number"]))}
    schema |= draw(st.sampled_from([{"minimum": low}, {"exclusiveMinimum": low}, {}]))
    schema |= draw(st.sampled_from([{"maximum": high}, {"exclusiveMaximum": high + 0.5}, {}]))
    if schema["type"] == "integer":
        schema |= draw(st.sampled_from([{"multipleOf": 2}, {"multipleOf": 3}, {}, {}]))
    return schema


@st.composite
def strings(draw: Any) -> Schema:
    kind = draw(st.sampled_from(["bounds", "pattern", "format"]))
    if kind == "pattern":
        return {"type": "string", "pattern": draw(st.sampled_from(PATTERNS))}
    if kind == "format":
        return {"type": "string", "format": draw(st.sampled_from(FORMATS))}
    return {"type": "string"} | _bounded(draw, "minLength", "maxLength", 6)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.text(max_size=4),
    lambda below: st.lists(below, max_size=2) | st.dictionaries(st.sampled_from(NAMES), below, max_size=2),
    max_leaves=3,
)
LEAVES = st.one_of(
    numbers(),
    strings(),
    st.builds(lambda values: {"enum": values}, st.lists(VALUES, min_size=1, max_size=4)),
    st.builds(lambda value: {"const": value}, VALUES),
    st.sampled_from([{"type": "boolean"}, {"type": "null"}, {"type": ["string", "null"], "maxLength": 5}]),
    st.sampled_from([{"$ref": "#/$defs/node"}, {"$ref": "#/$defs/tree"}, {"$ref": "#/$defs/word"}]),
)


def _containers(below: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    @st.composite
    def objects(draw: Any) -> Schema:
        properties = draw(st.dictionaries(st.sampled_from(NAMES), below, max_size=4))
        schema: Schema = {"type": "object", "properties": properties}
        if properties:
            schema["required"] = draw(st.lists(st.sampled_from(list(properties)), unique=True))
        if draw(st.integers(0, 3)):
            schema["additionalProperties"] = False
        elif draw(st.booleans()):
            schema["additionalProperties"] = draw(below)
        return schema

    @st.composite
    def arrays(draw: Any) -> Schema:
        schema: Schema = {"type": "array", "items": draw(below)} | _bounded(draw, "minItems", "maxItems", 2)
        if draw(st.booleans()):
            schema["prefixItems"] = draw(st.lists(below, min_size=1, max_size=2))
        return schema

    unions = st.builds(lambda options: {"anyOf": options}, st.lists(below, min_size=1, max_size=3))
    return st.one_of(objects(), arrays(), unions)


DEFINITIONS: Schema = {
    "node": {
        "type": "object",
        "properties": {"value": {"type": "integer"}, "next": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/node"}]}},
        "required": ["value", "next"],
        "additionalProperties": False,
    },
    "tree": {
        "type": "object",
        "properties": {"children": {"type": "array", "items": {"$ref": "#/$defs/tree"}, "maxItems": 2}},
        "required": ["children"],
        "additionalProperties": False,
    },
    "word": {"type": "string", "pattern": "^[a-z]{1,8}$"},
}
SCHEMAS = st.recursive(LEAVES, _containers, max_leaves=8).map(lambda schema: {**schema, "$defs": DEFINITIONS})


def chain(length: int) -> Schema:
    """Return a schema in which each definition refers to the next."""
    links: Schema = {
        f"d{i}": {"type": "object", "properties": {"next": {"$ref": f"#/$defs/d{i + 1}"}}} for i in range(length)
    }
    return {"$ref": "#/$defs/d0", "$defs": links | {f"d{length}": {"type": "null"}}}


def nested(depth: int) -> Schema:
    """Return nested objects."""
    schema: Schema = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


EXPLOSIVE: dict[str, Schema] = {
    "a chain of references that overflows the stack": chain(2000),
    "a longer one": chain(6000),
    "thousands of optional properties": {"type": "object", "properties": {f"p{i}": {} for i in range(5000)}},
    "a product of unions": {
        "allOf": [{"anyOf": [{"properties": {f"p{i}{j}": {"type": "string"}}} for j in range(8)]} for i in range(8)]
    },
    "a multiple with a large range": {"type": "integer", "multipleOf": 1234567, "minimum": 1, "maximum": 10**15},
    "nested beyond reason": nested(60) | {"allOf": [nested(49)]},
    "a pattern of nested groups": {"type": "string", "pattern": "(" * 5000 + "a" + ")" * 5000},
    "megabytes": {"enum": ["x" * 300_000]},
}
"""Schemas that make llguidance crash, or take too much time or memory."""
