"""What llama.cpp writes of a KV cache: the one form it may have for a given model, to check and to cut. Pure.

llama.cpp reads a state back without much doubt: a flipped byte is accepted, a wrong count may take memory that is not
there. So it is shown only states whose every byte that is no key or value is the one it would have written itself.
That form is learned from a sample: the state of the first tokens that are computed.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_HALF = (0x7C, 0x7D, 0x7E, 0x7F, 0xFC, 0xFD, 0xFE, 0xFF)
_FULL = (0x7F, 0xFF)
KINDS: Mapping[int, tuple[int, tuple[int, ...], tuple[int, ...]]] = {
    0: (4, (3,), _FULL),  # F32
    1: (2, (1,), _HALF),  # F16
    2: (18, (1,), _HALF),  # Q4_0
    3: (20, (1, 3), _HALF),  # Q4_1
    6: (22, (1,), _HALF),  # Q5_0
    7: (24, (1, 3), _HALF),  # Q5_1
    8: (34, (1,), _HALF),  # Q8_0
    30: (2, (1,), _FULL),  # BF16
}
"""Of ggml's types of keys and values: bytes of a block, where in it the high bytes of its floats are, and what those
are in infinity and NaN, whose exponents have all bits set. (In the wider floats, of some absurd ones too.)"""
_PIECE = 1 << 16  # blocks

Buffer = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class _Rows:
    """Keys or values of one layer: what stands before them, and their bytes for each token.

    ``runs``: how many stretches of ``width`` bytes a token has. One where a token's row is whole; in a transposed cache
    each element of a row has a stretch of its own, in which the tokens follow one another.
    """

    head: bytes
    kind: int
    width: int
    runs: int = 1


@dataclass(frozen=True, slots=True)
class _Part:
    """One of the caches that make up the memory: a model with a sliding window has two."""

    head: bytes
    rows: tuple[_Rows, ...]


class StateLayout:
    """How the state of any number of tokens is laid out. ``learn`` makes one."""

    def __init__(self, head: bytes, parts: tuple[_Part, ...]) -> None:
        self._head = head
        self._parts = parts

    @classmethod
    def learn(cls, sample: Buffer, tokens: int, head: int) -> "StateLayout | None":
        """The layout behind ``sample``, the state of ``tokens`` tokens, whose caches begin after ``head`` bytes.

        None for one that is not understood to its last byte: a recurrent state, positions in several dimensions.
        """
        data = bytes(sample)
        try:
            layout = cls(data[:head], tuple(_parts(data, tokens, head)))
        except (struct.error, ValueError):
            return None
        return layout if layout.fits(data, tokens) else None

    def size(self, tokens: int) -> int:
        """Bytes of the state of so many tokens."""
        return sum(len(piece) if isinstance(piece, bytes) else piece[0] for piece in self._pieces(tokens))

    @property
    def token_size(self) -> int:
        """Bytes that one more token takes."""
        return self.size(2) - self.size(1)

    def fits(self, state: Buffer, tokens: int) -> bool:
        """Whether ``state`` is one of ``tokens`` tokens at the positions from 0 on, and none of its numbers is NaN or
        infinite: what llama.cpp may be shown.
        """
        view, at = memoryview(state), 0
        if len(view) != self.size(tokens):
            return False
        for piece in self._pieces(tokens):
            if isinstance(piece, bytes):
                if view[at : at + len(piece)] != piece:
                    return False
                at += len(piece)
            else:
                length, rows = piece
                if not _finite(view[at : at + length], rows.kind):
                    return False
                at += length
        return True

    def cut(self, state: Buffer, tokens: int, kept: int) -> bytearray:
        """The state of the first ``kept`` tokens, from ``state``, that of ``tokens``."""
        view, at, out = memoryview(state), 0, bytearray()
        for old, new in zip(self._pieces(tokens), self._pieces(kept), strict=True):
            if isinstance(new, bytes):
                out += new
                at += len(old)
            else:
                rows = new[1]
                for run in range(rows.runs):
                    start = at + run * rows.width * tokens
                    out += view[start : start + rows.width * kept]
                at += len(old) if isinstance(old, bytes) else old[0]
        return out

    def _pieces(self, tokens: int) -> Iterator["bytes | tuple[int, _Rows]"]:
        """The state in order: bytes that are fixed; and of keys and values how many, and which."""
        yield self._head
        cells = b"".join(struct.pack("<iIi", position, 1, 0) for position in range(tokens))
        for part in self._parts:
            yield struct.pack("<II", 1, tokens) + cells + part.head
            for rows in part.rows:
                yield rows.head
                yield rows.width * rows.runs * tokens, rows


def _parts(data: bytes, tokens: int, at: int) -> Iterator[_Part]:
    """Read the caches of a state, one after the other, to the end. Raises struct.error or ValueError."""
    while at < len(data):
        at += 8 + 12 * tokens  # streams and cells; of each cell position, sequences and the sequence
        transposed, layers = struct.unpack_from("<II", data, at)
        head, at = data[at : at + 8], at + 8
        rows = []
        for number in range(2 * layers):
            runs = 1
            if transposed and number >= layers:
                kind, width, runs = struct.unpack_from("<iII", data, at)
            else:
                kind, width = struct.unpack_from("<iQ", data, at)
            if kind not in KINDS or width % KINDS[kind][0]:
                raise ValueError("a type that is not known")
            rows.append(_Rows(data[at : at + 12], kind, width, runs))
            at += 12 + width * runs * tokens
        yield _Part(head, tuple(rows))


def _finite(view: memoryview, kind: int) -> bool:
    """Whether all floats are numbers."""
    block, places, not_finite = KINDS[kind]
    for start in range(0, len(view), _PIECE * block):
        piece = bytes(view[start : start + _PIECE * block])  # a view with a stride is copied nine times as slowly
        for place in places:
            high = piece[place::block]
            if any(byte in high for byte in not_finite):
                return False
    return True
