"""An unfinished file, whose blocks come in any order."""

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path

from function.errors import CacheUnusable, DoesNotFit, FunctionError
from function.source import ObjectInfo
from function.source.checksum import Algorithm

MB = 10**6


class PartialFile:
    """The file that grows to ``info.size`` bytes, in blocks of ``block`` bytes, of which the last may be short.

    ``checks`` maps finished blocks to their checksums. Blocks are written by any thread, each by one at a time.
    This one is in memory, for MODEL_CACHE=memory: the file is new and empty, and it gets no name.
    """

    def __init__(self, path: Path, info: ObjectInfo, algorithm: Algorithm, block: int) -> None:
        assert info.size is not None
        self.path, self.size, self.block, self.algorithm = path, info.size, block, algorithm
        self.update = algorithm.load()
        self.checks: dict[int, int] = {}
        self.count = -(-info.size // block)
        self._unbroken = 0  # blocks that are whole, from the first up to the first gap
        self._grown = threading.Condition()
        self._writing = threading.Lock()
        try:
            self._prepare()
            self._file = path.open("r+b", buffering=0)
            self._file.truncate(self.size)
        except OSError as e:
            raise self.trouble(e) from e

    def resume(self, stop: Callable[[], None], buffer: memoryview) -> int:
        """Keep what an earlier attempt left and is right. Returns the bytes kept; ``stop`` may raise."""
        return 0

    def extent(self, index: int) -> tuple[int, int]:
        """Where a block starts and ends, in bytes."""
        return index * self.block, min((index + 1) * self.block, self.size)

    def check(self, start: int, end: int, buffer: memoryview) -> int:
        """The checksum of what the file holds there."""
        check = 0
        while start < end:
            got = self.read(start, buffer[: end - start])
            check = self.update(check, buffer[:got])
            start += got
        return check

    def read(self, start: int, buffer: memoryview) -> int:
        """Read back into ``buffer``; returns the bytes read, at least one."""
        got = os.preadv(self._file.fileno(), [buffer], start)
        if not got:
            raise CacheUnusable(f"{self.path} was shortened while it was in use.", path=str(self.path))
        return got

    def reserve(self, start: int, end: int) -> None:
        """Have room for these bytes set aside: writing into it is 3 times faster, and a full disk shows at once."""
        try:
            os.posix_fallocate(self._file.fileno(), start, end - start)
        except OSError as e:
            if e.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                raise self.trouble(e) from e

    def write(self, start: int, data: memoryview) -> None:
        """Write all of ``data``. Raises as ``trouble`` says.

        One thread at a time: the kernel lets no more into a file, and whoever waits in there spins instead of sleeping.
        """
        try:
            with self._writing:
                while len(data):
                    count = os.pwrite(self._file.fileno(), data, start)
                    start, data = start + count, data[count:]
        except OSError as e:
            raise self.trouble(e) from e

    def finish(self, index: int, check: int) -> None:
        """A block is whole."""
        with self._grown:
            self.checks[index] = check
            while self._unbroken in self.checks:
                self._unbroken += 1
            self._grown.notify_all()

    def await_block(self, index: int, timeout: float) -> bool:
        """Whether the block is whole, waiting up to ``timeout`` seconds for it."""
        with self._grown:
            return self._grown.wait_for(lambda: index in self.checks, timeout)

    @property
    def prefix(self) -> int:
        """Bytes that are whole from the start of the file up to the first gap."""
        return min(self._unbroken * self.block, self.size)

    def missing(self) -> list[int]:
        return [index for index in range(self.count) if index not in self.checks]

    def whole(self) -> int:
        """The checksum of the whole file, from those of its blocks."""
        extents = [(index, *self.extent(index)) for index in range(self.count)]
        return self.algorithm.whole((self.checks[index], end - start) for index, start, end in extents)

    def discard(self) -> None:
        """Close it; nothing in it is worth keeping."""
        self.close()

    def promote(self) -> None:
        """Close it; it is whole and verified."""
        self.close()

    def close(self) -> None:
        self._file.close()

    def trouble(self, error: OSError) -> FunctionError:
        """The error for a file that cannot be written."""
        if error.errno in (errno.ENOSPC, errno.ENOMEM):
            return DoesNotFit(
                f"The model has {self.size / MB:.0f} MB, and there is not as much memory to keep it in. "
                "Give the container more memory.",
                needed=self.size,
            )
        return CacheUnusable(f"The model cannot be kept in memory ({error.strerror}). Set MODEL_CACHE=directory.")

    def _prepare(self) -> None:
        """See that the file is there, and empty but for what may be worth keeping. May raise OSError."""
