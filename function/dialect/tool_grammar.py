"""Grammar of replies that call tools, in a model's own dialect. Pure."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from function.dialect.schema_values import ARRAY, OBJECT, STRING, Schema, resolve, types
from function.dialect.syntax import (
    ARGUMENTS,
    ID,
    INDEX,
    KEY,
    KIND,
    NAME,
    CallSyntax,
    ChannelSyntax,
    Dialect,
    JsonArguments,
    LiteralArguments,
    TaggedArguments,
    is_distinctive,
    literal,
    marks_of,
    pieces,
)
from function.engine import Grammar, embed_schema

_ID = "/[A-Za-z0-9]{9}/"
_INDEX = "/[0-9]{1,3}/"
_MAX_DEPTH = 12
_NUMBERS = frozenset(("integer", "number"))


@dataclass(frozen=True, slots=True)
class ToolSignature:
    """Name of a function, the schema of its parameters, and the request's field that holds it."""

    name: str
    parameters: Mapping[str, Any]
    param: str


def tool_call_grammar(
    dialect: Dialect, tools: Sequence[ToolSignature], *, required: bool, parallel: bool, instead: Grammar | None = None
) -> Grammar:
    """Return the grammar of a reply that calls ``tools``, one after the other where ``parallel``.

    Without ``required`` the reply may be text, or ``instead`` where that is given. Raises RequestError for parameters
    that no grammar can express.
    """
    rules = _Rules()
    calls = _calls(rules, dialect, tools, parallel=parallel)
    channels, syntax = dialect.channels, dialect.calls
    if instead:
        rules.add("other", instead.rules.replace("answer:", "", 1))
        text = f"{_answer_begin(rules, dialect)}other"
    elif channels:
        text = f"{rules.text(channels.content_header)} TEXT"
        rules.lines.append(r"TEXT: /(.|\n)*/")
    else:
        text = ""
    if required:
        rules.add("answer", calls)
    elif text:
        rules.add("answer", f"{text} | {calls}")
    else:
        first = next((piece for piece in pieces(syntax.section_begin + syntax.begin) if is_distinctive(piece)), "")
        opening = rules.text((syntax.section_begin + syntax.begin).lstrip())
        if first and not first.startswith('{"') and opening.startswith(mark := rules.mark(first)):
            number = mark.removeprefix("mark_")
            rules.add(
                "answer", f"ANY | upto_{number} {calls[len(mark) :].lstrip()}" if calls.startswith(mark) else calls
            )
        else:  # a reply that begins with a brace is a call
            rules.add("answer", f"PROSE | {calls}")
            rules.lines.append(r"PROSE: /([^{](.|\n)*)?/")
    schemas = tuple((tool.param, embed_schema(closed(tool.parameters), tool.param)) for tool in tools)
    if instead:
        schemas += instead.schemas
    return Grammar("\n".join(rules.lines), schemas, tuple(rules.marks))


def allow_thought(
    grammar: Grammar, dialect: Dialect, *, opened: bool, closed: bool = False, shut: bool = False
) -> Grammar:
    """Return ``grammar`` for a reply that may begin with a thought, or does where the prompt ``opened`` it.

    ``closed``: the prompt ends behind the thought; ``shut``: it ends with the mark that closes the thought.
    """
    rules = _Rules(grammar.marks)
    thought, channels = dialect.thought, dialect.channels
    start = grammar.start
    if channels:
        if not channels.thought_header:
            return grammar
        before = f"{rules.text(channels.thought_header)} {rules.upto(channels.thought_end)}"
        start = f"({before})? ({start})"
    elif thought and shut:
        start = f"{rules.text(thought.gap)} ({start})".strip()
    elif thought and not closed:
        ends = rules.upto(thought.end)
        if opened:
            start = f"{ends} {rules.text(thought.gap)} ({start})"
        elif thought.begin:
            start = f"{rules.text(thought.begin)} {ends} {rules.text(thought.gap)} ({start}) | {start}"
    lines = [grammar.rules, *rules.lines] if rules.lines else [grammar.rules]
    return replace(grammar, rules="\n".join(lines), marks=tuple(rules.marks), start=start)


