"""An unfinished file with a name and, beside it, the journal of the blocks that are whole.

A block is journaled with its checksum when its last byte is written. After a crash nothing is believed: every journaled
block is read back and compared first. The page cache outlives a process, so nothing needs to be forced to disk for
that; what a power cut loses, the comparison finds.
"""

import errno
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from function.errors import CacheUnusable, FunctionError, NoSpace
from function.fetch.destination import cache_dir
from function.fetch.destination.partial_file import PartialFile
from function.fetch.destination.verification_record import VerificationRecord
from function.fetch.destination.verify import vouched
from function.source import ObjectInfo
from function.source.checksum import Algorithm
from function.system.trusted_files import opened

PART = ".part"
JOURNAL = ".journal"
READABLE = 0o644  # `fetch --to` gives the file away; nobody else writes it, whatever the umask is


class JournaledFile(PartialFile):
    """Becomes the file ``final`` once it is whole, and ``record`` knows it; up to then it is beside it."""

    def __init__(
        self, final: Path, info: ObjectInfo, algorithm: Algorithm, block: int, record: VerificationRecord
    ) -> None:
        path = part_of(final)
        self._final, self._record = final, record
        self._vouched = vouched(info)
        self._journal_path = path.with_name(path.name + JOURNAL)
        self._header = json.dumps(
            {"uri": info.uri, "version": info.version, "size": info.size, "block": block, "checksum": algorithm.name}
        )
        self._journaled: dict[int, int] = {}
        super().__init__(path, info, algorithm, block)
        try:
            self._journal = self._journal_path.open("w+b", buffering=0)
            self._journal.write(self._header.encode() + b"\n")
        except OSError as e:
            raise self.trouble(e) from e

    def resume(self, stop: Callable[[], None], buffer: memoryview) -> int:
        """Read back what the journal names, keep what is right. See Partial.resume."""
        for index, check in self._journaled.items():
            stop()
            start, end = self.extent(index)
            if self.check(start, end, buffer) == check:
                self.finish(index, check)
        self._journaled = {}
        return sum(end - start for start, end in map(self.extent, self.checks))

    def finish(self, index: int, check: int) -> None:
        super().finish(index, check)
        try:
            self._journal.write(f"{index} {self.algorithm.hex(check)}\n".encode())  # in one piece: lines do not mix
        except OSError as e:
            raise self.trouble(e) from e

    def discard(self) -> None:
        """Close and remove the file and its journal."""
        self.close()
        self.path.unlink(missing_ok=True)
        self._journal_path.unlink(missing_ok=True)

    def promote(self) -> None:
        """The file is whole and verified: give it its name."""
        self.close()
        try:
            self.path.rename(self._final)
            check = None if self._vouched else f"{self.algorithm.name}:{self.algorithm.hex(self.whole())}"
            self._record.add(self._final, check=check)
            self._journal_path.unlink(missing_ok=True)
        except OSError as e:
            raise self.trouble(e) from e

    def close(self) -> None:
        super().close()
        self._journal.close()

    def trouble(self, error: OSError) -> FunctionError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            free = 0
            with suppress(OSError):
                free = cache_dir.free(self.path.parent)
            return NoSpace(
                f"{self.path.parent} ran out of room: the model has {self.size} bytes, {free} are left. "
                + cache_dir.remedy(self.size),
                needed=self.size,
                free=free,
            )
        if error.errno == errno.ENOENT:
            removed = CacheUnusable(
                f"{self.path} was removed while it was being fetched. Ask again.", path=str(self.path)
            )
            removed.permanent = False
            return removed
        return CacheUnusable(
            f"{self.path} cannot be written ({error.strerror}). Point MODEL_CACHE_DIR at a directory of this user.",
            path=str(self.path),
        )

    def _prepare(self) -> None:
        for own in (self.path, self._journal_path):
            os.close(opened(own, os.O_RDWR | os.O_CREAT, READABLE))
        self._journaled = self._read_journal()
        if not self._journaled:  # another takes its name: who has this one mapped would die of its being cut
            self.path.unlink()
            os.close(opened(self.path, os.O_RDWR | os.O_CREAT, READABLE))

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


def part_of(final: Path) -> Path:
    """Where the file ``final`` is while it is unfinished."""
    return final.with_name(final.name + PART)
