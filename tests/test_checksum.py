"""Checksums of parts combine into that of the whole."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from function.source import ALGORITHMS


@pytest.mark.parametrize(("name", "check"), [("crc32", 0xCBF43926), ("crc32c", 0xE3069283)])
def test_checksum_has_the_published_check_value(name: str, check: int) -> None:
    assert ALGORITHMS[name].load()(0, memoryview(b"123456789")) == check


def test_crc64nvme_published_check_value() -> None:
    assert ALGORITHMS["crc64nvme"].load()(0, memoryview(b"123456789")) == 0xAE8B14860A799888


@pytest.mark.parametrize("name", ALGORITHMS)
@given(pieces=st.lists(st.binary(max_size=300), max_size=8))
def test_combined_pieces_equal_the_whole(name: str, pieces: list[bytes]) -> None:
    algorithm = ALGORITHMS[name]
    update = algorithm.load()
    whole = update(0, memoryview(b"".join(pieces)))
    assert algorithm.combine_all((update(0, memoryview(piece)), len(piece)) for piece in pieces) == whole


@pytest.mark.parametrize("name", ALGORITHMS)
@given(data=st.binary(max_size=2000), cut=st.integers(0, 2000))
def test_update_continues_a_check(name: str, data: bytes, cut: int) -> None:
    update = ALGORITHMS[name].load()
    first, second = memoryview(data)[:cut], memoryview(bytearray(data))[cut:]
    assert update(update(0, first), second) == update(0, memoryview(data))


def test_combine_handles_a_piece_longer_than_memory() -> None:
    crc32 = ALGORITHMS["crc32"]
    assert crc32.combine(zlib.crc32(b"a"), 0, 1 << 50) == crc32.combine(
        crc32.combine(zlib.crc32(b"a"), 0, 1 << 49), 0, 1 << 49
    )


def test_hex_keeps_leading_zeros() -> None:
    assert ALGORITHMS["crc32"].format_hex(0xAB) == "000000ab"
