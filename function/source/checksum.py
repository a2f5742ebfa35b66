"""Checksums of pieces, and the checksum of the object that they form.

A cyclic redundancy check is the remainder of a polynomial over GF(2). Appending n zero bytes multiplies it by x^8n, so
the check of two concatenated pieces follows from their checks and the length of the second. Pieces that arrive in any
order can therefore be verified against the one value that a store keeps for the whole object.
"""

import hashlib
import os
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

Update = Callable[[int, memoryview], int]
READ_BYTES = 1 << 20  # read and hashed at a time


@lru_cache(maxsize=256)
def _shift(polynomial: int, width: int, length: int) -> int:
    """Return x^(8 · length) modulo the polynomial, bit-reversed as in all of these checks (the top bit is x^0)."""
    result = 1 << (width - 1)
    square = 1 << (width - 9)  # x^8
    while length:
        if length & 1:
            result = _multiply(polynomial, width, square, result)
        square = _multiply(polynomial, width, square, square)
        length >>= 1
    return result


def _multiply(polynomial: int, width: int, a: int, b: int) -> int:
    """Return a · b modulo the polynomial."""
    product = 0
    bit = 1 << (width - 1)
    while bit:
        if a & bit:
            product ^= b
        b = (b >> 1) ^ polynomial if b & 1 else b >> 1
        bit >>= 1
    return product


@dataclass(frozen=True, slots=True)
class Algorithm:
    """Cyclic redundancy check. ``load_library`` imports the implementation in a package."""

    name: str
    width: int
    polynomial: int
    load_library: Callable[[], Update] = field(repr=False)

    def load(self) -> Update:
        """Return the fastest implementation: (check so far, bytes) → check."""
        from function.source.native import native_receiver  # an import of 5 ms, where awscrt's takes 50 to 90

        receiver = native_receiver()
        return self.load_library() if receiver is None else receiver.update(self.width, self.polynomial)

    def combine(self, first: int, second: int, length: int) -> int:
        """Return the check of two concatenated pieces; ``length`` is that of the second in bytes."""
        return _multiply(self.polynomial, self.width, _shift(self.polynomial, self.width, length), first) ^ second

    def combine_all(self, parts: Iterable[tuple[int, int]]) -> int:
        """Return the check of concatenated pieces, given as (check, length in bytes)."""
        result = 0
        for check, length in parts:
            result = self.combine(result, check, length)
        return result

    def format_hex(self, check: int) -> str:
        """Return a check as the lower-case hexadecimal digits of its big-endian bytes."""
        return f"{check:0{self.width // 4}x}"


def _crc32() -> Update:
    return lambda check, data: zlib.crc32(data, check)


def _crc32c() -> Update:
    from google_crc32c import extend

    return lambda check, data: int(extend(check, bytes(data)))  # extend rejects writable buffers


def _crc64nvme() -> Update:
    from awscrt.checksums import crc64nvme  # type: ignore[import-untyped]  # it ships no types

    return lambda check, data: int(crc64nvme(data, check))


ALGORITHMS = {
    algorithm.name: algorithm
    for algorithm in (
        Algorithm("crc32c", 32, 0x82F63B78, _crc32c),
        Algorithm("crc64nvme", 64, 0x9A6C9329AC4BC9B5, _crc64nvme),
        Algorithm("crc32", 32, 0xEDB88320, _crc32),
    )
}


def choose_algorithm(checksums: Mapping[str, str]) -> Algorithm:
    """Return the algorithm for the blocks of an object: that of the store's checksum, else the cheapest."""
    return next((algorithm for name, algorithm in ALGORITHMS.items() if name in checksums), ALGORITHMS["crc32c"])


def stated_digest(checksums: Mapping[str, str]) -> str | None:
    """Return ``algorithm:hex``, the one of the store's checksums that is verified; None if there is none."""
    name = next((name for name in (*ALGORITHMS, "sha256") if name in checksums), None)
    return None if name is None else f"{name}:{checksums[name]}"


def hash_file(descriptor: int, name: str, raise_if_cancelled: Callable[[], None] = lambda: None) -> str | None:
    """Return ``name:hex`` of an open file, read from its start; None for an unknown algorithm."""
    if name not in ALGORITHMS and name != "sha256":
        return None
    digest, buffer, position = hashlib.sha256(), memoryview(bytearray(READ_BYTES)), 0
    update, value = ALGORITHMS[name].load() if name in ALGORITHMS else None, 0
    while count := os.preadv(descriptor, [buffer], position):
        raise_if_cancelled()
        position += count
        if update is None:
            digest.update(buffer[:count])
        else:
            value = update(value, buffer[:count])
    return f"{name}:{ALGORITHMS[name].format_hex(value) if update else digest.hexdigest()}"


def hash_files(paths: Iterable[Path], raise_if_cancelled: Callable[[], None]) -> str:
    """Return the SHA-256 of concatenated files, in hexadecimal."""
    digest, buffer = hashlib.sha256(), memoryview(bytearray(READ_BYTES))
    for path in paths:
        with path.open("rb", buffering=0) as file:
            while count := file.readinto(buffer):
                raise_if_cancelled()
                digest.update(buffer[:count])
    return digest.hexdigest()
