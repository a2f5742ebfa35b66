"""Parts of a reply → blocks: thoughts, texts and calls, each with a beginning and an end. Pure."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from function.dialect.reply_parts import ArgumentsPiece, CallStart, Part, ReplyReader, StopReader, ThoughtPiece

BlockKind = Literal["thought", "content", "call"]


@dataclass(slots=True)
class Block:
    """Consecutive parts of one kind, or a call with its arguments. ``name``: of the called tool."""

    kind: BlockKind
    index: int
    name: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class BlockStart:
    """Beginning of a block."""

    block: Block


@dataclass(frozen=True, slots=True)
class BlockPiece:
    """Next piece of the text of the block that began last."""

    block: Block
    text: str


@dataclass(frozen=True, slots=True)
class BlockEnd:
    """End of the block that began last. ``cut``: the reply was cut off within it."""

    block: Block
    cut: bool = False


BlockEvent = BlockStart | BlockPiece | BlockEnd


class BlockReader:
    """Reader of a reply's blocks as its text arrives.

    ``make_reader`` is called with the first text: the model need not be loaded before. Without ``thoughts``, they are
    left out.
    """

    def __init__(self, make_reader: Callable[[], ReplyReader], *, thoughts: bool = True) -> None:
        self._make_reader = make_reader
        self._reader: ReplyReader | None = None
        self._thoughts = thoughts
        self._open: Block | None = None
        self._count = 0
        self.called = False
        """True once a tool was called."""

    @property
    def stop(self) -> str | None:
        """The stop string that ended the answer."""
        return self._reader.found if isinstance(self._reader, StopReader) else None

    def feed(self, text: str) -> Iterator[BlockEvent]:
        """Yield the events that became certain with ``text``."""
        yield from self._events(self._parts().feed(text))

    def finish(self, *, cut: bool) -> Iterator[BlockEvent]:
        """Yield the rest, and a text without content if there is no block at all. ``cut``: see ReplyReader."""
        yield from self._events(self._parts().finish(cut=cut))
        if self._count == 0:
            yield self._start("content")
        yield from self._end(cut=cut)

    def _parts(self) -> ReplyReader:
        if self._reader is None:
            self._reader = self._make_reader()
        return self._reader

    def _events(self, parts: Iterable[Part]) -> Iterator[BlockEvent]:
        for part in parts:
            if isinstance(part, CallStart):
                self.called = True
                yield from self._end()
                yield self._start("call", part.name)
                continue
            if isinstance(part, ThoughtPiece) and not self._thoughts:
                continue
            kind = _kind(part)
            if self._open is None or self._open.kind != kind:
                yield from self._end()
                yield self._start(kind)
            assert self._open is not None
            self._open.text += part.text
            yield BlockPiece(self._open, part.text)

    def _start(self, kind: BlockKind, name: str = "") -> BlockStart:
        self._open = Block(kind, self._count, name)
        self._count += 1
        return BlockStart(self._open)

    def _end(self, *, cut: bool = False) -> Iterator[BlockEnd]:
        if self._open is not None:
            yield BlockEnd(self._open, cut)
            self._open = None


def _kind(part: Part) -> BlockKind:
    if isinstance(part, ArgumentsPiece):
        return "call"
    return "thought" if isinstance(part, ThoughtPiece) else "content"
