"""Grammar rules for the values of a call's arguments that are not one JSON object. Pure."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from function.dialect.call_writer import literal
from function.dialect.schema_values import ARRAY, OBJECT, STRING, Schema, resolve, types
from function.dialect.syntax import (
    KEY,
    KIND,
    LiteralArguments,
    TaggedArguments,
    is_distinctive,
    marks_of,
)
from function.engine import embed_schema

_MAX_DEPTH = 12
_NUMBERS = frozenset(("integer", "number"))


class GrammarRules:
    """Lines of a grammar under construction, and the marks that they use."""

    def __init__(self, marks: Sequence[str] = ()) -> None:
        self.lines: list[str] = []
        self.marks = list(marks)
        self._names = 0

    def add(self, name: str, rule: str) -> None:
        self.lines.append(f"{name}: {rule.strip()}")

    def named(self, rule: str, prefix: str = "r") -> str:
        """Return the name of a new rule."""
        self._names += 1
        name = f"{prefix}_{self._names}"
        self.add(name, rule)
        return name

    def mark(self, mark: str) -> str:
        """Return the name of a mark."""
        if mark not in self.marks:
            self.marks.append(mark)
        return f"mark_{self.marks.index(mark)}"

    def text(self, text: str) -> str:
        """Return the terms of a text, in which marks may be tokens of their own."""
        terms, at = [], 0
        for mark in marks_of(text):
            if not is_distinctive(mark):
                continue
            begin = text.index(mark, at)
            if begin > at:
                terms.append(quoted(text[at:begin]))
            terms.append(self.mark(mark))
            at = begin + len(mark)
        if at < len(text):
            terms.append(quoted(text[at:]))
        return " ".join(terms)

    def upto(self, end: str) -> str:
        """Return the terms of any text up to and with ``end``; white space before it is part of the text."""
        end = end.lstrip() or end
        first = next((mark for mark in marks_of(end) if is_distinctive(mark)), "")
        if not first or not end.startswith(first):
            first = end.split("\n")[0].rstrip() or end[:1]
        self.mark(first)
        rest = end[len(first) :]
        return f"upto_{self.marks.index(first)} {self.text(rest)}".strip()


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


class ValueRules:
    """Rules for values that are not one JSON object."""

    def __init__(
        self, rules: GrammarRules, form: TaggedArguments | LiteralArguments, root: Schema, param: str, stop: str
    ) -> None:
        self._rules = rules
        self._form = form
        self._root = root
        self._param = param
        self._stop = stop
        """First character after all arguments, which a value without a closing tag cannot hold."""

    def members(self, schema: Schema, depth: int = 0) -> str:
        """Return the name of a rule for the properties of an object, in their order."""
        schema = resolve(schema, self._root)
        properties = schema.get("properties")
        properties = properties if isinstance(properties, Mapping) else {}
        required = schema.get("required")
        required = required if isinstance(required, list) else []
        items = [(self._member(key, below, depth), key in required) for key, below in properties.items()]
        if isinstance(self._form, TaggedArguments):
            return self._rules.named(" ".join(item if needed else f"({item})?" for item, needed in items) or '""')
        separator = self._separator(depth)
        later = self._rules.named('""')
        never = later
        for item, needed in reversed(items):
            skipped = ("", "") if needed else (f" | {never}", f" | {later}")
            never, later = (
                self._rules.named(f"{item} {later}{skipped[0]}"),
                self._rules.named(f"{quoted(separator)} {item} {later}{skipped[1]}"),
            )
        return never

    def _separator(self, depth: int) -> str:
        assert isinstance(self._form, LiteralArguments)
        return "," if depth else self._form.separator

    def _member(self, key: str, schema: Any, depth: int) -> str:
        form, rules = self._form, self._rules
        schema = schema if isinstance(schema, Mapping) else {}
        if isinstance(form, LiteralArguments):
            assign = ":" if depth else form.assign
            return f"{quoted(key + assign)} {self.literal(schema, depth)}"
        kind = self._kind(schema)
        end = form.value_end.replace(KEY, key)
        head = rules.text(form.key_begin + key + form.key_end.replace(KIND, form.kinds.get(kind, kind)))
        return f"{head} {self.tagged(schema, end, depth)}"

    def _kind(self, schema: Schema) -> str:
        allowed = types(schema, self._root)
        if not allowed or "string" in allowed:
            return "string"
        kind = sorted(allowed)[0]
        return "number" if kind in _NUMBERS else kind

    def tagged(self, schema: Schema, end: str, depth: int) -> str:
        """Return the terms of a value up to and with its closing tag."""
        assert isinstance(self._form, TaggedArguments)
        rules = self._rules
        schema = resolve(schema, self._root)
        allowed = types(schema, self._root)
        if (values := _values(schema)) is not None:
            options = [
                quoted(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)) for value in values
            ]
            return f"({' | '.join(options)}) {rules.text(end)}"
        if self._form.nested and allowed in (OBJECT, ARRAY) and depth < _MAX_DEPTH:
            return f"{self._nested(schema, allowed == OBJECT, depth)} {rules.text(end)}"
        if allowed and "string" not in allowed:
            return f"{self.json(schema)} {rules.text(end)}"
        limits = _limits(schema) if allowed == STRING else ""
        if limits or not end:
            first = end.lstrip()[:1] or self._form.key_begin.strip()[:1] + self._stop
            return f"/[^{re.escape(first)}]{limits or '*'}/ {rules.text(end)}"
        return rules.upto(end)

    def _nested(self, schema: Schema, is_object: bool, depth: int) -> str:
        if is_object:
            return self.members(schema, depth + 1)
        below = schema.get("items")
        return f"({self._member('item', below, depth + 1)})*"

    def json(self, schema: Schema) -> str:
        """Return the name of a rule for a value in JSON."""
        definitions = {key: self._root[key] for key in ("$defs", "definitions") if key in self._root}
        return self._rules.named(f"%json {embed_schema({**definitions, **schema}, self._param)}", "json")

    def literal(self, schema: Schema, depth: int) -> str:
        """Return the terms of a literal."""
        form = self._form
        assert isinstance(form, LiteralArguments)
        schema = resolve(schema, self._root)
        allowed = types(schema, self._root)
        if (values := _values(schema)) is not None:
            return f"({' | '.join(self._rules.text(literal(form, value)) for value in values)})"
        if allowed is None or depth >= _MAX_DEPTH:
            allowed = frozenset(("string", "number", "boolean", "null"))
            schema = {}
        options = [self._typed(kind, schema, depth) for kind in sorted(allowed)]
        return options[0] if len(options) == 1 else f"({' | '.join(options)})"

    def _typed(self, kind: str, schema: Schema, depth: int) -> str:
        form = self._form
        assert isinstance(form, LiteralArguments)
        if kind == "string":
            return self._string(form, schema)
        if form.python and kind == "boolean":
            return '("True" | "False")'
        if kind == "null":
            return '"None"' if form.python else '"null"'
        if form.plain_keys and kind == "object":
            return f'"{{" {self.members(schema, depth + 1)} "}}"'
        if form.plain_keys and kind == "array":
            items = schema.get("items")
            item = self._rules.named(self.literal(items if isinstance(items, Mapping) else {}, depth + 1))
            return f'"[" ({item} ("," {item})*)? "]"'
        return self.json({**schema, "type": kind})

    def _string(self, form: LiteralArguments, schema: Schema) -> str:
        limits = _limits(schema)
        if form.quote == '"':
            return self.json({**schema, "type": "string"})
        if form.quote == "'":
            return rf"/'([^'\\\n]|\\.){limits or '*'}'/"
        opening = self._rules.text(form.quote)
        if limits:
            return f"{opening} /[^<]{limits}/ {opening}"
        return f"{opening} {self._rules.upto(form.quote)}"


def _values(schema: Schema) -> list[Any] | None:
    """Return the only values that ``schema`` allows, if it names them."""
    if "const" in schema:
        return [schema["const"]]
    values = schema.get("enum")
    return values if isinstance(values, list) and values else None


def _limits(schema: Schema) -> str:
    """Return the repetition of a string's characters as a regular expression writes it; empty without a limit."""
    least, most = schema.get("minLength"), schema.get("maxLength")
    if not isinstance(least, int) and not isinstance(most, int):
        return ""
    return f"{{{least if isinstance(least, int) else 0},{most if isinstance(most, int) else ''}}}"
