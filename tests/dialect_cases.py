"""Tools, calls and helpers for tests of dialects."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import llguidance

from function.dialect.call_writer import write_arguments, write_calls
from function.dialect.channel_reader import ChannelReader
from function.dialect.reply_parts import ArgumentsPiece, CallStart, ContentPiece, Part, ReplyReader, ThoughtPiece
from function.dialect.reply_reader import ReplyTextReader
from function.dialect.syntax import NAME, Dialect, JsonArguments
from function.dialect.tool_grammar import ToolSignature, tool_call_grammar

Call = tuple[str, dict[str, Any]]

TOOLS: dict[str, dict[str, Any]] = {
    "city": {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer"},
            "metric": {"type": "boolean"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "more": {
                "type": "object",
                "properties": {"x": {"type": "number"}, "s": {"type": "string"}},
                "required": ["x"],
            },
            "unit": {"enum": ["C", "F"]},
        },
        "required": ["city"],
    },
    "none": {"type": "object", "properties": {}},
    "city_two": {"type": "object", "properties": {"text": {"type": "string"}}},
}
EVERY_TYPE: Call = (
    "city",
    {
        "city": 'Köln "x" \\ y',
        "days": 3,
        "metric": True,
        "tags": ["a", "b"],
        "more": {"x": 1.5, "s": "q"},
        "unit": "C",
    },
)
CALLS: tuple[Call, ...] = (EVERY_TYPE, ("none", {}), ("city_two", {"text": "one line"}), ("city", {"city": "3"}))
LINES: Call = ("city_two", {"text": "line one\n  two\n"})
SIGNATURES = [ToolSignature(name, parameters, "tools") for name, parameters in TOOLS.items()]


def reader_of(dialect: Dialect, **state: bool) -> ReplyReader:
    """Return a reader of replies with calls of TOOLS."""
    return ChannelReader(dialect, TOOLS) if dialect.channels else ReplyTextReader(dialect, TOOLS, **state)


def write(dialect: Dialect, calls: Sequence[Call]) -> str:
    """Return a reply that consists of calls; of the first alone where a message holds one."""
    if not dialect.channels:
        return write_calls(dialect.calls, calls)
    name, arguments = calls[0]
    is_json = isinstance(dialect.calls.arguments, JsonArguments)
    body = write_arguments(dialect.calls.arguments, arguments) if is_json else write_calls(dialect.calls, calls)
    return dialect.channels.call_header.replace(NAME, name) + body


def joined(parts: Iterable[Part]) -> tuple[str, str, list[list[str]]]:
    """Return content, thoughts, and calls with their arguments."""
    content = thoughts = ""
    calls: list[list[str]] = []
    for part in parts:
        if isinstance(part, ContentPiece):
            content += part.text
        elif isinstance(part, ThoughtPiece):
            thoughts += part.text
        elif isinstance(part, CallStart):
            calls.append([part.name, ""])
        else:
            assert isinstance(part, ArgumentsPiece)
            calls[-1][1] += part.text
    return content, thoughts, calls


def read(reader: ReplyReader, texts: Iterable[str], *, cut: bool = False) -> tuple[str, str, list[list[str]]]:
    """Return what a reader finds in a reply that comes in pieces."""
    return joined([part for text in texts for part in reader.feed(text)] + list(reader.finish(cut=cut)))


def found(reader: ReplyReader, texts: Iterable[str]) -> list[Call]:
    """Return the calls in a reply that holds nothing else."""
    content, thoughts, calls = read(reader, texts)
    assert (content.strip(), thoughts) == ("", "")
    return [(name, json.loads(arguments)) for name, arguments in calls]


def cuts(text: str) -> list[list[str]]:
    """Return a text in one piece, and cut in several ways."""
    widths = (1, 2, 3, 7, 13)
    return [[text], *([text[at : at + width] for at in range(0, len(text), width)] for width in widths)]


def accepts(dialect: Dialect, text: str, *, required: bool, parallel: bool) -> str:
    """Return the part of a reply that the grammar refuses; empty if it accepts all."""
    grammar = tool_call_grammar(dialect, SIGNATURES, required=required, parallel=parallel)
    matcher = llguidance.LLMatcher(llguidance.LLTokenizer("byte"), grammar.to_lark(), log_level=0)
    assert not matcher.is_error(), matcher.get_error()
    data = text.encode()
    taken = matcher.try_consume_tokens(list(data))
    return data[taken:].decode(errors="replace") or ("" if matcher.is_accepting() else "unfinished")
