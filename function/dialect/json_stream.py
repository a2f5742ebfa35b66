"""JSON as models write it, with its usual faults, read as valid JSON while it arrives. Pure."""

import json
import re
from collections.abc import Callable

from function.dialect.text_feed import TextFeed, Wait

_PLAIN = {'"': re.compile(r'[^"\\\x00-\x1f]+'), "'": re.compile(r"[^'\"\\\x00-\x1f]+")}
_WORD = re.compile(r"[^,}\]\)\n]*")
_KEY = re.compile(r"[^:=,}\]\)\s]*")
_NUMBER_BEGINNING = re.compile(r"-?(?:(?:0|[1-9]\d*)(?:\.\d*)?(?:(?<=\d)[eE][+-]?\d*)?)?")
_NUMBER_TEXT = re.compile(r"[-+.\w]*")
_OTHER_SPACE = re.compile(r"[^\S \t\n\r]")
_WORDS = {
    "true": "true", "True": "true", "TRUE": "true",
    "false": "false", "False": "false", "FALSE": "false",
    "null": "null", "None": "null", "nil": "null", "undefined": "null", "NaN": "null", "Infinity": "null", "": "null",
}  # fmt: skip
_ESCAPES = frozenset('"\\/bfnrt')
MAX_DEPTH = 200
"""Levels of nesting that are read; the rest of a deeper value is dropped."""


