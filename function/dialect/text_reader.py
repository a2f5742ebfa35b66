"""Base of the readers of replies: text comes in pieces, and parts go out. Pure."""

from collections.abc import Iterator
from dataclasses import replace

from function.dialect.reply_parts import ArgumentsPiece, CallStart, ContentPiece, Part, ThoughtPiece, ThoughtSpan
from function.dialect.text_feed import TextFeed


class TextReader:
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
