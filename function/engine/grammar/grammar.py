"""Grammar that a reply must follow, in llguidance's dialect of Lark. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from function.errors import RequestError

MAX_SCHEMA_CHARACTERS = 256 << 10
"""A larger schema never compiles in time."""
MAX_SCHEMA_LEVELS = 100
"""llguidance reads 128 levels, its own included."""
SCHEMA_VALUES = frozenset(("const", "enum", "default", "examples"))
"""Keywords that hold values, not schemas."""
SCHEMA_MAPS = frozenset(("properties", "patternProperties", "$defs", "definitions"))
_STYLE = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
"""JSON on one line, with the usual spaces. Where any whitespace is allowed, a model can write it endlessly."""


@dataclass(frozen=True, slots=True)
class Grammar:
    """Lark ``rules`` that define ``answer``, and the rule ``start`` for a whole reply.

    ``schemas``: each JSON schema in the rules, as pairs of the request's field and the schema's text. ``marks``: texts
    that may be control tokens; in the rules the first is ``mark_0``, and any text up to and including it ``upto_0``.
    ``origin``: the request's field of a grammar without schemas. ``dropped``: rules of the schemas that are not
    enforced, as paths in the request.
    """

    rules: str
    schemas: tuple[tuple[str, str], ...]
    marks: tuple[str, ...] = ()
    start: str = "answer"
    origin: str = ""
    dropped: tuple[str, ...] = ()

    @property
    def param(self) -> str:
        """The request's field that the grammar is from."""
        return self.schemas[0][0] if self.schemas else self.origin

    def to_lark(self, tokens: Mapping[str, int] | None = None) -> str:
        """Return the complete grammar; marks are the control tokens in ``tokens``, or else text."""
        lines = [f"start: {self.start}", self.rules]
        if self.marks:
            lines.append("ANY: /(.|\\n)*/")
        for number, mark in enumerate(self.marks):
            if tokens and mark in tokens:
                lines += [f"mark_{number}: <[{tokens[mark]}]>", f"upto_{number}: ANY mark_{number}"]
            else:
                lines += [f"mark_{number}: {_quote(mark)}", f"upto_{number}[lazy]: ANY {_quote(mark)}"]
        return "\n".join(lines)


def json_grammar(schema: Mapping[str, Any], param: str) -> Grammar:
    """Return a grammar for JSON that is valid under ``schema``, which is from the request's field ``param``.

    Raises RequestError for a schema that is too large, or with a rule that a grammar cannot enforce.
    """
    text = embed_schema(schema, param)
    return Grammar(f"answer: %json {text}", ((param, text),))


def embed_schema(schema: Mapping[str, Any], param: str) -> str:
    """Return the text of ``schema`` that follows ``%json`` in a grammar. Raises as ``json_grammar`` does."""
    _check(schema, param)
    text = json.dumps({**_resolve(schema, schema), "x-guidance": _STYLE})
    if len(text) > MAX_SCHEMA_CHARACTERS:
        raise RequestError(
            f"{param}: a schema may have {MAX_SCHEMA_CHARACTERS:,} characters, and this one has {len(text):,}.",
            param=param,
        )
    return text


def _resolve(schema: Any, root: Mapping[str, Any]) -> Any:
    """Return ``schema`` with references among ``oneOf`` replaced by their targets.

    llguidance accepts alternatives that visibly exclude each other, for example by different ``const`` values, and does
    not follow references.
    """
    if isinstance(schema, list):
        return [_resolve(item, root) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    resolved = {key: item if key in SCHEMA_VALUES else _resolve(item, root) for key, item in schema.items()}
    if isinstance(resolved.get("oneOf"), list):
        resolved["oneOf"] = [_follow_reference(item, root) for item in resolved["oneOf"]]
    return resolved


def _follow_reference(schema: Any, root: Any) -> Any:
    """Return the definition if ``schema`` consists of a reference to one, else ``schema``."""
    reference = schema.get("$ref") if isinstance(schema, dict) and len(schema) == 1 else None
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return schema
    for name in reference[2:].split("/"):
        root = root.get(name.replace("~1", "/").replace("~0", "~")) if isinstance(root, Mapping) else None
    return root if isinstance(root, dict) else schema


def _check(schema: Any, path: str, depth: int = 0) -> None:
    """Raise RequestError, with the path, for a rule that llguidance accepts and does not enforce.

    It allows a name outside ``properties`` twice; a JSON parser keeps one of them, and ``minProperties`` may fail.
    """
    if depth > MAX_SCHEMA_LEVELS:
        raise RequestError(f"{path[:200]}…: a schema may be nested {MAX_SCHEMA_LEVELS} levels deep.", param=path[:200])
    if isinstance(schema, list):
        for number, item in enumerate(schema):
            _check(item, f"{path}.{number}", depth + 1)
    if not isinstance(schema, dict):
        return
    least, required = schema.get("minProperties"), schema.get("required")
    if isinstance(least, int) and least > 1 + (len(required) if isinstance(required, list) else 0):
        raise RequestError(
            f"{path}.minProperties: no more than the required properties and one can be guaranteed.",
            param=f"{path}.minProperties",
        )
    for key, item in schema.items():
        if key in SCHEMA_MAPS and isinstance(item, dict):
            for name, below in item.items():  # any name, also a keyword
                _check(below, f"{path}.{key}.{name}", depth + 2)
        elif key not in SCHEMA_VALUES:
            _check(item, f"{path}.{key}", depth + 1)


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
