"""Layout of the states that llama.cpp saves, of KV caches and recurrent layers, to verify and to cut them. Pure.

llama.cpp restores a state with few checks: it accepts a flipped byte, and a wrong count may read memory out of bounds.
So it only gets states in which every byte outside of keys, values and recurrent states is the one that it would have
written. The layout is learned from a sample: the state of the first tokens that are computed.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
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
_CELL_BYTES = {False: 12, True: 24}
"""Bytes of a cell's description, without and with positions in several dimensions."""

Buffer = bytes | bytearray | memoryview
SavedState = bytearray | memoryview
"""A state in writable memory: a copy, or a private mapping of a file."""


@dataclass(frozen=True, slots=True)
class _Rows:
    """Keys or values of one layer: the header before them, and their bytes per token. Or its recurrent state.

    A token has ``runs`` runs of ``width`` bytes: one if its row is contiguous; in a transposed cache one per element of
    the row, and each run holds that element of all tokens.
    """

    header: bytes
    kind: int
    width: int
    runs: int = 1


@dataclass(frozen=True, slots=True)
class _Part:
    """One cache of a context: a model with a sliding window has two, a hybrid model one of keys and one of states."""

    header: bytes
    rows: tuple[_Rows, ...]
    is_recurrent: bool = False
    """True if the rows do not depend on the number of tokens."""


class StateLayout:
    """Layout of the state of any number of tokens, made by ``learn``."""

    def __init__(self, header: bytes, parts: tuple[_Part, ...], *, many_positions: bool) -> None:
        self._header = header
        self._parts = parts
        self._many_positions = many_positions

    @classmethod
    def learn(cls, sample: Buffer, tokens: Sequence[int], header_bytes: int) -> "StateLayout | None":
        """Return the layout of ``sample``, the state of ``tokens`` with caches after ``header_bytes``.

        None unless every byte is understood.
        """
        data = bytes(sample)
        for many_positions in (False, True):
            try:
                parts = tuple(_read_parts(data, len(tokens), header_bytes, _CELL_BYTES[many_positions]))
            except (struct.error, ValueError):
                continue
            layout = cls(data[:header_bytes], parts, many_positions=many_positions)
            if layout.fits(data, tokens, numbers=False):
                return layout
        return None

    def size(self, tokens: int) -> int:
        """Return the bytes of a state of ``tokens`` tokens."""
        return sum(len(piece) if isinstance(piece, bytes) else piece[0] for piece in self._pieces(range(tokens)))

    @property
    def token_size(self) -> int:
        """Bytes per token."""
        return self.size(2) - self.size(1)

    def fits(self, state: Buffer, tokens: Sequence[int], *, numbers: bool = True) -> bool:
        """Return true for a state that llama.cpp may restore.

        It holds ``tokens`` at positions 0, 1, 2, … and no number that is NaN or infinite. Without ``numbers`` those are
        not read: llama.cpp itself wrote the state.
        """
        view, at = memoryview(state), 0
        if len(view) != self.size(len(tokens)):
            return False
        for piece in self._pieces(tokens):
            if isinstance(piece, bytes):
                if view[at : at + len(piece)] != piece:
                    return False
                at += len(piece)
            else:
                length, rows = piece
                if numbers and not _is_finite(view[at : at + length], rows.kind):
                    return False
                at += length
        return True

    def cut(self, state: Buffer, tokens: int, kept: Sequence[int], checkpoint: Buffer | None = None) -> bytearray:
        """Return the state of ``kept``, the first tokens out of ``state``, which holds ``tokens`` tokens.

        ``checkpoint`` is the state of the recurrent layers after them, if there are such layers and tokens are cut off.
        """
        if len(kept) == tokens:
            return bytearray(state)
        view, at, out = memoryview(state), 0, bytearray()
        caches = [part for part in self._parts if not part.is_recurrent]
        for old, new in zip(self._pieces(range(tokens), caches), self._pieces(kept, caches), strict=True):
            if isinstance(new, bytes):
                out += new
                at += len(old)
            else:
                rows = new[1]
                for run in range(rows.runs):
                    start = at + run * rows.width * tokens
                    out += view[start : start + rows.width * len(kept)]
                at += len(old) if isinstance(old, bytes) else old[0]
        if checkpoint is not None:
            out += memoryview(checkpoint)[len(self._header) :]
        return out

    def _pieces(
        self, tokens: Sequence[int], parts: Sequence[_Part] | None = None
    ) -> Iterator["bytes | tuple[int, _Rows]"]:
        """Yield the state's pieces in order: fixed bytes, or the number of bytes of the given rows."""
        count = len(tokens)
        yield self._header
        for part in self._parts if parts is None else parts:
            if part.is_recurrent:
                yield struct.pack("<Iii", 1, count - 1, 0) + part.header
            else:
                yield struct.pack("<II", 1, count) + self._cells(tokens) + part.header
            for rows in part.rows:
                yield rows.header
                yield rows.width * rows.runs * (1 if part.is_recurrent else count), rows

    def _cells(self, tokens: Sequence[int]) -> bytes:
        """Return position, number of sequences, and sequence of each token; a model of images also has its place."""
        if self._many_positions:
            return b"".join(struct.pack("<iIiiii", at, 1, at, at, token, 0) for at, token in enumerate(tokens))
        return b"".join(struct.pack("<iIi", position, 1, 0) for position in range(len(tokens)))


def _read_parts(data: bytes, tokens: int, at: int, cell_bytes: int) -> Iterator[_Part]:
    """Read the caches of a state from offset ``at`` to the end. Raises struct.error or ValueError."""
    while at < len(data):
        count = struct.unpack_from("<Ii", data, at)[1]
        if count == tokens - 1:  # one cell: its position, and no sequence
            header = data[at + 12 : at + 20]
            rows, at = _read_states(data, at + 20)
            yield _Part(header, rows, is_recurrent=True)
            continue
        at += 8 + cell_bytes * tokens  # streams and cells
        transposed, layers = struct.unpack_from("<II", data, at)
        header, at = data[at : at + 8], at + 8
        found = []
        for number in range(2 * layers):
            runs = 1
            if transposed and number >= layers:
                kind, width, runs = struct.unpack_from("<iII", data, at)
            else:
                kind, width = struct.unpack_from("<iQ", data, at)
            found.append(_Rows(data[at : at + 12], _check_kind(kind, width), width, runs))
            at += 12 + width * runs * tokens
        yield _Part(header, tuple(found))


def _read_states(data: bytes, at: int) -> tuple[tuple[_Rows, ...], int]:
    """Read recurrent states up to the end. Returns them, and the end. Raises struct.error or ValueError."""
    rows = []
    while at < len(data):
        kind, width = struct.unpack_from("<iQ", data, at)
        rows.append(_Rows(data[at : at + 12], _check_kind(kind, width), width))
        at += 12 + width
    return tuple(rows), at


def _check_kind(kind: int, width: int) -> int:
    """Return ``kind`` if rows of ``width`` bytes can have this type. Raises ValueError."""
    if kind not in BLOCK_TYPES or width % BLOCK_TYPES[kind][0]:
        raise ValueError(f"unknown type {kind}")
    return kind


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