class JsonStream:
    """Reader of one JSON value that writes valid JSON.

    Repairs raw line breaks in strings, single quotes, words without quotes, Python's literals, missing and surplus
    commas and missing closing brackets. White space stays. ``quotes`` are further marks around strings, which know no
    escapes. With ``cut`` nothing is added to a value that ends early.
    """

    def __init__(self, feed: TextFeed, write: Callable[[str], None], *, quotes: tuple[str, ...] = ()) -> None:
        self._feed = feed
        self._out = write
        self._quotes = quotes
        self._depth = 0
        self.cut = False

    def value(self) -> Wait[None]:
        """Read a value of any type."""
        letter = yield from self._feed.peek()
        if letter in ("{", "["):
            yield from self._nested(letter)
        elif (quote := (yield from self._quote(letter))) is not None:
            yield from self._string(quote)
        elif letter and letter in "-+.0123456789":
            yield from self._number()
        else:
            yield from self._word()

    def members(self, close: str = "}") -> Wait[None]:
        """Read the members of an object up to and with ``close``. The opening bracket was read."""
        yield from self._items(close, keyed=True)

    def _nested(self, letter: str) -> Wait[None]:
        self._feed.at += 1
        if self._depth >= MAX_DEPTH:
            self._write("null")
            return
        self._depth += 1
        yield from self._items("}" if letter == "{" else "]", keyed=letter == "{")
        self._depth -= 1

    def _items(self, close: str, *, keyed: bool) -> Wait[None]:
        feed = self._feed
        self._write("{" if keyed else "[")
        written = 0
        while True:
            gap = ""
            while True:
                gap += yield from self._space()
                letter = yield from feed.peek()
                if not letter or letter not in ",;":
                    break
                gap += ","
                feed.at += 1
            if not letter or letter in "}])" or letter == close:
                gap = gap.replace(",", "")
                if letter == close:
                    self._write(gap + ("}" if keyed else "]"))
                    feed.at += 1
                else:  # the bracket is missing; another one belongs to what is around
                    self._write("}" if keyed else "]")
                return
            if written:
                self._write(gap if gap.count(",") == 1 else f",{gap.replace(',', '')}")
            else:
                self._write(gap.replace(",", ""))
            written += 1
            if keyed:
                yield from self._key()
            yield from self.value()

    def _space(self) -> Wait[str]:
        """Read white space; what JSON does not count as such becomes a blank."""
        return _OTHER_SPACE.sub(" ", (yield from self._feed.space()))

    def _key(self) -> Wait[None]:
        feed = self._feed
        letter = yield from feed.peek()
        quote = yield from self._quote(letter)
        if quote is not None:
            yield from self._string(quote)
        else:
            self._write(json.dumps((yield from self._take(_KEY)), ensure_ascii=False))
        gap = yield from self._space()
        letter = yield from feed.peek()
        if letter and letter in ":=":
            feed.at += 1
            self._write(f"{gap}:")
            self._write((yield from self._space()))
        else:
            self._write(": ")

    def _quote(self, letter: str) -> Wait[str | None]:
        for quote in self._quotes:
            if quote[:1] == letter and (yield from self._feed.starts(quote)):
                return quote
        return letter if letter and letter in "\"'" else None

    def _string(self, quote: str) -> Wait[None]:
        feed = self._feed
        feed.at += len(quote)
        self._write('"')
        if quote in _PLAIN:
            yield from self._escaped(quote, _PLAIN[quote])
        else:
            yield from self._until(quote)
        self._write('"')

    def _until(self, quote: str) -> Wait[None]:
        """Read a string without escapes up to ``quote``."""
        feed = self._feed
        while True:
            end = feed.text.find(quote, feed.at)
            if end >= 0:
                self._write(escape(feed.text[feed.at : end]))
                feed.at = end + len(quote)
                return
            rest = feed.text[feed.at :]
            keep = next((n for n in range(min(len(rest), len(quote) - 1), 0, -1) if rest.endswith(quote[:n])), 0)
            if feed.ended:
                keep = 0
            self._write(escape(rest[: len(rest) - keep]))
            feed.at = len(feed.text) - keep
            if feed.ended:
                return
            yield

    def _escaped(self, quote: str, plain: "re.Pattern[str]") -> Wait[None]:
        feed = self._feed
        while letter := (yield from feed.peek()):
            if match := plain.match(feed.text, feed.at):
                self._write(match[0])
                feed.at = match.end()
            elif letter == quote:
                feed.at += 1
                return
            elif letter == "\\":
                yield from self._escape()
            else:  # a control character, or the other quote
                self._write(escape(letter))
                feed.at += 1

    def _escape(self) -> Wait[None]:
        feed = self._feed
        while len(feed.text) - feed.at < 2 and not feed.ended:
            yield
        letter = feed.text[feed.at + 1 : feed.at + 2]
        size = {"u": 4, "x": 2}.get(letter, 0)
        while len(feed.text) - feed.at < 2 + size and not feed.ended:
            yield
        digits = feed.text[feed.at + 2 : feed.at + 2 + size]
        if size and re.fullmatch(rf"[0-9a-fA-F]{{{size}}}", digits):
            self._write(f"\\u{digits:0>4}")
            feed.at += 2 + size
        elif letter in _ESCAPES and letter:
            self._write(f"\\{letter}")
            feed.at += 2
        elif letter == "'":
            self._write("'")
            feed.at += 2
        elif letter == "\n":  # Python joins the lines
            feed.at += 2
        else:
            self._write("\\\\" if letter or not feed.ended else "")
            feed.at += 1

    def _number(self) -> Wait[None]:
        feed = self._feed
        if feed.text[feed.at] == "+":
            feed.at += 1
        text = written = ""
        while True:
            match = _NUMBER_TEXT.match(feed.text, feed.at)
            assert match is not None
            feed.at = match.end()
            text += match[0]
            text = f"0{text}" if text.startswith(".") else text
            valid = _NUMBER_BEGINNING.match(text)
            good = valid[0] if valid else ""
            self._write(good[len(written) :])
            written = good
            if feed.at < len(feed.text) or feed.ended:
                break
            yield
        if not written or written[-1] in ".eE+-":
            self._write("0")

    def _word(self) -> Wait[None]:
        word = (yield from self._take(_WORD)).strip()
        self._write(_WORDS[word] if word in _WORDS else json.dumps(word, ensure_ascii=False))

    def _take(self, pattern: "re.Pattern[str]") -> Wait[str]:
        """Read what ``pattern`` matches as soon as its end is known."""
        feed, found = self._feed, ""
        while True:
            match = pattern.match(feed.text, feed.at)
            assert match is not None
            found += match[0]
            feed.at = match.end()
            if feed.at < len(feed.text) or feed.ended:
                return found
            yield

    def _write(self, text: str) -> None:
        if text and not (self.cut and self._feed.exhausted):
            self._out(text)


def escape(text: str) -> str:
    """Return ``text`` as the inside of a JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def repaired(text: str, *, quotes: tuple[str, ...] = ()) -> str | None:
    """Return ``text``, one object or list with the usual faults, as valid JSON; None for anything else."""
    feed = TextFeed(text.strip(), ended=True)
    if not feed.text.startswith(("{", "[")):
        return None
    pieces: list[str] = []
    for _ in JsonStream(feed, pieces.append, quotes=quotes).value():
        raise AssertionError("all text is there")
    rest = feed.text[feed.at :].strip()
    return None if rest.strip("}]) \n") else "".join(pieces)
