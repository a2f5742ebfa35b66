"""Unfinished file with a name, and a journal of its complete blocks.

The journal receives each block's checksum when its last byte is written. After a crash every journaled block is read
back and compared before it is used. The page cache outlives a process, so nothing is forced to disk; the comparison
finds what a power cut has lost.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path

from function.errors import FunctionError
from function.fetch.destination.partial_file import PartialFile
from function.source import Algorithm, ObjectInfo
from function.system.trusted_files import open_trusted

JOURNAL_SUFFIX = ".journal"
FILE_MODE = 0o644  # `fetch --to` publishes the file; only its owner may write it under any umask


class JournaledFile(PartialFile):
    """Partial file on disk, which a later attempt can resume."""

    def __init__(
        self,
        path: Path,
        info: ObjectInfo,
        algorithm: Algorithm,
        block_bytes: int,
        convert_error: Callable[[OSError], FunctionError],
    ) -> None:
        self._journal_path = path.with_name(path.name + JOURNAL_SUFFIX)
        identity = {"uri": info.uri, "version": info.version, "size": info.size}
        self._header = json.dumps(identity | {"block": block_bytes, "checksum": algorithm.name})
        self._journaled: dict[int, int] = {}
        super().__init__(path, info, algorithm, block_bytes, convert_error)
        try:
            self._journal = self._journal_path.open("w+b", buffering=0)
            self._journal.write(self._header.encode() + b"\n")
        except OSError as e:
            raise convert_error(e) from e

    def resume(self, raise_if_cancelled: Callable[[], None], buffer: memoryview) -> int:
        for index, check in self._journaled.items():
            raise_if_cancelled()
            if self._compute_check(*self.extent(index), buffer) == check:
                self.finish(index, check)
        self._journaled = {}
        return self.finished_bytes

    def finish(self, index: int, check: int) -> None:
        super().finish(index, check)
        try:
            # One write for each line, so that the lines of several threads do not mix.
            self._journal.write(f"{index} {self.algorithm.format_hex(check)}\n".encode())
        except OSError as e:
            raise self._convert_error(e) from e

    def discard(self) -> None:
        """Close and remove the file and its journal."""
        self.close()
        self.path.unlink(missing_ok=True)
        self._journal_path.unlink(missing_ok=True)

    def close(self) -> None:
        super().close()
        self._journal.close()

    def _compute_check(self, start: int, end: int, buffer: memoryview) -> int:
        check = 0
        while start < end:
            count = self.read(start, buffer[: end - start])
            check = self.update(check, buffer[:count])
            start += count
        return check

    def _prepare(self) -> None:
        for path in (self.path, self._journal_path):
            os.close(open_trusted(path, os.O_RDWR | os.O_CREAT, FILE_MODE))
        self._journaled = self._read_journal()
        if not self._journaled:  # start with a new file: truncating this one would kill a process that has it mapped
            self.path.unlink()
            os.close(open_trusted(self.path, os.O_RDWR | os.O_CREAT, FILE_MODE))

    def _read_journal(self) -> dict[int, int]:
        """Return the journal's blocks if it belongs to exactly this object; an unfinished last line is ignored."""
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
