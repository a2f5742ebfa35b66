"""Destination in memory, without folder and name: for machines with a disk smaller than the model.

The paths lead to open files of this process. A forked process has the same files open under the same numbers, so a
fetch there fills them here. They vanish when the last process closes and unmaps them; no other fetch can use them.

Each attempt has files of its own. A process that has mapped the files of an earlier attempt can detect that, and their
content changes to zeros at most.
"""

import errno
import io
import mmap
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from function.errors import CacheUnusable, DoesNotFit, FunctionError
from function.fetch.destination.partial_file import PartialFile
from function.source import Algorithm, ObjectInfo, list_parts, name_file
from function.system.limits import memory_limit

OPEN_FILES = Path("/proc/self/fd")
MAX_NAME_BYTES = 200  # of a memory file, shown in a process's mappings; Linux accepts 249
MB = 10**6


class MemoryDestination:
    """Empty files in memory for the model at ``uri``, and the lease on them.

    Raises CacheUnusable if the system supports no such files.
    """

    def __init__(self, uri: str) -> None:
        self.sha256: str | None = None
        self._names = _shorten(map(name_file, list_parts(uri)))
        self._creator = os.getpid()
        self._files: list[io.FileIO] = []
        self._create_files()

    @property
    def descriptors(self) -> tuple[int, ...]:
        """File descriptors of the files."""
        return tuple(file.fileno() for file in self._files)

    @property
    def files(self) -> Sequence[Path]:
        """Paths of the files, in order."""
        return [OPEN_FILES / str(descriptor) for descriptor in self.descriptors]

    @property
    def lease(self) -> "MemoryDestination":
        return self

    @property
    def is_usable(self) -> bool:
        """False for a second attempt in a forked process: its creator could not see new files."""
        return bool(self._files) or os.getpid() == self._creator

    def rename(self, names: Iterable[str]) -> None:
        """Set the names of the files. If their number differs, new files replace them when they are opened."""
        names = _shorten(names)
        if len(names) != len(self._names):
            self._names = names
            self.close()

    def set_sha256(self, sha256: str) -> None:
        self.sha256 = sha256

    def is_complete(self, number: int) -> bool:
        """Return False: the bytes of an earlier attempt are not verified."""
        return False

    def make_room(self, missing: int) -> None:
        """Check that ``missing`` bytes fit into memory. Raises DoesNotFit."""
        limit = memory_limit()
        if limit is not None and missing > limit:
            raise DoesNotFit(
                f"The model has {missing / MB:.0f} MB, which MODEL_CACHE=memory keeps in memory, but the container has "
                f"{limit / MB:.0f} MB. Give it more memory, or take a smaller quantisation.",
                needed=missing,
                limit=limit,
            )

    def open_partial(self, number: int, info: ObjectInfo, algorithm: Algorithm, block_bytes: int) -> PartialFile:
        """Return file ``number``, to be filled."""
        self.sha256 = None
        if not self._files:
            self._create_files()

        def convert_error(error: OSError) -> FunctionError:
            if error.errno in (errno.ENOSPC, errno.ENOMEM):
                return DoesNotFit(
                    f"The model has {(info.size or 0) / MB:.0f} MB, which is more than the free memory. "
                    "Give the container more memory.",
                    needed=info.size,
                )
            return CacheUnusable(f"The model cannot be kept in memory ({error.strerror}). Set MODEL_CACHE=directory.")

        return PartialFile(self.files[number], info, algorithm, block_bytes, convert_error)

    def promote(self, number: int) -> None:
        """Do nothing: a file in memory has no final name."""

    def share(self) -> None:
        """Do nothing: no other process uses the files."""

    def discard(self) -> None:
        """Do nothing: each attempt has files of its own."""

    def give_up(self) -> None:
        """End a failed attempt. The next one gets new files; these free their memory even where they are mapped."""
        if os.getpid() == self._creator:  # here all users of the mappings know by now; a forked process cannot know
            for file in self._files:
                _zero(file)
        self.close()

    def close(self) -> None:
        """Close the files. Mappings stay. Idempotent."""
        files, self._files = self._files, []
        for file in files:
            file.close()

    def __del__(self) -> None:
        self.close()

    def _create_files(self) -> None:
        try:
            for name in self._names:
                self._files.append(io.FileIO(os.memfd_create(name), "r+"))
        except (AttributeError, OSError) as e:
            self.close()
            raise CacheUnusable(
                f"MODEL_CACHE=memory: this system supports no files in memory ({e}). Set MODEL_CACHE=directory."
            ) from e


def _shorten(names: Iterable[str]) -> list[str]:
    return [name.encode()[:MAX_NAME_BYTES].decode(errors="ignore") for name in names]


def _zero(file: io.FileIO) -> None:
    """Replace a file's content by zeros that take no memory. Truncation would kill a process that still reads it."""
    size = os.fstat(file.fileno()).st_size
    if size:
        with suppress(OSError), mmap.mmap(file.fileno(), size) as mapped:
            mapped.madvise(mmap.MADV_REMOVE)
