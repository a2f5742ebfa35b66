"""Rules of a JSON schema that no grammar can enforce, and without which its replies are still useful. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from function.engine.grammar.grammar import MAX_SCHEMA_LEVELS, SCHEMA_MAPS, SCHEMA_VALUES

KNOWN_FORMATS = frozenset(
    ("date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri", "unknown")
)
"""Values of ``format`` that llguidance enforces. Any other is an annotation, as the JSON Schema standard has it."""
_UNENFORCEABLE = re.compile(r"(?<!\\)(?:\\\\)*(?:\(\?<?[=!]|\\[bB1-9])")
"""Look-around, word boundaries and back-references of a pattern."""


def relax_schema(schema: Any, param: str, *, strict: bool) -> tuple[Any, tuple[str, ...]]:
    """Return ``schema`` without what cannot be enforced, and the paths of the rules that it lost.

    Unknown formats go without notice. ``uniqueItems`` and patterns with look-around go unless ``strict``.
    """
    lost: list[str] = []
    return _relaxed(schema, param, strict, lost, 0), tuple(lost)


def _relaxed(schema: Any, path: str, strict: bool, lost: list[str], depth: int) -> Any:
    if depth > MAX_SCHEMA_LEVELS:
        return schema  # it is rejected for its depth
    if isinstance(schema, list):
        return [_relaxed(item, f"{path}.{number}", strict, lost, depth + 1) for number, item in enumerate(schema)]
    if not isinstance(schema, Mapping):
        return schema
    made: dict[str, Any] = {}
    for key, item in schema.items():
        if key == "format" and isinstance(item, str) and item not in KNOWN_FORMATS:
            continue
        if not strict and _is_unenforceable(key, item):
            lost.append(f"{path}.{key}")
            continue
        made[key] = item
        if key in SCHEMA_MAPS and isinstance(item, Mapping):
            made[key] = {
                name: _relaxed(below, f"{path}.{key}.{name}", strict, lost, depth + 2) for name, below in item.items()
            }
        elif key not in SCHEMA_VALUES:
            made[key] = _relaxed(item, f"{path}.{key}", strict, lost, depth + 1)
    return made


def _is_unenforceable(key: str, item: Any) -> bool:
    return (key == "uniqueItems" and item is True) or (
        key == "pattern" and isinstance(item, str) and _UNENFORCEABLE.search(item) is not None
    )
