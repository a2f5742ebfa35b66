"""Thoughts, content and tool calls in a reply's text, found while it arrives. Pure."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from function.dialect.json_stream import JsonStream, escape, repaired
from function.dialect.reply_parts import ArgumentsPiece, CallStart, ContentPiece, Part, ThoughtPiece, ThoughtSpan
from function.dialect.schema_values import OBJECT, STRING, json_value, property_schema, resolve, types
from function.dialect.syntax import (
    ARGUMENTS,
    ID,
    INDEX,
    KEY,
    KIND,
    KNOWN_THOUGHTS,
    MARK,
    NAME,
    CallSyntax,
    Dialect,
    JsonArguments,
    LiteralArguments,
    TaggedArguments,
    ThoughtSyntax,
    is_distinctive,
    marks_of,
    pieces,
)
from function.dialect.text_feed import Backtrack, MarkSearch, TextFeed, Wait

Tools = Mapping[str, Mapping[str, Any]]
"""Names of tools with the schemas of their parameters."""

_NAME_KEYS = frozenset(("name", "tool_name", "function_name", "tool", "function"))
_ARGUMENT_KEYS = frozenset(("arguments", "parameters", "args", "input", "params"))
_OTHER_KEYS = frozenset(("type", "id", "index", "tool_call_id", "call_id"))
_IDENTITY = re.compile(r"[\w.:-]*")
_CALL_ID = "[CALL_ID]"
_FENCE = "```"
_CDATA, _CDATA_END = "<![CDATA[", "]]>"
_PREFIX = "functions."
_MAX_DEPTH = 50
_MIN_MARK_CHARACTERS = 4
"""A shorter end of a reply is more likely text than the beginning of a mark."""
_CLOSERS = frozenset("}],;)")


class NotCallError(Exception):
    """Text that only began like a call."""


class Reader:
    """Base of the readers: a generator over a feed that emits parts."""

    def __init__(self) -> None:
        self._feed = TextFeed()
        self._parts: list[Part] = []
        self.thoughts: list[ThoughtSpan] = []
        """See ReplyReader."""
        self._cut = False
        self._run: Iterator[None] | None = None

    def feed(self, text: str) -> list[Part]:
        """See ReplyReader."""
        self._feed.add(text)
        return self._advance()

    def finish(self, *, cut: bool = True) -> list[Part]:
        """See ReplyReader."""
        self._feed.ended = True
        self._cut = cut
        return self._advance()

    def _advance(self) -> list[Part]:
        if self._run is None:
            self._run = self._read()
        next(self._run, None)
        parts, self._parts = self._parts, []
        return parts

    def _read(self) -> Iterator[None]:
        raise NotImplementedError

    def _emit(self, part: Part) -> None:
        """Add a part; join it with the last where both are text of a kind."""
        last = self._parts[-1] if self._parts else None
        if isinstance(part, CallStart) or last is None or isinstance(last, CallStart) or type(last) is not type(part):
            self._parts.append(part)
        else:
            self._parts[-1] = replace(part, text=last.text + part.text)

    def _emit_content(self, text: str) -> None:
        if text:
            self._emit(ContentPiece(text))

    def _emit_thought(self, text: str) -> None:
        if text:
            self._emit(ThoughtPiece(text))

    def _open_thought(self, mark: str) -> None:
        """Note that a thought, which ``mark`` closes, begins here."""
        self.thoughts.append(ThoughtSpan(self._feed.offset, mark))

    def _close_thought(self) -> None:
        """Note that the open thought ends here."""
        self.thoughts[-1].end = self._feed.offset

    def _emit_arguments(self, text: str) -> None:
        if text and not (self._cut and self._feed.exhausted):
            self._emit(ArgumentsPiece(text))


class CallReader(Reader):
    """Reader of calls of ``tools`` in ``syntax``; the base of the readers of whole replies.

    Text that begins like a call is held back until its name is known and its arguments begin; then they pass as they
    arrive. Text that is no call after all, or a call of an unknown tool, stays text.
    """

    def __init__(self, syntax: CallSyntax, tools: Tools) -> None:
        super().__init__()
        self._syntax = syntax
        self._tools = tools
        slot = ARGUMENTS if syntax.arguments_first else NAME
        before, after = syntax.call.split(slot, 1)
        self._opening = pieces(syntax.section_begin) + pieces(before)
        self._after_name = [piece for piece in pieces(after.split(ARGUMENTS)[0]) if piece != NAME]
        self._before_name = pieces(after.split(NAME)[0]) if syntax.arguments_first else []
        self._section_size = len(pieces(syntax.section_begin))
        if syntax.is_object:
            prefix = syntax.section_begin + before[: before.index("{")] if "{" in before else syntax.section_begin
            self._opening = [piece for piece in pieces(prefix) if piece not in "[{"]
            self._section_size = min(self._section_size, len(self._opening))
        self._closings = self._endings("")
        distinctive = (piece for at, piece in enumerate(self._opening) if is_distinctive(piece) or at == 0)
        self.triggers = tuple(dict.fromkeys((*distinctive, *syntax.further_begins)))
        self.bare = not self._opening
        """A call may begin at the beginning of the reply, without a mark."""
        if not tools:
            self.triggers, self.bare = (), False
        self._found = 0
        self._unfinished = False
        """True if the text ended within what may have become a call."""

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

    def _calls(self) -> Wait[bool]:
        """Read all calls from here on. Return false, and read nothing, if there is none."""
        if not (yield from self._one_call(first=True)):
            return False
        while True:
            yield from self._after_call()
            if not (yield from self._one_call(first=False)):
                return True

    def _one_call(self, *, first: bool) -> Wait[bool]:
        start = Backtrack(self._feed)
        for at in self._beginnings(first=first):
            try:
                yield from self._call(at)
            except NotCallError:
                self._unfinished |= self._feed.exhausted
                start.restore()
                start = Backtrack(self._feed)
                continue
            start.release()
            self._found += 1
            return True
        start.restore()
        return False

    def _beginnings(self, *, first: bool) -> list[int]:
        """Return the pieces of the opening with which a call may begin."""
        found = [at for at, piece in enumerate(self._opening) if is_distinctive(piece) or at == 0]
        if self._syntax.further_begins or self.bare:
            found.append(-1)
        if not first and self._section_size not in found:
            found.append(self._section_size)
        if not first and self._syntax.is_object and len(self._opening) not in found:
            found.append(len(self._opening))  # two objects between the marks of one call
        return found

    def _call(self, at: int) -> Wait[None]:
        """Read a call that begins with piece ``at`` of the opening. Raises NotCallError."""
        feed = self._feed
        if at < 0:
            for begin in self._syntax.further_begins:
                if (yield from feed.accept([begin])):
                    break
            else:
                if not self.bare:
                    raise NotCallError
            at = len(self._opening)
        for piece in self._opening[at:]:
            if piece in (ID, INDEX):
                yield from self._identity()
            elif piece == NAME:
                yield from self._name()
            elif not (yield from feed.accept([piece])) and piece != _PREFIX:
                raise NotCallError
        if self._syntax.is_object:
            yield from self._object_call()
        elif self._syntax.arguments_first:
            yield from self._call_with_late_name()
        else:
            yield from self._named_call()

    def _identity(self) -> Wait[str]:
        feed, found = self._feed, ""
        yield from feed.space()
        while True:
            match = _IDENTITY.match(feed.text, feed.at)
            assert match is not None
            found += match[0]
            feed.at = match.end()
            if feed.at < len(feed.text) or feed.ended:
                return found
            yield

    def _name(self) -> Wait[str]:
        """Read the name of a known tool. Raises NotCallError."""
        feed = self._feed
        yield from feed.space()
        if _PREFIX not in self._tools and (yield from feed.starts(_PREFIX)):
            feed.at += len(_PREFIX)
        while True:
            rest = feed.text[feed.at : feed.at + 200]
            open_ = any(len(name) >= len(rest) and name.startswith(rest) for name in self._tools)
            if not open_ or feed.ended:
                break
            yield
        fitting = [name for name in self._tools if rest.startswith(name)]
        name = max(fitting, key=len, default="")
        follower = rest[len(name) : len(name) + 1]
        wanted = self._after_name[0][:1] if self._after_name else ""
        if not name or ((follower.isalnum() or follower in ("_", "-")) and follower != wanted):
            raise NotCallError
        feed.at += len(name)
        return name

    def _named_call(self) -> Wait[None]:
        """Read a call from its name on. Raises NotCallError."""
        feed, form = self._feed, self._syntax.arguments
        name = yield from self._name()
        if _CALL_ID not in self._after_name and (yield from feed.accept([_CALL_ID])):
            yield from self._identity()
        for piece in self._after_name:
            if piece in (ID, INDEX):
                yield from self._identity()
            elif not (yield from feed.accept([piece])):
                if isinstance(form, JsonArguments) and (yield from self._next_is("{")):
                    break
                raise NotCallError
        if isinstance(form, TaggedArguments):
            yield from self._tagged(form, name)
        elif isinstance(form, LiteralArguments):
            yield from self._literals(form, name)
        else:
            yield from feed.space()
            if (yield from feed.starts(_FENCE)):
                yield from self._fence()
            yield from self._json_arguments(name)

    def _call_with_late_name(self) -> Wait[None]:
        """Read a call whose arguments come before its name. Raises NotCallError."""
        yield from self._feed.space()
        text = _object_text((yield from self._raw_value()))
        if text is None or not (yield from self._feed.accept(self._before_name)):
            raise NotCallError
        self._start((yield from self._name()))
        self._emit(ArgumentsPiece(text))

    def _fence(self) -> Wait[None]:
        """Read the mark of a code block and its language."""
        self._feed.at += len(_FENCE)
        yield from self._identity()
        yield from self._feed.space()

    def _next_is(self, letter: str) -> Wait[bool]:
        yield from self._feed.space()
        return (yield from self._feed.peek()) == letter

    def _start(self, name: str) -> None:
        self._feed.kept = None
        if NAME in self._syntax.end:
            self._closings = self._endings(name)
        self._emit(CallStart(name))

    def _stream(self, quotes: tuple[str, ...] = ()) -> JsonStream:
        stream = JsonStream(self._feed, self._emit_arguments, quotes=quotes)
        stream.cut = self._cut
        return stream

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
            inner = _object_text("".join(text))
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

    def _object_call(self) -> Wait[None]:
        """Read a call that is a JSON object. Raises NotCallError."""
        feed = self._feed
        yield from feed.space()
        if (yield from feed.starts(_FENCE)):
            yield from self._fence()
        while (yield from feed.peek()) == "[":
            feed.at += 1
            yield from feed.space()
        if (yield from feed.peek()) != "{":
            raise NotCallError
        feed.at += 1
        name, arguments, started = "", "", False
        while True:
            yield from feed.space()
            letter = yield from feed.peek()
            if letter == "}" or (not letter and started):
                feed.at += bool(letter)
                break
            if not letter:
                raise NotCallError
            if letter == ",":
                feed.at += 1
                continue
            if started and letter not in "\"'":
                break
            key = yield from self._text_value()
            if key is None or not (yield from feed.accept([":"])):
                if started:
                    break
                raise NotCallError
            yield from feed.space()
            if key in _ARGUMENT_KEYS and not started:
                if name:
                    yield from self._json_arguments(name)
                    started = True
                else:
                    arguments = yield from self._raw_value()
            elif key in self._tools and not name and not started:
                yield from self._json_arguments(key)
                name, started = key, True
            elif key == "function" and not name and (yield from feed.peek()) == "{":
                yield from self._object_call()
                name, started = key, True
            elif key in _NAME_KEYS and not name:
                name = self._known((yield from self._raw_value()))
            elif key in _OTHER_KEYS or started or name:
                yield from self._raw_value()
            else:
                raise NotCallError
        if started:
            return
        if not name:
            raise NotCallError
        text = "{}" if arguments in ("", "null") else _object_text(arguments)
        if text is None:
            raise NotCallError
        self._start(name)
        self._emit(ArgumentsPiece(text))

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

    def _known(self, text: str) -> str:
        """Return the known tool that the JSON string ``text`` names. Raises NotCallError."""
        try:
            name = json.loads(text)
        except ValueError:
            raise NotCallError from None
        if isinstance(name, str):
            for found in (name, name.removeprefix(_PREFIX)):
                if found in self._tools:
                    return found
        raise NotCallError

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

    def _after_call(self) -> Wait[None]:
        """Read the end of a call, and of all calls; white space before anything else stays."""
        feed = self._feed
        loose = isinstance(self._syntax.arguments, JsonArguments)
        openings = [self._opening[at:] for at in self._beginnings(first=False) if 0 <= at < len(self._opening)]
        ended = False
        while True:
            if ended and openings and (yield from self._follows(openings)):
                return
            start = Backtrack(feed)
            yield from feed.space()
            found = False
            for option in self._closings:
                if found := (yield from feed.accept(option)):
                    ended = True
                    break
            if not found and loose:
                letter = yield from feed.peek()
                if letter and letter in _CLOSERS:
                    feed.at += 1
                    found = True
                elif (yield from feed.starts(_FENCE)):
                    feed.at += len(_FENCE)
                    found = ended = True
            if not found:
                start.restore()
                return
            start.release()


class ReplyTextReader(CallReader):
    """Reader of a reply: a thought perhaps, then content and calls in any order.

    ``opened``: the prompt ends inside the thought. ``closed``: the prompt ends behind it.
    """

    def __init__(self, dialect: Dialect, tools: Tools, *, opened: bool = False, closed: bool = False) -> None:
        super().__init__(dialect.calls, tools)
        self._thought_syntax = dialect.thought
        self._opened = opened
        self._closed = closed
        thought = dialect.thought
        self._again = thought.begin if thought and re.search(r"[|｜]", thought.begin) else ""
        noise = [*dialect.content_marks]
        if self._again and thought:
            noise += [
                mark for text in (thought.begin, thought.end) for mark in marks_of(text) if re.search(r"[|｜]", mark)
            ]
        self._noise = tuple(dict.fromkeys(noise))
        self._answer_begins = dialect.answer_begins
        self._search = MarkSearch((*self.triggers, *self._noise, self._again))

    def _read(self) -> Iterator[None]:
        thought = self._thought_syntax
        if self._opened and thought:
            self._emit_thought(thought.prefix)
            yield from self._thought(thought)
        elif not self._closed:
            yield from self._beginning()
        yield from self._content()

    def _beginning(self) -> Wait[None]:
        """Read a thought if the reply begins with one."""
        feed = self._feed
        pairs = [ThoughtSyntax(*pair) for pair in KNOWN_THOUGHTS]
        if self._thought_syntax and self._thought_syntax.begin:
            pairs.insert(0, self._thought_syntax)
        start = Backtrack(feed)
        yield from feed.space()
        for pair in pairs:
            if (yield from feed.starts(pair.begin)):
                start.release()
                feed.at += len(pair.begin)
                yield from self._thought(pair)
                return
        if self._thought_syntax and (yield from feed.starts(self._thought_syntax.end)):
            start.release()
            feed.at += len(self._thought_syntax.end)
            yield from feed.space()
            return
        start.restore()

    def _thought(self, syntax: ThoughtSyntax) -> Wait[None]:
        """Read a thought and the white space around it.

        A call ends a thought that is never closed. It is known only at the end, and held back until then.
        """
        feed = self._feed
        self._open_thought(syntax.end)
        yield from feed.space()
        ends = (syntax.end, *self._answer_begins)
        search = MarkSearch((*ends, *self.triggers))
        ending = MarkSearch(ends)
        while True:
            match = search.find(feed.text, feed.at)
            if match is not None and match[0] not in ends and ending.find(feed.text, match.start()) is None:
                sure = feed.text[feed.at : match.start()].rstrip()
                self._emit_thought(sure)
                feed.at += len(sure)
                if not feed.ended:
                    yield
                    continue
                start = Backtrack(feed)
                self._close_thought()
                yield from feed.space()
                if (yield from self._calls()):
                    feed.kept = None
                    return
                start.restore()
                self.thoughts[-1].end = None
                sure = feed.text[feed.at : match.start() + 1]
                self._emit_thought(sure)
                feed.at += len(sure)
                continue
            match = ending.find(feed.text, feed.at)
            if match is not None:
                self._emit_thought(feed.text[feed.at : match.start()].rstrip())
                feed.at = match.start()
                self._close_thought()
                feed.at = match.end()
                yield from feed.space()
                return
            keep = 0 if feed.ended else search.held_back(feed.text, feed.at)
            sure = feed.text[feed.at : len(feed.text) - keep]
            if not feed.ended:
                sure = sure.rstrip()
            self._emit_thought(sure)
            feed.at += len(sure)
            if feed.ended:
                self._close_thought()
                return
            yield

    def _content(self) -> Wait[None]:
        """Read content and calls to the end of the reply."""
        feed = self._feed
        if self.bare:
            start = Backtrack(feed)
            yield from feed.space()
            if (yield from self._calls()):
                feed.kept = None
            else:
                start.restore()
        while True:
            match = self._search.find(feed.text, feed.at)
            if match is None:
                keep = 0 if feed.ended else self._search.held_back(feed.text, feed.at)
                sure = feed.text[feed.at : len(feed.text) - keep]
                if not feed.ended:
                    sure = sure.rstrip()
                else:
                    sure = self._without_cut_mark(sure)
                    sure = "" if self._found and not sure.strip() else sure
                self._emit_content(sure)
                if feed.ended:
                    feed.at = len(feed.text)
                    return
                feed.at += len(sure)
                yield
                continue
            sure = feed.text[feed.at : match.start()].rstrip()
            self._emit_content(sure)
            feed.at += len(sure)
            gap = match.start() - feed.at
            mark = match[0]
            start = Backtrack(feed)
            feed.at += gap
            if self._again and (yield from feed.starts(self._again)):
                feed.at += len(self._again)
                start.release()
                assert self._thought_syntax is not None
                yield from self._thought(self._thought_syntax)
                continue
            self._unfinished = False
            if mark in self.triggers and (yield from self._calls()):
                feed.kept = None
                continue
            if self._unfinished and self._cut:
                feed.at = len(feed.text)
                start.release()
                return
            noise = yield from self._noise_word()
            if noise:
                feed.at += len(noise)
                start.release()
                continue
            start.restore()
            sure = feed.text[feed.at : feed.at + gap + 1]
            self._emit_content(sure)
            feed.at += len(sure)

    def _without_cut_mark(self, text: str) -> str:
        """Return the end of a reply without the beginning of a call's mark, if the reply was cut there."""
        held = self._search.held_back(text, 0) if self._cut else 0
        is_mark = held >= _MIN_MARK_CHARACTERS and any(mark.startswith(text[-held:]) for mark in self.triggers)
        return text[:-held].rstrip() if is_mark else text

    def _noise_word(self) -> Wait[str]:
        """Return the longest content mark that comes next."""
        for word in sorted(self._noise, key=len, reverse=True):
            if (yield from self._feed.starts(word)):
                return word
        return ""


def _object_text(text: str) -> str | None:
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
        if inner.strip().startswith(begin) and depth < _MAX_DEPTH:
            members.append((key, _elements(form, inner, below, root, depth + 1)))
        else:
            members.append((key, json.loads(json_value(inner, below, root))))
        at = text.find(begin, after + len(end))
    kinds = types(schema, root)
    if members and all(key == "item" for key, _ in members) and kinds != OBJECT:
        return [value for _, value in members]
    return dict(members)


__all__ = ["MARK", "CallReader", "ReplyTextReader", "Tools"]
