"""Partial file: blocks in any order, and the destination's error for each failed write."""

import errno
import hashlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from function.errors import CacheUnusable, NoSpace
from function.fetch.destination.partial_file import PartialFile
from function.source import ALGORITHMS, ObjectInfo

SIZE, BLOCK_BYTES = 10, 4


def convert_error(error: OSError) -> NoSpace:
    return NoSpace(f"error {error.errno}")


def open_partial(path: Path, size: int = SIZE) -> PartialFile:
    info = ObjectInfo("s3://models/m.gguf", size, "1")
    return PartialFile(path, info, ALGORITHMS["crc32c"], BLOCK_BYTES, convert_error)


@pytest.fixture
def partial(tmp_path: Path) -> Iterator[PartialFile]:
    (tmp_path / "part").touch()
    with closing(open_partial(tmp_path / "part")) as partial:
        yield partial


def test_blocks_cover_the_file(partial: PartialFile) -> None:
    assert [partial.extent(index) for index in range(partial.count)] == [(0, 4), (4, 8), (8, 10)]
    assert partial.missing() == [0, 1, 2]


def test_prefix_ends_at_the_first_gap(partial: PartialFile) -> None:
    prefixes = []
    for index in (1, 0, 2):
        partial.finish(index, index)
        prefixes.append((partial.prefix, partial.finished_bytes, partial.missing()))
    assert prefixes == [(0, 4, [0, 2]), (8, 8, [2]), (10, 10, [])]


def test_finished_block_ends_a_wait(partial: PartialFile) -> None:
    assert not partial.await_block(1, 0)
    partial.finish(1, 7)
    assert partial.await_block(1, 60)


def test_written_bytes_are_read_back(partial: PartialFile) -> None:
    partial.reserve(0, SIZE)
    partial.write(4, memoryview(b"456789"))
    partial.write(0, memoryview(b"0123"))
    buffer = bytearray(3)
    assert (partial.read(5, memoryview(buffer)), bytes(buffer)) == (3, b"567")
    assert partial.written_bytes == SIZE
    with pytest.raises(CacheUnusable, match="was truncated"):
        partial.read(SIZE, memoryview(buffer))


def test_failed_write_is_the_destinations_error(partial: PartialFile, tmp_path: Path) -> None:
    partial.count_received(3, None)
    assert partial.written_bytes == 3
    with pytest.raises(NoSpace, match=f"error {errno.ENOSPC}"):
        partial.count_received(2, OSError(errno.ENOSPC, "full"))
    assert partial.written_bytes == 5
    with pytest.raises(NoSpace, match=f"error {errno.EINVAL}"):
        partial.write((1 << 63) - 2, memoryview(b"xx"))
    with pytest.raises(NoSpace, match=f"error {errno.EFBIG}"):
        partial.reserve(0, (1 << 63) - 1)
    with pytest.raises(NoSpace, match=f"error {errno.ENOENT}"):
        open_partial(tmp_path / "missing")


def test_file_is_hashed_while_it_fills(partial: PartialFile) -> None:
    hasher = partial.hash_in_background()
    hasher.start()
    for index, data in ((2, b"89"), (0, b"0123"), (1, b"4567")):
        partial.write(partial.extent(index)[0], memoryview(data))
        partial.finish(index, 0)
    assert hasher.hexdigest(lambda: None) == hashlib.sha256(b"0123456789").hexdigest()
