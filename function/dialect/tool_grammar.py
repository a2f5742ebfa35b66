"""Grammar of replies that call tools, in a model's own dialect. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from function.dialect.syntax import (
    ARGUMENTS,
    ID,
    INDEX,
    NAME,
    CallSyntax,
    ChannelSyntax,
    Dialect,
    JsonArguments,
    is_distinctive,
    pieces,
)
from function.dialect.value_grammar import GrammarRules, ValueRules
from function.engine import Grammar, close_objects, embed_schema

_ID = "/[A-Za-z0-9]{9}/"
_INDEX = "/[0-9]{1,3}/"


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
    rules = GrammarRules()
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
    schemas = tuple((tool.param, embed_schema(close_objects(tool.parameters), tool.param)) for tool in tools)
    if instead:
        schemas += instead.schemas
    return Grammar("\n".join(rules.lines), schemas, tuple(rules.marks))


def allow_thought(
    grammar: Grammar, dialect: Dialect, *, opened: bool, closed: bool = False, shut: bool = False
) -> Grammar:
    """Return ``grammar`` for a reply that may begin with a thought, or does where the prompt ``opened`` it.

    ``closed``: the prompt ends behind the thought; ``shut``: it ends with the mark that closes the thought.
    """
    rules = GrammarRules(grammar.marks)
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
    rules = GrammarRules(grammar.marks)
    before = _answer_begin(rules, dialect)
    return replace(grammar, marks=tuple(rules.marks), start=f"{before}({grammar.start})") if before else grammar


def _answer_begin(rules: GrammarRules, dialect: Dialect) -> str:
    if dialect.channels:
        return f"{rules.text(dialect.channels.content_header)} "
    return f"({rules.text(dialect.answer_begins[-1])})? " if dialect.answer_begins else ""


def _calls(rules: GrammarRules, dialect: Dialect, tools: Sequence[ToolSignature], *, parallel: bool) -> str:
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


def _call(rules: GrammarRules, syntax: CallSyntax, tool: ToolSignature, template: str) -> str:
    """Return the terms of one call's text."""
    terms = []
    for part in re.split(f"({ARGUMENTS})", template):
        if part == ARGUMENTS:
            terms.append(_arguments(rules, syntax, tool))
        elif part:
            terms.append(_slotted(rules, part.replace(NAME, tool.name)))
    return " ".join(terms)


def _slotted(rules: GrammarRules, text: str) -> str:
    """Return the terms of a text with slots for ids and numbers."""
    parts = re.split(f"([{ID}{INDEX}])", text)
    return " ".join({ID: _ID, INDEX: _INDEX}.get(part) or rules.text(part) for part in parts if part)


def _arguments(rules: GrammarRules, syntax: CallSyntax, tool: ToolSignature) -> str:
    """Return the name of the rule for a tool's arguments."""
    form = syntax.arguments
    schema = close_objects(tool.parameters)
    if isinstance(form, JsonArguments):
        if form.quoted:
            return rules.named('%json {"type": "string"}', "args")
        return rules.named(f"%json {embed_schema(schema, tool.param)}", "args")
    return ValueRules(rules, form, schema, tool.param, syntax.end.strip()[:1]).members(schema)


__all__ = ["ChannelSyntax", "ToolSignature", "allow_thought", "content_grammar", "tool_call_grammar"]
