"""Tool calls in a reply's text, found while it arrives. Pure."""

import json
import re

from function.dialect.argument_reader import ArgumentReader, NotCallError, Tools, object_text
from function.dialect.reply_parts import ArgumentsPiece
from function.dialect.syntax import (
    ARGUMENTS,
    ID,
    INDEX,
    NAME,
    CallSyntax,
    JsonArguments,
    LiteralArguments,
    TaggedArguments,
    is_distinctive,
    pieces,
)
from function.dialect.text_feed import Backtrack, Wait

_NAME_KEYS = frozenset(("name", "tool_name", "function_name", "tool", "function"))
_ARGUMENT_KEYS = frozenset(("arguments", "parameters", "args", "input", "params"))
_OTHER_KEYS = frozenset(("type", "id", "index", "tool_call_id", "call_id"))
_IDENTITY = re.compile(r"[\w.:-]*")
_CALL_ID = "[CALL_ID]"
_FENCE = "```"
_PREFIX = "functions."
_CLOSERS = frozenset("}],;)")


class CallReader(ArgumentReader):
    """Reader of calls of ``tools`` in ``syntax``; the base of the readers of whole replies.

    Text that begins like a call is held back until its name is known and its arguments begin; then they pass as they
    arrive. Text that is no call after all, or a call of an unknown tool, stays text.
    """

    def __init__(self, syntax: CallSyntax, tools: Tools) -> None:
        super().__init__(syntax, tools)
        after = syntax.call.split(ARGUMENTS if syntax.arguments_first else NAME, 1)[1]
        self._after_name = [piece for piece in pieces(after.split(ARGUMENTS)[0]) if piece != NAME]
        self._before_name = pieces(after.split(NAME)[0]) if syntax.arguments_first else []
        distinctive = (piece for at, piece in enumerate(self._opening) if is_distinctive(piece) or at == 0)
        self.triggers = tuple(dict.fromkeys((*distinctive, *syntax.further_begins)))
        self.bare = not self._opening
        """A call may begin at the beginning of the reply, without a mark."""
        if not tools:
            self.triggers, self.bare = (), False
        self._found = 0
        self._unfinished = False
        """True if the text ended within what may have become a call."""

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
        text = object_text((yield from self._raw_value()))
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
        text = "{}" if arguments in ("", "null") else object_text(arguments)
        if text is None:
            raise NotCallError
        self._start(name)
        self._emit(ArgumentsPiece(text))

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
