"""What a reply must look like, in the words of llguidance. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from function.errors import RequestError

LIMIT = 256 << 10
"""Characters of a schema; a larger one is never compiled in time."""
DEPTH = 100
"""Levels of a schema; llguidance reads 128, its own ones included."""
_VALUES = frozenset(("const", "enum", "default", "examples"))
"""Keywords that hold values, not schemas."""
_MAPS = frozenset(("properties", "patternProperties", "$defs", "definitions"))
_STYLE = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
"""One way to write JSON, the usual one on one line. Where any whitespace may stand, a model can write it for ever."""


@dataclass(frozen=True, slots=True)
class Grammar:
    """``rules``, in llguidance's dialect of Lark, say what ``answer`` is.

    ``schemas``: each JSON schema in them, with the request's field it is from. ``marks``: what may be a token of its
    own that text does not show; the rules know the first as ``mark_0``, and any text up to and with it as ``upto_0``.
    ``start`` is what a reply consists of.
    """

    rules: str
    schemas: tuple[tuple[str, str], ...]
    marks: tuple[str, ...] = ()
    start: str = "answer"

    @property
    def param(self) -> str:
        """The request's field, where one brought the grammar."""
        return self.schemas[0][0]

    def lark(self, tokens: Mapping[str, int] | None = None) -> str:
        """All of the grammar, with those marks as tokens that ``tokens`` names."""
        lines = [f"start: {self.start}", self.rules]
        if self.marks:
            lines.append("ANY: /(.|\\n)*/")
        for number, mark in enumerate(self.marks):
            if tokens and mark in tokens:
                lines += [f"mark_{number}: <[{tokens[mark]}]>", f"upto_{number}: ANY mark_{number}"]
            else:
                lines += [f"mark_{number}: {_literal(mark)}", f"upto_{number}[lazy]: ANY {_literal(mark)}"]
        return "\n".join(lines)


def json_schema(schema: Mapping[str, Any], param: str) -> Grammar:
    """JSON that ``schema`` holds for. ``param`` is the request's field that holds it.

    Raises RequestError for a schema that is too large, or with a rule that a grammar cannot keep.
    """
    text = embedded(schema, param)
    return Grammar(f"answer: %json {text}", ((param, text),))


def after_thought(grammar: Grammar, thought: tuple[str, str], *, opened: bool) -> Grammar:
    """``grammar`` for a model that may think first, or does already where the prompt ``opened`` the thought."""
    begin, end = len(grammar.marks), len(grammar.marks) + 1
    start = f'upto_{end} "\\n\\n" ({grammar.start})'
    if not opened:
        start = f"mark_{begin} {start} | {grammar.start}"
    return replace(grammar, marks=(*grammar.marks, *thought), start=start)


def embedded(schema: Mapping[str, Any], param: str) -> str:
    """``schema`` as it follows ``%json`` in a grammar. Raises as ``json_schema`` does."""
    check(schema, param)
    text = json.dumps({**_resolved(schema, schema), "x-guidance": _STYLE})
    if len(text) > LIMIT:
        raise RequestError(
            f"{param}: a schema may have {LIMIT:,} characters, and this one has {len(text):,}.", param=param
        )
    return text


def _resolved(schema: Any, root: Mapping[str, Any]) -> Any:
    """``schema`` with what ``oneOf`` only refers to in its place.

    llguidance takes alternatives when it sees that no two can hold, as where each has another ``const``, and does not
    look behind a reference.
    """
    if isinstance(schema, list):
        return [_resolved(item, root) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    made = {key: item if key in _VALUES else _resolved(item, root) for key, item in schema.items()}
    if isinstance(made.get("oneOf"), list):
        made["oneOf"] = [_target(item, root) for item in made["oneOf"]]
    return made


def _target(schema: Any, root: Any) -> Any:
    """The definition that ``schema`` is a reference to and nothing else; else ``schema``."""
    reference = schema.get("$ref") if isinstance(schema, dict) and len(schema) == 1 else None
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return schema
    for name in reference[2:].split("/"):
        root = root.get(name.replace("~1", "/").replace("~0", "~")) if isinstance(root, Mapping) else None
    return root if isinstance(root, dict) else schema


def check(schema: Any, path: str, depth: int = 0) -> None:
    """Raise RequestError, with the place, for what llguidance accepts and does not keep.

    It lets a name be written twice where it is not among ``properties``: the reader of the JSON sees one, and
    ``minProperties`` can be missed.
    """
    if depth > DEPTH:
        raise RequestError(f"{path[:200]}…: a schema may be nested {DEPTH} levels deep.", param=path[:200])
    if isinstance(schema, list):
        for number, item in enumerate(schema):
            check(item, f"{path}.{number}", depth + 1)
    if not isinstance(schema, dict):
        return
    least, required = schema.get("minProperties"), schema.get("required")
    if isinstance(least, int) and least > 1 + (len(required) if isinstance(required, list) else 0):
        raise RequestError(
            f"{path}.minProperties: no more than the required properties and one can be guaranteed.",
            param=f"{path}.minProperties",
        )
    for key, item in schema.items():
        if key in _MAPS and isinstance(item, dict):
            for name, below in item.items():  # any name, those of keywords too
                check(below, f"{path}.{key}.{name}", depth + 2)
        elif key not in _VALUES:
            check(item, f"{path}.{key}", depth + 1)


def _literal(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
