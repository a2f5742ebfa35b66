"""An unfinished file and, beside it, the journal of the blocks that are whole.

A block is journaled with its checksum when its last byte is written. After a crash nothing is believed: every journaled
block is read back and compared first. The page cache outlives a process, so nothing needs to be forced to disk for
that; what a power cut loses, the comparison finds.
"""

import errno
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

from function.checksum import Algorithm
from function.errors import CacheUnusable, FetchError, NoSpace
from function.source import ObjectInfo


class Partial:
    """The file that grows to ``info.size`` bytes, in blocks of ``block`` bytes, of which the last may be short.

    ``checks`` maps finished blocks to their checksums. Blocks are written by any thread, each by one at a time.
    """

    def __init__(self, path: Path, info: ObjectInfo, algorithm: Algorithm, block: int) -> None:
        assert info.size is not None
        self.path, self.size, self.block, self.algorithm = path, info.size, block, algorithm
        self.update = algorithm.load()
        self.checks: dict[int, int] = {}
        self.count = -(-info.size // block)
        self._unbroken = 0  # blocks that are whole, from the first up to the first gap
        self._journal_path = path.with_name(path.name + ".journal")
        self._header = json.dumps(
            {"uri": info.uri, "version": info.version, "size": info.size, "block": block, "checksum": algorithm.name}
        )
        self._grown = threading.Condition()
        self._writing = threading.Lock()
        try:
            self._file = path.open("r+b" if path.exists() else "w+b", buffering=0)
            journaled = self._read_journal()
            if not journaled:
                self._file.truncate(0)
            self._file.truncate(self.size)
            self._journal = self._journal_path.open("w+b", buffering=0)
            self._journal.write(self._header.encode() + b"\n")
        except OSError as e:
            raise self.trouble(e) from e
        self._journaled = journaled

    def resume(self, stop: Callable[[], None], buffer: memoryview) -> int:
        """Read back what the journal names, keep what is right. Returns the bytes kept; ``stop`` may raise."""
        for index, check in self._journaled.items():
            stop()
            start, end = self.extent(index)
            if self.check(start, end, buffer) == check:
                self.finish(index, check)
        self._journaled = {}
        return sum(end - start for start, end in map(self.extent, self.checks))

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
        """Write all of ``data``. Raises NoSpace.

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
        line = f"{index} {self.algorithm.hex(check)}\n".encode()
        with self._grown:
            self.checks[index] = check
            while self._unbroken in self.checks:
                self._unbroken += 1
            self._grown.notify_all()
            try:
                self._journal.write(line)
            except OSError as e:
                raise self.trouble(e) from e

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
        """Close and remove the file and its journal."""
        self.close()
        self.path.unlink(missing_ok=True)
        self._journal_path.unlink(missing_ok=True)

    def promote(self, final: Path) -> None:
        """The file is whole and verified: give it its name."""
        self.close()
        try:
            self.path.rename(final)
            self._journal_path.unlink(missing_ok=True)
        except OSError as e:
            raise self.trouble(e) from e

    def close(self) -> None:
        self._file.close()
        self._journal.close()

    def trouble(self, error: OSError) -> FetchError:
        """The error for a file that cannot be written."""
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            free = 0
            try:
                found = os.statvfs(self.path.parent)
                free = found.f_bavail * found.f_frsize
            except OSError:
                pass
            return NoSpace(
                f"{self.path.parent} ran out of room: the model has {self.size} bytes, {free} are left. "
                "Give the directory more room or point MODEL_CACHE_DIR elsewhere.",
                needed=self.size,
                free=free,
            )
        return CacheUnusable(
            f"{self.path} cannot be written ({error.strerror}). Point MODEL_CACHE_DIR at a directory of this user.",
            path=str(self.path),
        )

    def _read_journal(self) -> dict[int, int]:
        """The journal's blocks, if it is of this very object; an unfinished last line counts for nothing."""
        try:
            lines = self._journal_path.read_text("ascii").split("\n")
        except (FileNotFoundError, UnicodeDecodeError):
            return {}
        if lines[0] != self._header:
            return {}
        found = {}
        for line in lines[1:-1]:
            index, _, check = line.partition(" ")
            if index.isdecimal() and int(index) < self.count and len(check) == self.algorithm.width // 4:
                try:
                    found[int(index)] = int(check, 16)
                except ValueError:
                    continue
        return found
