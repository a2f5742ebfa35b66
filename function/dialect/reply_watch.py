"""Watch over a reply while it is generated: the length of its thoughts, their end, and stop strings. Pure."""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field

from function.dialect.reply_parts import ReplyReader, StopReader, overlap

Tokens = tuple[int, ...]
_MAX_MARK_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class ThoughtLimit:
    """Largest number of ``tokens`` in all thoughts of a reply, and the tokens that close a thought.

    ``closings``: by the mark that closes a thought, the tokens that close the first one that is too long, and those
    that close further ones.
    """

    tokens: int
    closings: Mapping[str, tuple[Tokens, Tokens]] = field(default_factory=dict)


class ReplyWatch:
    """Watch over one reply, token by token, with a ``reader`` of its own.

    A token belongs to a thought if its text begins there. The marks around a thought do not belong to it.
    """

    def __init__(self, reader: ReplyReader, *, stops: tuple[str, ...] = (), limit: ThoughtLimit | None = None) -> None:
        self._reader = reader
        self._stopping = StopReader(reader, stops) if stops else None
        self._limit = limit
        self._starts: list[int] = []
        self._length = 0
        self._tail = ""
        self._closed = 0
        """Number of thoughts when the last one was closed here."""

    @property
    def stopped(self) -> bool:
        """True once a stop string ended the answer."""
        return self._stopping is not None and self._stopping.stopped

    def on_token(self, text: str) -> None:
        """Take the text that became certain with the next token; often empty."""
        self._starts.append(self._length)
        self._length += len(text)
        for _ in (self._stopping or self._reader).feed(text):
            pass
        if self._limit is not None:
            self._tail = (self._tail + text)[-_MAX_MARK_CHARACTERS:]

    def closing_tokens(self) -> Tokens:
        """Return the tokens that must follow now: those that close a thought which has reached the limit.

        A thought that may be about to close itself is left alone.
        """
        thoughts = self._reader.thoughts
        if self._limit is None or len(thoughts) == self._closed or thoughts[-1].end is not None:
            return ()
        mark = thoughts[-1].mark
        if self._count() < self._limit.tokens or overlap(self._tail, mark):
            return ()
        first, further = self._limit.closings.get(mark, ((), ()))
        return further if self._closed else first

    def on_closing(self) -> None:
        """Note that the closing tokens follow."""
        self._closed = len(self._reader.thoughts)

    def count_thought_tokens(self, *, cut: bool) -> int:
        """Return the number of tokens in thoughts, after the last token. ``cut``: the reply did not end by itself."""
        for _ in self._reader.finish(cut=cut):
            pass
        return self._count()

    def _count(self) -> int:
        """Return the number of tokens that begin in a thought."""
        starts = self._starts
        return sum(self._index(span.end) - bisect_left(starts, span.start) for span in self._reader.thoughts)

    def _index(self, end: int | None) -> int:
        """Return the number of tokens that begin before ``end``."""
        return len(self._starts) if end is None or end >= self._length else bisect_left(self._starts, end)
