"""Reader of a GGUF's stored header: magic, version, metadata, tensor infos. It trusts no count and no length.

Each is checked against the bytes at hand before memory is allocated. The work is bounded by the header's size, and that
by ``MAX_HEADER``.
"""

import struct
from dataclasses import dataclass
from typing import Any

from function.errors import NotGGUF
from function.gguf.string_array import LENGTH, StringArray, find_end
from function.gguf.types import ARRAY, SCALARS, STRING, TENSOR_TYPES, VALUE_NAMES, TensorType

MAX_HEADER = 64 << 20  # bytes; the largest known, 262k tokens with their merges, take 16 MB
MAX_KEYS, MAX_TENSORS = 10_000, 100_000
MAX_DIMS, MAX_NAME = 4, 64  # llama.cpp's limits
TOKENS_KEY, TYPES_KEY = "tokenizer.ggml.tokens", "tokenizer.ggml.token_type"
KEPT_ELEMENTS = 1024  # of an array of numbers; longer arrays are skipped (a model has at most 512 layers)
DEFAULT_ALIGNMENT = 32

_U32, _I64, _U64 = struct.Struct("<I"), struct.Struct("<q"), LENGTH


class Incomplete(Exception):
    """The header is longer than the bytes at hand. ``needed``: bytes from the file's start to try again with."""

    def __init__(self, needed: int) -> None:
        super().__init__(f"the header needs at least {needed:,} bytes")
        self.needed = needed


@dataclass(frozen=True, slots=True)
class Array:
    """An array whose ``count`` values, all of one type, were skipped."""

    type: int
    count: int


Value = bool | int | float | str | tuple[Any, ...] | Array


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One tensor. ``dims`` from the innermost; ``offset`` counts from the file's start; ``size`` in bytes."""

    name: str
    dims: tuple[int, ...]
    type: TensorType
    offset: int
    size: int
    elements: int


@dataclass(frozen=True, slots=True)
class RawHeader:
    """Stored header, before its meaning is checked.

    ``tokens``: the texts of the vocabulary; ``token_types``: their types as stored, empty if the file has none.
    """

    version: int
    metadata: dict[str, Value]
    tensors: tuple[TensorInfo, ...]
    alignment: int
    data_offset: int
    tokens: StringArray
    token_types: bytes


