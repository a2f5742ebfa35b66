"""Arguments of a tool call, read from a reply's text in each of their forms. Pure."""

import json
from collections.abc import Mapping
from typing import Any

from function.dialect.json_stream import JsonStream, escape, repaired
from function.dialect.reply_parts import ArgumentsPiece, CallStart
from function.dialect.schema_values import OBJECT, STRING, json_value, property_schema, resolve, types
from function.dialect.syntax import (
    ARGUMENTS,
    ID,
    INDEX,
    KEY,
    KIND,
    NAME,
    CallSyntax,
    LiteralArguments,
    TaggedArguments,
    is_distinctive,
    pieces,
)
from function.dialect.text_feed import Backtrack, MarkSearch, Wait
from function.dialect.text_reader import TextReader

Tools = Mapping[str, Mapping[str, Any]]
"""Names of tools with the schemas of their parameters."""

_CDATA, _CDATA_END = "<![CDATA[", "]]>"
_MAX_NESTED_TAGS = 50


class NotCallError(Exception):
    """Text that only began like a call."""


class ArgumentReader(TextReader):
    """Reader of the arguments of calls of ``tools`` in ``syntax``: JSON, literals, or values between tags."""

    def __init__(self, syntax: CallSyntax, tools: Tools) -> None:
        super().__init__()
        self._syntax = syntax
        self._tools = tools
        before = syntax.call.split(ARGUMENTS if syntax.arguments_first else NAME, 1)[0]
        self._opening = pieces(syntax.section_begin) + pieces(before)
        self._section_size = len(pieces(syntax.section_begin))
        if syntax.is_object:
            prefix = syntax.section_begin + before[: before.index("{")] if "{" in before else syntax.section_begin
            self._opening = [piece for piece in pieces(prefix) if piece not in "[{"]
            self._section_size = min(self._section_size, len(self._opening))
        self._closings = self._endings("")

    def _endings(self, name: str) -> list[list[str]]:
        """Return what may follow the arguments of a call of ``name``, the longest first."""
        found = []
        syntax = self._syntax
        end = syntax.call.rpartition(NAME)[2] if syntax.arguments_first else syntax.end.replace(NAME, name)
        if isinstance(syntax.arguments, LiteralArguments):
            end = end.strip()[1:]  # its first character ends the arguments
        for text in (end + syntax.section_end, end, syntax.section_end):
            parts = [piece for piece in pieces(text) if piece not in (ID, INDEX)]
            found += [parts[at:] for at, piece in enumerate(parts) if at == 0 or is_distinctive(piece)]
        found += [pieces(syntax.separator)]
        unique = {tuple(parts): parts for parts in found if parts}
        return sorted(unique.values(), key=lambda parts: -sum(map(len, parts)))

    def _start(self, name: str) -> None:
        self._feed.kept = None
        if NAME in self._syntax.end:
            self._closings = self._endings(name)
        self._emit(CallStart(name))

    def _json_arguments(self, name: str) -> Wait[None]:
        """Read arguments as JSON: an object, or a string that holds one. Raises NotCallError."""
        feed = self._feed
        yield from feed.space()
        letter = yield from feed.peek()
        if letter == "{":
            self._start(name)
            yield from self._through(JsonStream(feed, self._emit_arguments))
        elif letter and letter in "\"'":
            text: list[str] = []
            yield from JsonStream(feed, text.append).value()
            inner = object_text("".join(text))
            if inner is None:
                raise NotCallError
            self._start(name)
            self._emit(ArgumentsPiece(inner))
        elif letter != "[" and not feed.exhausted:
            if (yield from feed.starts("null")) or (yield from feed.starts("None")):
                feed.at += len("null")
            self._start(name)
            self._emit(ArgumentsPiece("{}"))
        else:
            raise NotCallError

    def _through(self, stream: JsonStream) -> Wait[None]:
        """Read a value with a stream that knows whether the reply was cut."""
        for _ in stream.value():
            yield
            stream.cut = self._cut

    def _text_value(self) -> Wait[str | None]:
        """Read a string in quotes."""
        letter = yield from self._feed.peek()
        if not letter or letter not in "\"'":
            return None
        text = yield from self._raw_value()
        return str(json.loads(text))

    def _raw_value(self) -> Wait[str]:
        """Read a value of any type and return its JSON."""
        text: list[str] = []
        yield from JsonStream(self._feed, text.append).value()
        return "".join(text)

    def _literals(self, form: LiteralArguments, name: str) -> Wait[None]:
        """Read arguments as literals up to the closing bracket."""
        close = next((piece[0] for piece in pieces(self._syntax.end)), ")")
        self._start(name)
        stream = JsonStream(self._feed, self._emit_arguments, quotes=(form.quote,) if len(form.quote) > 1 else ())
        for _ in stream.members(close):
            yield
            stream.cut = self._cut

    def _tagged(self, form: TaggedArguments, name: str) -> Wait[None]:
        """Read arguments between tags. Raises NotCallError if neither a tag nor the end of the call follows."""
        feed = self._feed
        if NAME in self._syntax.end:
            self._closings = self._endings(name)
        begin = pieces(form.key_begin)
        ends = self._tag_ends(begin)
        followers = [begin, *ends]
        if not begin:  # lines of names and values: the name is all that tells where a value ends
            after_key = form.key_end.partition(KIND)[0].strip()
            keys = resolve(self._tools[name], self._tools[name]).get("properties")
            followers = [*([key, after_key] for key in (keys if isinstance(keys, Mapping) else ())), *ends]
        start = Backtrack(feed)
        if not (yield from self._follows(ends)) and not (yield from self._begins(begin, followers)):
            start.release()
            raise NotCallError
        start.restore()
        self._start(name)
        parameters = self._tools[name]
        written = 0
        self._emit_arguments("{")
        while not (yield from self._follows(ends)) and (yield from feed.accept(begin)):
            yield from feed.space()
            key, kind = yield from self._tag_key(form)
            if not key:
                break
            self._emit_arguments(f"{', ' if written else ''}{json.dumps(key, ensure_ascii=False)}: ")
            written += 1
            yield from self._tag_value(form, key, kind, parameters, followers)
        self._emit_arguments("}")

    def _begins(self, begin: list[str], followers: list[list[str]]) -> Wait[bool]:
        """Return true if an argument comes next."""
        return (yield from self._feed.accept(begin)) if begin else (yield from self._follows(followers))

    def _tag_ends(self, begin: list[str]) -> list[list[str]]:
        """Return what ends the arguments and cannot begin another one."""
        separator = pieces(self._syntax.separator)
        ends = [parts for parts in self._closings if parts != separator and parts != begin[: len(parts)]]
        following = self._opening[self._section_size :]
        return ends if self._syntax.end.strip() or not following else [*ends, following]

    def _follows(self, options: list[list[str]]) -> Wait[bool]:
        """Return true if one of ``options`` comes next, or the end of the reply; read nothing."""
        start = Backtrack(self._feed)
        yield from self._feed.space()
        found = self._feed.exhausted
        for option in options:
            if found:
                break
            found = yield from self._feed.accept(option)
        start.restore()
        return found

    def _tag_key(self, form: TaggedArguments) -> Wait[tuple[str, str]]:
        """Read the name of an argument and the word for its type."""
        prefix, _, suffix = form.key_end.partition(KIND)
        key = yield from self._up_to(pieces(prefix))
        kind = (yield from self._up_to(pieces(suffix))) if suffix else ""
        begin = form.key_end[len(form.key_end.rstrip()) :]
        if begin and (yield from self._feed.starts(begin)):
            self._feed.at += len(begin)
        return key.strip(), kind

    def _up_to(self, words: list[str]) -> Wait[str]:
        """Read up to and with ``words``, and return what is before them."""
        if not words:
            return ""
        text = yield from self._until(words[0])
        yield from self._feed.accept(words[1:])
        return text

    def _until(self, word: str) -> Wait[str]:
        """Read up to and with ``word``; return what is before it."""
        feed = self._feed
        while (end := feed.text.find(word, feed.at)) < 0:
            if feed.ended:
                text, feed.at = feed.text[feed.at :], len(feed.text)
                return text
            yield
        text, feed.at = feed.text[feed.at : end], end + len(word)
        return text

    def _tag_value(
        self, form: TaggedArguments, key: str, kind: str, parameters: Mapping[str, Any], followers: list[list[str]]
    ) -> Wait[None]:
        """Read a value up to its closing tag; a tag that no argument and no end of the call follows is text."""
        feed = self._feed
        schema = property_schema(parameters, key)
        allowed = types(schema, parameters)
        spelled = next((name for name, word in form.kinds.items() if word == kind), "") if kind else ""
        is_text = spelled == "string" if spelled and allowed is None else allowed == STRING
        end = form.value_end.replace(KEY, key)
        word, before = end.strip(), end[: len(end) - len(end.lstrip())]
        if not word and end:
            word, before = end, ""
        if (yield from feed.starts(_CDATA)):
            feed.at += len(_CDATA)
            word, before = _CDATA_END + word, ""
        search = MarkSearch([word] if word else [parts[0] for parts in followers if parts])
        text: list[str] = []

        def take(piece: str) -> None:
            if is_text and piece:
                self._emit(ArgumentsPiece(escape(piece)))
            elif piece:
                text.append(piece)

        if is_text:
            self._emit_arguments('"')
        while True:
            match = search.find(feed.text, feed.at)
            if match is None:
                keep = 0 if feed.ended else search.held_back(feed.text, feed.at)
                sure = feed.text[feed.at : len(feed.text) - keep]
                if not feed.ended and before:  # white space that may belong to the closing tag
                    sure = sure[: len(sure) - len(before)] if sure.endswith(before) else sure
                take(sure)
                feed.at += len(sure)
                if feed.ended:
                    break
                yield
                continue
            piece = feed.text[feed.at : match.start()]
            mark = match[0]
            closing = Backtrack(feed)
            feed.at += len(piece) + (len(mark) if word else 0)
            if (yield from self._follows(followers)):
                closing.release()
                take(piece.removesuffix(before) if before else piece)
                break
            closing.restore()
            take(piece + mark)
            feed.at += len(piece) + len(mark)
        if is_text:
            self._emit_arguments('"')
        else:
            raw = "".join(text)
            if spelled == "string" and allowed is None:
                self._emit_arguments(json.dumps(raw, ensure_ascii=False))
            elif form.nested and raw.strip().startswith(form.key_begin.strip()):
                self._emit_arguments(json.dumps(_elements(form, raw, schema, parameters), ensure_ascii=False))
            else:
                self._emit_arguments(json_value(raw, schema, parameters))


