"""Checksums of parts, and the checksum of the whole they make up.

A cyclic redundancy check is the remainder of a polynomial over GF(2). Appending n zero bytes multiplies it by x^8n, so
the check of two pieces laid end to end follows from their checks and the length of the second. That is what lets parts
that arrive in any order be verified against the one value a store keeps for the whole object.
"""

import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache

Update = Callable[[int, memoryview], int]


@lru_cache(maxsize=256)
def _shift(polynomial: int, width: int, length: int) -> int:
    """x^(8 · length) modulo the polynomial; bit-reversed, as all of these checks are (the top bit is x^0)."""
    result = 1 << (width - 1)
    square = 1 << (width - 9)  # x^8
    while length:
        if length & 1:
            result = _multiply(polynomial, width, square, result)
        square = _multiply(polynomial, width, square, square)
        length >>= 1
    return result


def _multiply(polynomial: int, width: int, a: int, b: int) -> int:
    """a · b modulo the polynomial."""
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
    """A cyclic redundancy check. ``load`` imports the fast implementation: (check so far, bytes) → check."""

    name: str
    width: int
    polynomial: int
    load: Callable[[], Update] = field(repr=False)

    def combine(self, first: int, second: int, length: int) -> int:
        """The check of two pieces end to end; ``length`` is the second one's in bytes."""
        return _multiply(self.polynomial, self.width, _shift(self.polynomial, self.width, length), first) ^ second

    def whole(self, parts: Iterable[tuple[int, int]]) -> int:
        """The check of (check, length) pieces laid end to end."""
        result = 0
        for check, length in parts:
            result = self.combine(result, check, length)
        return result

    def hex(self, check: int) -> str:
        """A check as the lower-case hexadecimal digits of its big-endian bytes."""
        return f"{check:0{self.width // 4}x}"


def _crc32() -> Update:
    return lambda check, data: zlib.crc32(data, check)


def _crc32c() -> Update:
    from google_crc32c import extend  # 8 ms to import, where awscrt takes 50 to 90

    return lambda check, data: int(extend(check, bytes(data)))  # it takes no writable buffer


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
