"""Objects of a JSON schema, closed to properties that the schema does not name. Pure.

Small models invent properties where they may, often without an end.
"""

from collections.abc import Mapping
from typing import Any

from function.engine.grammar.grammar import SCHEMA_MAPS, SCHEMA_VALUES

_COMPOSED = ("allOf", "anyOf", "oneOf", "$ref", "if", "dependentSchemas", "not")
"""Keywords whose schemas hold for the same object as the properties beside them."""


def close_objects(schema: Any) -> Any:
    """Return ``schema`` with each object closed that names properties, and not whether it takes others.

    An object that needs properties without a name stays open. So does a schema in which several hold for one object
    (members of ``allOf``, or a composition beside ``properties``), because each must allow the others' properties.
    """
    return schema if _joins(schema) else _close(schema)


def _close(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_close(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    made: dict[str, Any] = {}
    for key, item in schema.items():
        if key in SCHEMA_MAPS and isinstance(item, Mapping):
            made[key] = {name: _close(below) for name, below in item.items()}
        else:
            made[key] = item if key in SCHEMA_VALUES else _close(item)
    if schema.get("type", "object") == "object" and _names_all(schema):
        made.setdefault("additionalProperties", False)
    return made


def _names_all(schema: Mapping[str, Any]) -> bool:
    """Return true if ``schema`` names every property that its objects need."""
    named, required, fewest = (schema.get(key) for key in ("properties", "required", "minProperties"))
    if not isinstance(named, Mapping) or "patternProperties" in schema:
        return False
    lacks = isinstance(required, list) and any(name not in named for name in required)
    return not lacks and not (isinstance(fewest, int) and fewest > len(named))


def _joins(schema: Any) -> bool:
    if isinstance(schema, list):
        return any(map(_joins, schema))
    if not isinstance(schema, Mapping):
        return False
    members = schema.get("allOf")
    joins = isinstance(schema.get("properties"), Mapping) and any(key in schema for key in _COMPOSED)
    return joins or (isinstance(members, list) and len(members) > 1) or any(map(_joins, schema.values()))
