"""A reply's text → what it consists of: thoughts, content and tool calls, as it comes. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ThoughtPiece:
    """A piece of what the model thinks before it answers."""

    text: str


@dataclass(frozen=True, slots=True)
class ContentPiece:
    """A piece of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class CallStart:
    """A call of a tool begins; its arguments follow."""

    name: str


@dataclass(frozen=True, slots=True)
class ArgumentsPiece:
    """A piece of the arguments, as JSON, of the call that began last."""

    text: str


Part = ThoughtPiece | ContentPiece | CallStart | ArgumentsPiece


class ReplyReader(Protocol):
    """Takes text as it comes. What it gives, joined, does not depend on how the text was split."""

    def feed(self, text: str) -> Iterable[Part]:
        """The parts that became certain with ``text``."""

    def finish(self) -> Iterable[Part]:
        """The rest, when no more text comes."""


class PlainReader:
    """All is content."""

    def feed(self, text: str) -> Iterator[Part]:
        """See Reader."""
        if text:
            yield ContentPiece(text)

    def finish(self) -> Iterator[Part]:
        """See Reader."""
        yield from ()


class ThoughtReader:
    """Tells a thought at the beginning of a reply from the content, which goes on to ``content``.

    ``opened``: the prompt ends inside the thought. Tags anywhere else are text. Space around the thought belongs to
    neither.
    """

    def __init__(self, tags: tuple[str, str], *, opened: bool, content: ReplyReader) -> None:
        self._begin, self._end = tags
        self._content = content
        self._state = "thought" if opened else "start"
        self._begun = False
        self._held = ""

    def feed(self, text: str) -> Iterator[Part]:
        """See Reader."""
        self._held += text
        if self._state == "start":
            self._decide()
        if self._state == "thought":
            yield from self._think()
        if self._state == "gap" and (rest := self._held.lstrip()):
            self._state, self._held = "content", rest
        if self._state == "content":
            text, self._held = self._held, ""
            yield from self._content.feed(text)

    def finish(self) -> Iterator[Part]:
        """See Reader."""
        if self._state == "thought" and self._held:
            yield ThoughtPiece(self._held)
        elif self._state == "start":
            yield from self._content.feed(self._held)
        yield from self._content.finish()

    def _decide(self) -> None:
        begun = self._held.lstrip()
        if begun.startswith(self._begin):
            self._state, self._held = "thought", begun[len(self._begin) :]
        elif not self._begin.startswith(begun):
            self._state = "content"

    def _think(self) -> Iterator[Part]:
        if not self._begun:
            self._held = self._held.lstrip()
        at = self._held.find(self._end)
        sure = self._held[:at] if at >= 0 else self._held[: len(self._held) - overlap(self._held, self._end)]
        sure = sure.rstrip()
        if sure:
            self._begun = True
            yield ThoughtPiece(sure)
        if at >= 0:
            self._state, self._held = "gap", self._held[at + len(self._end) :]
        else:
            self._held = self._held[len(sure) :]


def overlap(text: str, word: str) -> int:
    """Length of the longest end of ``text`` that ``word`` begins with, short of all of ``word``."""
    return next((n for n in range(min(len(text), len(word) - 1), 0, -1) if text.endswith(word[:n])), 0)
