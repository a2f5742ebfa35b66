"""Unfinished file, whose blocks arrive in any order."""

import errno
import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from function.errors import CacheUnusable, FunctionError
from function.source import Algorithm, ObjectInfo
from function.system.file_systems import is_in_memory

if TYPE_CHECKING:
    from function.source.native import NativeTarget, Receiver

HASH_BYTES = 1 << 20  # read and hashed at a time
POLL_SECONDS = 0.1  # between two looks at cancellation


class PartialFile:
    """File that grows to ``info.size`` bytes, in blocks of ``block_bytes``, of which the last may be shorter.

    ``checks`` maps finished blocks to their checksums. Any thread may write a block, one thread at a time each. This
    class needs a new, empty file at ``path``. ``convert_error`` returns the destination's error for a failed write.
    """

    def __init__(
        self,
        path: Path,
        info: ObjectInfo,
        algorithm: Algorithm,
        block_bytes: int,
        convert_error: Callable[[OSError], FunctionError],
    ) -> None:
        assert info.size is not None
        self.path, self.size, self.block_bytes, self.algorithm = path, info.size, block_bytes, algorithm
        self.update = algorithm.load()
        self.checks: dict[int, int] = {}
        self.count = -(-info.size // block_bytes)
        self.written_bytes = 0
        self._convert_error = convert_error
        self._target: NativeTarget | None = None
        self._unbroken = 0  # finished blocks up to the first gap
        self._grown = threading.Condition()
        self._writing = threading.Lock()
        try:
            self._prepare()
            self._file = path.open("r+b", buffering=0)
            self._file.truncate(self.size)
            self._in_memory = is_in_memory(self._file.fileno())
        except OSError as e:
            raise convert_error(e) from e

    def resume(self, raise_if_cancelled: Callable[[], None], buffer: memoryview) -> int:
        """Keep the correct blocks of an earlier attempt; return their bytes."""
        return 0

    def extent(self, index: int) -> tuple[int, int]:
        """Return start and end of a block in bytes."""
        return index * self.block_bytes, min((index + 1) * self.block_bytes, self.size)

    def read(self, start: int, buffer: memoryview) -> int:
        """Read bytes back into ``buffer``; return how many, at least one."""
        count = os.preadv(self._file.fileno(), [buffer], start)
        if not count:
            raise CacheUnusable(f"{self.path} was truncated while it was in use.", path=str(self.path))
        return count

    def reserve(self, start: int, end: int) -> None:
        """Allocate these bytes on a disk: writing is then faster, and a full disk is reported at once.

        In memory, allocating pages and writing them at once is faster.
        """
        if self._in_memory:
            return
        try:
            os.posix_fallocate(self._file.fileno(), start, end - start)
        except OSError as e:
            if e.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                raise self._convert_error(e) from e

    def write(self, start: int, data: memoryview) -> None:
        """Write all of ``data``, one thread at a time.

        The kernel serialises writes to a file as well, but its waiting threads spin instead of sleeping.
        """
        try:
            with self._writing:
                self.written_bytes += len(data)
                while len(data):
                    count = os.pwrite(self._file.fileno(), data, start)
                    start, data = start + count, data[count:]
        except OSError as e:
            raise self._convert_error(e) from e

    def open_target(self, receiver: "Receiver") -> "NativeTarget":
        """Return the file as the receiver writes it."""
        if self._target is None:
            algorithm = self.algorithm
            self._target = receiver.open_target(self._file.fileno(), algorithm.width, algorithm.polynomial)
        return self._target

    def count_received(self, count: int, error: OSError | None) -> None:
        """Take note of ``count`` bytes that the receiver has written, and raise its error."""
        with self._writing:
            self.written_bytes += count
        if error is not None:
            raise self._convert_error(error) from error

    def finish(self, index: int, check: int) -> None:
        """Record a block as complete."""
        with self._grown:
            self.checks[index] = check
            while self._unbroken in self.checks:
                self._unbroken += 1
            self._grown.notify_all()

    def await_block(self, index: int, timeout: float) -> bool:
        """Wait up to ``timeout`` seconds for a block; return True if it is complete."""
        with self._grown:
            return self._grown.wait_for(lambda: index in self.checks, timeout)

    @property
    def prefix(self) -> int:
        """Bytes that are complete from the start of the file up to the first gap."""
        return min(self._unbroken * self.block_bytes, self.size)

    @property
    def finished_bytes(self) -> int:
        """Bytes of all complete blocks."""
        return sum(end - start for start, end in map(self.extent, self.checks))

    def missing(self) -> list[int]:
        """Return the blocks that are not complete."""
        return [index for index in range(self.count) if index not in self.checks]

    def combine_checks(self) -> int:
        """Return the checksum of the whole file, from those of its blocks."""
        extents = [(index, *self.extent(index)) for index in range(self.count)]
        return self.algorithm.combine_all((self.checks[index], end - start) for index, start, end in extents)

    def hash_in_background(self) -> "FileHasher":
        """Return a thread, not yet started, for the SHA-256 of the file."""
        return FileHasher(self)

    def discard(self) -> None:
        """Close the file, whose content is useless."""
        self.close()

    def close(self) -> None:
        if self._target is not None:
            self._target.close()
        self._file.close()

    def _prepare(self) -> None:
        """Create the file if needed, with the blocks of an earlier attempt at most. May raise OSError."""


class FileHasher(threading.Thread):
    """Thread that hashes a partial file in order while it fills, from the page cache, up to the first gap."""

    def __init__(self, partial: PartialFile) -> None:
        super().__init__(name="sha256", daemon=True)
        self._partial = partial
        self._digest = hashlib.sha256()
        self._ended = False

    def run(self) -> None:
        buffer = memoryview(bytearray(HASH_BYTES))
        for index in range(self._partial.count):
            while not self._ended and not self._partial.await_block(index, POLL_SECONDS):
                pass
            start, end = self._partial.extent(index)
            while start < end and not self._ended:
                count = self._partial.read(start, buffer[: end - start])
                self._digest.update(buffer[:count])
                start += count

    def hexdigest(self, raise_if_cancelled: Callable[[], None]) -> str:
        """Wait until the whole file is hashed; return its SHA-256."""
        while self.is_alive():
            raise_if_cancelled()
            self.join(POLL_SECONDS)
        return self._digest.hexdigest()

    def close(self) -> None:
        """Stop hashing."""
        self._ended = True
        if self.is_alive():
            self.join()
