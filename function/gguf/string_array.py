"""Array of strings in a header, left where it is: a vocabulary has 150,000 of them.

A small C library walks and compares them, where it was compiled; Python does the same in ten times the time.
"""

import ctypes
import functools
import struct
from dataclasses import dataclass
from typing import Any

from function.native.library import load_library

LENGTH = struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class StringArray:
    """``count`` strings in ``data`` from ``start`` on, each after its length. All of them are within ``data``."""

    data: bytes = b""
    start: int = 0
    count: int = 0

    def read(self) -> list[bytes]:
        """Return the strings."""
        data, position, unpack, texts = self.data, self.start, LENGTH.unpack_from, []
        for _ in range(self.count):
            start = position + LENGTH.size
            position = start + unpack(data, position)[0]
            texts.append(data[start:position])
        return texts

    def is_distinct(self) -> bool:
        """Return true if the strings differ from each other and none is empty; false also where that is unknown."""
        library = _library()
        return library is not None and bool(library.vocabulary_is_distinct(self.data, self.start, self.count))


def find_end(data: bytes, position: int, count: int) -> int:
    """Return the place after ``count`` strings from ``position`` on, or after the first of them that is cut."""
    library = _library()
    end = library.vocabulary_skip(data, len(data), position, count) if library else -1
    return end if end >= 0 else walk(data, position, count)


def walk(data: bytes, position: int, count: int) -> int:
    """Return the same as ``find_end``, without the library."""
    unpack = LENGTH.unpack_from
    try:
        for _ in range(count):
            position += LENGTH.size + unpack(data, position)[0]
    except (struct.error, OverflowError):  # the next length lies past the end
        position += LENGTH.size
    return position


@functools.cache
def _library() -> Any | None:
    library = load_library("vocabulary")
    if library is not None:
        numbers = (ctypes.c_uint64,) * 3
        library.vocabulary_skip.argtypes, library.vocabulary_skip.restype = (ctypes.c_char_p, *numbers), ctypes.c_int64
        library.vocabulary_is_distinct.argtypes = (ctypes.c_char_p, ctypes.c_uint64, ctypes.c_uint32)
    return library