def content_grammar(grammar: Grammar, dialect: Dialect) -> Grammar:
    """Return ``grammar``, one of the answer alone, with the marks that the dialect writes before an answer."""
    rules = _Rules(grammar.marks)
    before = _answer_begin(rules, dialect)
    return replace(grammar, marks=tuple(rules.marks), start=f"{before}({grammar.start})") if before else grammar


def closed(schema: Any) -> Any:
    """Return ``schema`` with every object closed that does not say whether it takes further properties."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    values = ("const", "enum", "default", "examples")
    made = {key: item if key in values else closed(item) for key, item in schema.items()}
    if isinstance(made.get("properties"), Mapping) and not isinstance(schema.get("type", "object"), list):
        composed = any(key in made for key in ("allOf", "anyOf", "oneOf", "$ref", "patternProperties"))
        if not composed and schema.get("type", "object") == "object":
            made.setdefault("additionalProperties", False)
    return made


class _Rules:
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
                terms.append(_quoted(text[at:begin]))
            terms.append(self.mark(mark))
            at = begin + len(mark)
        if at < len(text):
            terms.append(_quoted(text[at:]))
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


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _answer_begin(rules: _Rules, dialect: Dialect) -> str:
    if dialect.channels:
        return f"{rules.text(dialect.channels.content_header)} "
    return f"({rules.text(dialect.answer_begins[-1])})? " if dialect.answer_begins else ""


def _calls(rules: _Rules, dialect: Dialect, tools: Sequence[ToolSignature], *, parallel: bool) -> str:
    """Return the terms of one call, or of several."""
    syntax, channels = dialect.calls, dialect.channels
    if channels:
        options = []
        for tool in tools:
            header = rules.text(channels.call_header.replace(NAME, tool.name))
            if syntax.is_object or not isinstance(syntax.arguments, JsonArguments):
                body = _call(rules, syntax, tool, syntax.call)
            else:
                body = _arguments(rules, syntax, tool)
            options.append(f"{header} {body}")
        rules.add("call", " | ".join(options))
        return "call"
    # The first mark stays outside of the rule for a call, so that text may come before it.
    head, tail = syntax.section_begin, syntax.call
    if not head:
        head, tail = syntax.begin, tail[len(syntax.begin) :]
    rules.add("call", " | ".join(_call(rules, syntax, tool, tail) for tool in tools))
    first = f"{_slotted(rules, head.lstrip())} call"
    more = f"{rules.text(syntax.separator)} {'' if syntax.section_begin else _slotted(rules, syntax.begin)} call"
    further = f" ({more})*" if parallel and syntax.parallel else ""
    return f"{first}{further} {rules.text(syntax.section_end.rstrip())}".strip()


def _call(rules: _Rules, syntax: CallSyntax, tool: ToolSignature, template: str) -> str:
    """Return the terms of one call's text."""
    terms = []
    for part in re.split(f"({ARGUMENTS})", template):
        if part == ARGUMENTS:
            terms.append(_arguments(rules, syntax, tool))
        elif part:
            terms.append(_slotted(rules, part.replace(NAME, tool.name)))
    return " ".join(terms)


def _slotted(rules: _Rules, text: str) -> str:
    """Return the terms of a text with slots for ids and numbers."""
    parts = re.split(f"([{ID}{INDEX}])", text)
    return " ".join({ID: _ID, INDEX: _INDEX}.get(part) or rules.text(part) for part in parts if part)


def _arguments(rules: _Rules, syntax: CallSyntax, tool: ToolSignature) -> str:
    """Return the name of the rule for a tool's arguments."""
    form = syntax.arguments
    schema = closed(tool.parameters)
    if isinstance(form, JsonArguments):
        if form.quoted:
            return rules.named('%json {"type": "string"}', "args")
        return rules.named(f"%json {embed_schema(schema, tool.param)}", "args")
    return _Values(rules, form, schema, tool.param, syntax.end.strip()[:1]).members(schema)


class _Values:
    """Rules for values that are not one JSON object."""

    def __init__(
        self, rules: _Rules, form: TaggedArguments | LiteralArguments, root: Schema, param: str, stop: str
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
                self._rules.named(f"{_quoted(separator)} {item} {later}{skipped[1]}"),
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
            return f"{_quoted(key + assign)} {self.literal(schema, depth)}"
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
                _quoted(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)) for value in values
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


__all__ = ["ChannelSyntax", "ToolSignature", "allow_thought", "closed", "content_grammar", "tool_call_grammar"]
