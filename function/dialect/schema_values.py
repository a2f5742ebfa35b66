"""Text between tags → JSON values of the type that a tool's schema asks for. Pure."""

import ast
import json
from collections.abc import Mapping
from typing import Any

from function.dialect.json_stream import repaired

Schema = Mapping[str, Any]
STRING, OBJECT, ARRAY = frozenset(("string",)), frozenset(("object",)), frozenset(("array",))
_LITERALS = {"True": "true", "False": "false", "None": "null"}
_MAX_REFERENCES = 20


def property_schema(parameters: Schema, name: str) -> Schema:
    """Return the schema of one property; empty where the schema names none."""
    parameters = resolve(parameters, parameters)
    properties = parameters.get("properties")
    found = properties.get(name) if isinstance(properties, Mapping) else None
    if found is None:
        found = parameters.get("additionalProperties")
    return resolve(found, parameters) if isinstance(found, Mapping) else {}


def resolve(schema: Schema, root: Schema) -> Schema:
    """Return the schema that ``schema`` refers to; itself where it is no reference."""
    for _ in range(_MAX_REFERENCES):
        reference = schema.get("$ref")
        if not isinstance(reference, str) or not reference.startswith("#/"):
            break
        found: Any = root
        for name in reference[2:].split("/"):
            found = found.get(name.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
        if not isinstance(found, Mapping):
            break
        schema = found
    return schema


def types(schema: Schema, root: Schema, depth: int = 0) -> frozenset[str] | None:
    """Return the JSON types that ``schema`` allows; None for any."""
    schema = resolve(schema, root)
    found: set[str] | None = None
    kind = schema.get("type")
    if isinstance(kind, str):
        found = {kind}
    elif isinstance(kind, list):
        found = {str(item) for item in kind}
    elif isinstance(values := schema.get("enum"), list):
        found = {type_name(value) for value in values}
    elif "const" in schema:
        found = {type_name(schema["const"])}
    elif isinstance(schema.get("properties"), Mapping):
        found = {"object"}
    elif depth < _MAX_REFERENCES:
        options: list[Any] = next(
            (schema[key] for key in ("anyOf", "oneOf", "allOf") if isinstance(schema.get(key), list)), []
        )
        below = [types(option, root, depth + 1) for option in options if isinstance(option, Mapping)]
        if below and None not in below:
            found = {name for names in below if names for name in names}
    if found is not None and schema.get("nullable") is True:
        found.add("null")
    return None if found is None else frozenset(found)


def type_name(value: Any) -> str:
    """Return the JSON type of ``value``."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    return "string" if isinstance(value, str) else "array" if isinstance(value, list) else "object"


def json_value(text: str, schema: Schema, root: Schema) -> str:
    """Return ``text`` as JSON of a type that ``schema`` allows, a string where nothing else fits."""
    allowed = types(schema, root)
    values = resolve(schema, root).get("enum")
    if allowed == STRING or (isinstance(values, list) and text in values):
        return json.dumps(text, ensure_ascii=False)
    found = _parsed(text.strip(), loose=allowed is not None and "string" not in allowed)
    if found is None:
        return json.dumps(text, ensure_ascii=False)
    value, spelled = found
    kind = type_name(value)
    if allowed is None or kind in allowed or (kind == "integer" and "number" in allowed):
        return spelled
    if kind == "number" and "integer" in allowed and value.is_integer():
        return str(int(value))
    if kind == "string" and allowed - {"string"}:  # a number in quotes, for example
        inner = _parsed(value.strip(), loose=False)
        if inner is not None and (
            type_name(inner[0]) in allowed or (type_name(inner[0]), "number") == ("integer", "number")
        ):
            return inner[1]
    return json.dumps(text, ensure_ascii=False) if "string" in allowed else spelled


def _parsed(text: str, *, loose: bool) -> tuple[Any, str] | None:
    """Return the value that ``text`` spells in JSON or Python, and its JSON; with ``loose`` faults are repaired."""
    text = _LITERALS.get(text, text)
    try:
        return json.loads(text, parse_constant=_reject), text
    except (ValueError, RecursionError):
        pass
    try:
        if text.startswith(("{", "[")):
            value = ast.literal_eval(text)
            return value, json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        pass
    fixed = repaired(text) if loose else None
    return None if fixed is None else (json.loads(fixed), fixed)


def _reject(name: str) -> Any:
    raise ValueError(name)
