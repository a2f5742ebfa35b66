"""Layout of the KV cache states that llama.cpp saves, to verify and to cut them. Pure.

llama.cpp restores a state with few checks: it accepts a flipped byte, and a wrong count may read memory out of bounds.
So it only gets states in which every byte that is not part of a key or value is the one that it would have written.
The layout is learned from a sample: the state of the first tokens that are computed.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_HALF = (0x7C, 0x7D, 0x7E, 0x7F, 0xFC, 0xFD, 0xFE, 0xFF)
_FULL = (0x7F, 0xFF)
BLOCK_TYPES: Mapping[int, tuple[int, tuple[int, ...], tuple[int, ...]]] = {
    0: (4, (3,), _FULL),  # F32
    1: (2, (1,), _HALF),  # F16
    2: (18, (1,), _HALF),  # Q4_0
    3: (20, (1, 3), _HALF),  # Q4_1
    6: (22, (1,), _HALF),  # Q5_0
    7: (24, (1, 3), _HALF),  # Q5_1
    8: (34, (1,), _HALF),  # Q8_0
    30: (2, (1,), _FULL),  # BF16
}
"""By ggml type of keys and values: bytes of a block, offsets of the high bytes of its floats, and the values of those
bytes in infinity and NaN, whose exponents have all bits set. (In the wider floats some huge numbers share them.)"""
_BLOCKS_PER_SCAN = 1 << 16

Buffer = bytes | bytearray | memoryview
SavedState = bytearray | memoryview
"""A state in writable memory: a copy, or a private mapping of a file."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """Keys or values of one layer: the header before them, and their bytes per token.

    A token has ``runs`` runs of ``width`` bytes: one if its row is contiguous; in a transposed cache one per element of
    the row, and each run holds that element of all tokens.
    """

    header: bytes
    kind: int
    width: int
    runs: int = 1


@dataclass(frozen=True, slots=True)
class _Part:
    """One cache of a context: a model with a sliding window has two."""

    header: bytes
    rows: tuple[_Rows, ...]


class StateLayout:
    """Layout of the state of any number of tokens, made by ``learn``."""

    def __init__(self, header: bytes, parts: tuple[_Part, ...]) -> None:
        self._header = header
        self._parts = parts

    @classmethod
    def learn(cls, sample: Buffer, tokens: int, header_bytes: int) -> "StateLayout | None":
        """Return the layout of ``sample``, the state of ``tokens`` tokens with caches after ``header_bytes``.

        None unless every byte is understood: a recurrent state, positions in several dimensions.
        """
        data = bytes(sample)
        try:
            layout = cls(data[:header_bytes], tuple(_read_parts(data, tokens, header_bytes)))
        except (struct.error, ValueError):
            return None
        return layout if layout.fits(data, tokens) else None

    def size(self, tokens: int) -> int:
        """Return the bytes of a state of ``tokens`` tokens."""
        return sum(len(piece) if isinstance(piece, bytes) else piece[0] for piece in self._pieces(tokens))

    @property
    def token_size(self) -> int:
        """Bytes per token."""
        return self.size(2) - self.size(1)

    def fits(self, state: Buffer, tokens: int) -> bool:
        """Return true for a state that llama.cpp may restore.

        It holds ``tokens`` tokens at positions 0, 1, 2, … and no number that is NaN or infinite.
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
                if not _is_finite(view[at : at + length], rows.kind):
                    return False
                at += length
        return True

    def cut(self, state: Buffer, tokens: int, kept: int) -> bytearray:
        """Return the state of the first ``kept`` tokens out of ``state``, which holds ``tokens``."""
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
        """Yield the state's pieces in order: fixed bytes, or the number of bytes of the given rows."""
        yield self._header
        cells = b"".join(struct.pack("<iIi", position, 1, 0) for position in range(tokens))
        for part in self._parts:
            yield struct.pack("<II", 1, tokens) + cells + part.header
            for rows in part.rows:
                yield rows.header
                yield rows.width * rows.runs * tokens, rows


def _read_parts(data: bytes, tokens: int, at: int) -> Iterator[_Part]:
    """Read the caches of a state from offset ``at`` to the end. Raises struct.error or ValueError."""
    while at < len(data):
        at += 8 + 12 * tokens  # streams and cells; position, sequences and sequence id of each cell
        transposed, layers = struct.unpack_from("<II", data, at)
        header, at = data[at : at + 8], at + 8
        rows = []
        for number in range(2 * layers):
            runs = 1
            if transposed and number >= layers:
                kind, width, runs = struct.unpack_from("<iII", data, at)
            else:
                kind, width = struct.unpack_from("<iQ", data, at)
            if kind not in BLOCK_TYPES or width % BLOCK_TYPES[kind][0]:
                raise ValueError(f"unknown type {kind}")
            rows.append(_Rows(data[at : at + 12], kind, width, runs))
            at += 12 + width * runs * tokens
        yield _Part(header, tuple(rows))


def _is_finite(view: memoryview, kind: int) -> bool:
    """Return true if no float is NaN or infinite."""
    block, places, not_finite = BLOCK_TYPES[kind]
    for start in range(0, len(view), _BLOCKS_PER_SCAN * block):
        piece = bytes(view[start : start + _BLOCKS_PER_SCAN * block])  # copying a strided view takes nine times as long
        for place in places:
            high = piece[place::block]
            if any(byte in high for byte in not_finite):
                return False
    return True
