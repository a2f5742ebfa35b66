"""GGUF files as values that a test can change and write."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gguf

FORMS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9


@dataclass
class Key:
    """A metadata entry. ``item`` is the type of an array's values."""

    name: str | bytes
    type: int
    value: Any
    item: int | None = None

    def dump(self) -> bytes:
        head = _string(self.name) + struct.pack("<I", self.type)
        if self.item is None:
            return head + _scalar(self.type, self.value)
        items = b"".join(_scalar(self.item, value) for value in self.value)
        return head + struct.pack("<IQ", self.item, len(self.value)) + items


@dataclass
class Weights:
    """A tensor. With ``offset`` None it is placed after the one before it."""

    name: str | bytes
    dims: list[int]
    type: int
    data: bytes
    offset: int | None = None


@dataclass
class File:
    """A whole file. The counts are the lengths of the lists unless given."""

    keys: list[Key] = field(default_factory=list)
    tensors: list[Weights] = field(default_factory=list)
    version: int = 3
    magic: bytes = b"GGUF"
    n_keys: int | None = None
    n_tensors: int | None = None
    alignment: int = 32

    @classmethod
    def load(cls, path: Path) -> "File":
        """Read an intact file."""
        reader = gguf.GGUFReader(path)
        file = cls()
        for name, entry in reader.fields.items():
            if name.startswith("GGUF."):
                continue
            kind, *rest = (int(kind) for kind in entry.types)
            file.keys.append(Key(name, kind, entry.contents(), rest[0] if kind == ARRAY else None))
        for tensor in reader.tensors:
            dims = [int(dim) for dim in tensor.shape]
            file.tensors.append(Weights(tensor.name, dims, int(tensor.tensor_type), tensor.data.tobytes()))
        return file

    def __getitem__(self, name: str) -> Key:
        return next(key for key in self.keys if key.name == name)

    def set(self, name: str, kind: int, value: Any, item: int | None = None) -> "File":
        """Replace or add a metadata entry."""
        for key in self.keys:
            if key.name == name:
                key.type, key.value, key.item = kind, value, item
                return self
        self.keys.append(Key(name, kind, value, item))
        return self

    def drop(self, name: str) -> "File":
        self.keys = [key for key in self.keys if key.name != name]
        return self

    def tensor(self, name: str) -> Weights:
        return next(tensor for tensor in self.tensors if tensor.name == name)

    def dump(self) -> bytes:
        """Return the bytes of the file."""
        n_tensors = len(self.tensors) if self.n_tensors is None else self.n_tensors
        n_keys = len(self.keys) if self.n_keys is None else self.n_keys
        head = self.magic + struct.pack("<IQQ", self.version, n_tensors, n_keys)
        head += b"".join(key.dump() for key in self.keys)
        place = 0
        for tensor in self.tensors:
            offset = place if tensor.offset is None else tensor.offset
            head += _string(tensor.name) + struct.pack(f"<I{len(tensor.dims)}q", len(tensor.dims), *tensor.dims)
            head += struct.pack("<IQ", tensor.type, offset)
            place += self._padded(len(tensor.data))
        return b"".join([head, bytes(-len(head) % self.alignment), *self._data()])

    def _data(self) -> Iterator[bytes]:
        for tensor in self.tensors:
            yield tensor.data
            yield bytes(self._padded(len(tensor.data)) - len(tensor.data))

    def _padded(self, size: int) -> int:
        return -(-size // self.alignment) * self.alignment


def _string(text: str | bytes) -> bytes:
    raw = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(raw)) + raw


def _scalar(kind: int, value: Any) -> bytes:
    if kind == STRING:
        return _string(value)
    return struct.pack("<" + FORMS[kind], value) if kind in FORMS else bytes(value)