def object_text(text: str) -> str | None:
    """Return ``text``, JSON of an object or of a string that holds one, as JSON of the object."""
    for _ in range(2):
        if text.lstrip().startswith("{"):
            return repaired(text)
        try:
            value = json.loads(text)
        except ValueError:
            return None
        if not isinstance(value, str):
            return None
        text = value.strip() or "{}"
    return None


def _elements(
    form: TaggedArguments, text: str, schema: Mapping[str, Any], root: Mapping[str, Any], depth: int = 0
) -> Any:
    """Return the value that nested tags spell."""
    begin, close = form.key_begin.strip(), form.key_end.strip()
    members: list[tuple[str, Any]] = []
    at = text.find(begin)
    while at >= 0:
        stop = text.find(close, at + len(begin))
        if stop < 0:
            break
        key = text[at + len(begin) : stop]
        end = form.value_end.replace(KEY, key).strip()
        after = text.find(end, stop)
        after = len(text) if after < 0 else after
        inner = text[stop + len(close) : after]
        below = schema.get("items", {}) if key == "item" else property_schema(schema, key)
        if inner.strip().startswith(begin) and depth < _MAX_NESTED_TAGS:
            members.append((key, _elements(form, inner, below, root, depth + 1)))
        else:
            members.append((key, json.loads(json_value(inner, below, root))))
        at = text.find(begin, after + len(end))
    kinds = types(schema, root)
    if members and all(key == "item" for key, _ in members) and kinds != OBJECT:
        return [value for _, value in members]
    return dict(members)
