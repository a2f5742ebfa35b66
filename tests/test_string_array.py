"""Strings of a header: the C library beside Python, on whole and cut arrays, and on hostile ones."""

import random
import struct

import pytest

from function.gguf.string_array import StringArray, find_end, walk


def stored(*texts: bytes) -> bytes:
    """Return the texts as a header stores them."""
    return b"".join(struct.pack("<Q", len(text)) + text for text in texts)


def is_distinct(*texts: bytes) -> bool:
    return StringArray(b"GGUF" + stored(*texts), 4, len(texts)).is_distinct()


def test_strings_are_read_where_they_are() -> None:
    texts = [b"one", b"", b"three\0and more"]
    array = StringArray(b"before" + stored(*texts) + b"after", 6, 3)
    assert array.read() == texts
    assert find_end(array.data, 6, 3) == len(array.data) - len("after")
    assert StringArray().read() == []


@pytest.mark.parametrize("seed", range(20))
def test_end_is_that_of_python_in_any_bytes(seed: int) -> None:
    numbers = random.Random(seed)
    texts = [numbers.randbytes(numbers.randrange(20)) for _ in range(50)]
    whole = stored(*texts)
    for _ in range(200):
        data = bytearray(whole)
        if numbers.random() < 0.5:
            length = numbers.choice((0, 1, 1 << 31, 1 << 63, (1 << 64) - 1, (1 << 64) - 8, len(data)))
            struct.pack_into("<Q", data, numbers.randrange(len(data) - 8), length)
        cut = bytes(data[: numbers.randrange(len(data) + 1)])
        start, count = numbers.randrange(len(cut) + 1), numbers.randrange(60)
        assert find_end(cut, start, count) == walk(cut, start, count)


def test_end_of_cut_strings_is_a_bound_of_the_bytes_needed() -> None:
    data = stored(b"first", b"second")
    assert find_end(data, 0, 2) == len(data)
    assert find_end(data[:-1], 0, 2) == len(data)
    assert find_end(data[:15], 0, 2) == len(stored(b"first")) + 8
    assert find_end(data, 0, 3) == len(data) + 8


@pytest.mark.parametrize(
    "texts",
    [
        (b"a", b"b", b"a"),
        (b"", b"a"),
        (b"a", b"long" * 9, b"long" * 9),
        (b"12345678", b"12345678"),
        (*(b"%d" % number for number in range(5000)), b"4711"),
    ],
)
def test_equal_or_empty_strings_are_noticed(texts: tuple[bytes, ...]) -> None:
    assert not is_distinct(*texts)


@pytest.mark.parametrize(
    "texts",
    [
        (),
        (b"a",),
        (b"a", b"a\0", b"\0a", b"\0", b"\0\0"),
        tuple(b"x" * length for length in range(1, 300)),
        tuple(struct.pack("<I", number) for number in range(20_000)),
        tuple(number.to_bytes(12, "big") for number in range(20_000)),
    ],
)
def test_distinct_strings_are_seen_to_be(texts: tuple[bytes, ...]) -> None:
    assert is_distinct(*texts)


def test_search_among_strings_of_one_hash_is_given_up() -> None:
    """Each step of the hash can be undone, so an author of a file can choose texts whose places are equal."""
    inverse = pow(0x9E3779B97F4A7C15, -1, 1 << 64)
    texts = []
    for number in range(20_000):
        hashed = number << 40  # the lower bits, which choose the place, are equal
        for _ in range(2):
            hashed = (hashed ^ hashed >> 32) * inverse % (1 << 64)
        texts.append(struct.pack("<Q", hashed ^ 8))
    assert len(set(texts)) == len(texts)
    assert is_distinct(*texts[:100])
    assert not is_distinct(*texts)
