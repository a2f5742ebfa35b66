"""Parts of a reply: thoughts, content and tool calls. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ThoughtPiece:
    """Piece of the reasoning before the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class ContentPiece:
    """Piece of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class CallStart:
    """Beginning of a tool call; its arguments follow."""

    name: str


@dataclass(frozen=True, slots=True)
class ArgumentsPiece:
    """Piece of the JSON arguments of the call that began last."""

    text: str


Part = ThoughtPiece | ContentPiece | CallStart | ArgumentsPiece


@dataclass(slots=True)
class ThoughtSpan:
    """Place of a thought in the reply's text, in characters. ``end`` is None while the thought is open.

    ``mark`` is the text that closes the thought.
    """

    start: int
    mark: str
    end: int | None = None


class ReplyReader(Protocol):
    """Reader of a reply's text as it arrives. The joined output does not depend on how the text was cut."""

    @property
    def thoughts(self) -> Sequence[ThoughtSpan]:
        """Thoughts found so far."""

    def feed(self, text: str) -> Iterable[Part]:
        """Return the parts that became certain with ``text``."""

    def finish(self, *, cut: bool = True) -> Iterable[Part]:
        """Return the rest when no more text comes.

        With ``cut`` the reply was cut off, and unfinished arguments stay as they are. Otherwise the model ended the
        reply itself, and unfinished arguments are completed to valid JSON.
        """


class PlainReader:
    """Reader that takes all text as content."""

    thoughts: Sequence[ThoughtSpan] = ()

    def feed(self, text: str) -> Iterator[Part]:
        """See ReplyReader."""
        if text:
            yield ContentPiece(text)

    def finish(self, *, cut: bool = True) -> Iterator[Part]:
        """See ReplyReader."""
        yield from ()


class CallsOnlyReader:
    """Reader of a reply that must call a tool: any content is the beginning of a call that was cut off."""

    def __init__(self, reader: ReplyReader) -> None:
        self._reader = reader

    @property
    def thoughts(self) -> Sequence[ThoughtSpan]:
        """See ReplyReader."""
        return self._reader.thoughts

    def feed(self, text: str) -> Iterator[Part]:
        """See ReplyReader."""
        return (part for part in self._reader.feed(text) if not isinstance(part, ContentPiece))

    def finish(self, *, cut: bool = True) -> Iterator[Part]:
        """See ReplyReader."""
        return (part for part in self._reader.finish(cut=cut) if not isinstance(part, ContentPiece))


class StopReader:
    """Reader that ends the answer before the first stop string. Thoughts and arguments pass unchanged."""

    def __init__(self, reader: ReplyReader, stops: tuple[str, ...]) -> None:
        self._reader = reader
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""
        self.found: str | None = None
        """The stop string that ended the answer."""

    @property
    def stopped(self) -> bool:
        """True once a stop string was found; nothing comes after it."""
        return self.found is not None

    @property
    def thoughts(self) -> Sequence[ThoughtSpan]:
        """See ReplyReader."""
        return self._reader.thoughts

    def feed(self, text: str) -> Iterator[Part]:
        """See ReplyReader."""
        yield from self._cut(self._reader.feed(text))

    def finish(self, *, cut: bool = True) -> Iterator[Part]:
        """See ReplyReader."""
        if self.stopped:
            return
        yield from self._cut(self._reader.finish(cut=cut))
        if self._held and not self.stopped:
            yield ContentPiece(self._held)

    def _cut(self, parts: Iterable[Part]) -> Iterator[Part]:
        for part in parts:
            if self.stopped:
                return
            if not isinstance(part, ContentPiece):
                if self._held:
                    yield ContentPiece(self._held)
                    self._held = ""
                yield part
                continue
            text = self._held + part.text
            found = [(at + len(stop), at, stop) for stop in self._stops if (at := text.find(stop)) >= 0]
            if found:
                _, at, self.found = min(found)
                text = text[:at]
                self._held = ""
            else:
                keep = max((overlap(text, stop) for stop in self._stops), default=0)
                text, self._held = text[: len(text) - keep], text[len(text) - keep :]
            if text:
                yield ContentPiece(text)


def overlap(text: str, word: str) -> int:
    """Return the length of the longest end of ``text`` that is a beginning of ``word``, but not all of it."""
    return next((n for n in range(min(len(text), len(word) - 1), 0, -1) if text.endswith(word[:n])), 0)