class HeaderReader:
    """Cursor in ``data``, the beginning of a file of ``file_size`` bytes. It keeps the vocabulary that it passes."""

    def __init__(self, data: bytes, file_size: int) -> None:
        self.data = data
        self.file_size = file_size
        self.position = 0
        self.tokens = StringArray()
        self.token_types = b""

    def need(self, count: int, what: str) -> None:
        """Check that ``count`` more bytes are at hand. Raises Incomplete if the file has them, else NotGGUF."""
        end = self.position + count
        if end <= len(self.data):
            return
        if end > self.file_size:
            raise NotGGUF(
                f"The file ends before {what} does: byte {end:,} is needed, it has {self.file_size:,}. "
                "It is truncated or not what it claims to be.",
                at=self.position,
            )
        if end > MAX_HEADER:
            raise NotGGUF(f"The header is longer than {MAX_HEADER >> 20} MiB at {what}.", at=self.position)
        # Ask for at least half again as many, so that the number of reads stays small.
        raise Incomplete(min(self.file_size, MAX_HEADER, max(end, len(self.data) * 3 // 2)))

    def number(self, form: struct.Struct, what: str) -> Any:
        """Read a number stored as ``form``."""
        self.need(form.size, what)
        (value,) = form.unpack_from(self.data, self.position)
        self.position += form.size
        return value

    def raw(self, what: str) -> bytes:
        """Read the bytes of a string."""
        length = self.number(_U64, what)
        self.need(length, what)
        start = self.position
        self.position = start + length
        return bytes(self.data[start : self.position])

    def text(self, what: str) -> str:
        """Read a string. Raises NotGGUF if it is not UTF-8."""
        at, raw = self.position, self.raw(what)
        try:
            return raw.decode()
        except UnicodeDecodeError as e:
            raise NotGGUF(f"{what.capitalize()} at byte {at:,} is not UTF-8.", at=at) from e

    def strings(self, count: int, what: str) -> StringArray:
        """Skip ``count`` strings, and return where they are."""
        self.need(count * LENGTH.size, what)
        start = self.position
        end = find_end(self.data, start, count)
        self.need(end - start, what)
        self.position = end
        return StringArray(self.data, start, count)


def read(data: bytes, file_size: int) -> RawHeader:
    """Read the header at the start of ``data``. Raises Incomplete, or NotGGUF with the fault and its place."""
    reader = HeaderReader(data, file_size)
    version, n_tensors, n_keys = _preamble(reader)
    metadata: dict[str, Value] = {}
    for index in range(n_keys):
        key = reader.text(f"the name of key {index} of {n_keys}")
        if not key:
            raise NotGGUF(f"Key {index} has no name.", at=reader.position)
        if key in metadata:
            raise NotGGUF(f"The key {key!r} is in the header twice.", at=reader.position)
        metadata[key] = _value(reader, key)
    alignment = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
    if type(alignment) is not int or alignment <= 0 or alignment & (alignment - 1):
        raise NotGGUF(f"general.alignment is {alignment!r}, not a power of two.")
    infos = _infos(reader, n_tensors)
    data_offset = -(-reader.position // alignment) * alignment
    tensors = _extents(infos, data_offset, alignment, file_size)
    return RawHeader(version, metadata, tensors, alignment, data_offset, reader.tokens, reader.token_types)


def _preamble(reader: HeaderReader) -> tuple[int, int, int]:
    reader.need(min(4, reader.file_size), "the magic")
    magic = bytes(reader.data[:4])
    if magic != b"GGUF":
        raise NotGGUF(f"The file is not a GGUF: it begins with {magic!r} instead of b'GGUF'.", magic=magic.hex())
    reader.position = 4
    version = reader.number(_U32, "the version")
    if version & 0xFFFF == 0 and version:
        raise NotGGUF("The file is a big-endian GGUF; only little-endian ones can be served here.", version=version)
    if version not in (2, 3):
        raise NotGGUF(f"The file is a GGUF of version {version}; versions 2 and 3 can be read.", version=version)
    n_tensors, n_keys = reader.number(_U64, "the tensor count"), reader.number(_U64, "the key count")
    if n_tensors > MAX_TENSORS:
        raise NotGGUF(f"The header claims {n_tensors:,} tensors; the limit is {MAX_TENSORS:,}.")
    if n_keys > MAX_KEYS:
        raise NotGGUF(f"The header claims {n_keys:,} keys; the limit is {MAX_KEYS:,}.")
    return version, n_tensors, n_keys


def _value(reader: HeaderReader, key: str) -> Value:
    kind = reader.number(_U32, f"the type of {key!r}")
    if kind == STRING:
        return reader.text(f"the value of {key!r}")
    if kind in SCALARS:
        value: Value = reader.number(SCALARS[kind], f"the value of {key!r}")
        return value
    if kind != ARRAY:
        raise NotGGUF(f"The value of {key!r} has the unknown type {kind}.", at=reader.position)
    kind, count = reader.number(_U32, f"the array {key!r}"), reader.number(_U64, f"the array {key!r}")
    array = Array(kind, count)
    if kind == STRING:
        strings = reader.strings(count, f"the array {key!r}")
        if key == TOKENS_KEY:
            reader.tokens = strings
        return array
    if kind not in SCALARS:
        known = VALUE_NAMES[kind] if kind < len(VALUE_NAMES) else "unknown"
        raise NotGGUF(f"The array {key!r} holds values of type {kind} ({known}), which arrays cannot.")
    start, size = reader.position, count * SCALARS[kind].size
    reader.need(size, f"the array {key!r} of {count:,} values")
    reader.position += size
    if key == TYPES_KEY:
        reader.token_types = reader.data[start : reader.position]
    if count > KEPT_ELEMENTS:
        return array
    return tuple(value for (value,) in SCALARS[kind].iter_unpack(reader.data[start : reader.position]))


Info = tuple[str, tuple[int, ...], TensorType, int]


def _infos(reader: HeaderReader, count: int) -> list[Info]:
    infos: dict[str, Info] = {}
    for index in range(count):
        raw = reader.raw(f"the name of tensor {index} of {count}")
        name = raw.decode("utf-8", "backslashreplace")
        if len(raw) >= MAX_NAME or name in infos:
            problem = "is in the header twice" if name in infos else f"is longer than {MAX_NAME - 1} bytes"
            raise NotGGUF(f"The name of tensor {index}, {name[:MAX_NAME]!r}, {problem}.", at=reader.position)
        n_dims = reader.number(_U32, f"the dimensions of {name!r}")
        if not 1 <= n_dims <= MAX_DIMS:
            raise NotGGUF(f"The tensor {name!r} has {n_dims} dimensions; it must have 1 to {MAX_DIMS}.")
        dims = tuple(reader.number(_I64, f"the dimensions of {name!r}") for _ in range(n_dims))
        number = reader.number(_U32, f"the type of {name!r}")
        kind = TENSOR_TYPES.get(number)
        if kind is None:
            raise NotGGUF(f"The tensor {name!r} is of the unknown type {number}.", tensor=name)
        if min(dims) < 1:
            raise NotGGUF(f"The tensor {name!r} has the dimensions {dims}: each must be at least 1.", tensor=name)
        if dims[0] % kind.elements:
            raise NotGGUF(f"Rows of {dims[0]:,} elements of {name!r} do not divide into {kind.name}'s blocks.")
        infos[name] = (name, dims, kind, reader.number(_U64, f"the offset of {name!r}"))
    return list(infos.values())


def _extents(infos: list[Info], data_offset: int, alignment: int, file_size: int) -> tuple[TensorInfo, ...]:
    """Place the tensors. Like llama.cpp, accept only a file in which each follows the one before it."""
    tensors, expected = [], 0
    for name, dims, kind, offset in infos:
        elements = 1
        for dim in dims:
            elements *= dim
        size = elements // kind.elements * kind.size
        if offset != expected:
            problem = "overlaps the one before it" if offset < expected else "leaves a gap before it"
            raise NotGGUF(f"The tensor {name!r} begins at {offset:,}, not {expected:,}: it {problem}.", tensor=name)
        start = data_offset + offset
        if start + size > file_size:
            raise NotGGUF(
                f"The tensor {name!r} takes the bytes {start:,} to {start + size:,}, the file has {file_size:,}. "
                "It is truncated or not what it claims to be.",
                tensor=name,
            )
        tensors.append(TensorInfo(name, dims, kind, start, size, elements))
        expected = -(-(offset + size) // alignment) * alignment
    return tuple(tensors)
