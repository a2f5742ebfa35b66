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
    text = json.dumps({**schema, "x-guidance": _STYLE})
    if len(text) > LIMIT:
        raise RequestError(
            f"{param}: a schema may have {LIMIT:,} characters, and this one has {len(text):,}.", param=param
        )
    return text


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
        if key not in ("const", "enum", "default", "examples"):
            check(item, f"{path}.{key}", depth + 1)


def _literal(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
