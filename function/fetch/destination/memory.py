"""A model's files in memory, with neither folder nor name: for machines whose disk is smaller than the model.

Their paths lead to open files of this process. One that it forks has the same files open under the same numbers, and a
fetch there fills them here. They are gone with the last that has them open or mapped, and nothing is left for another.

Each attempt has files of its own: whoever has mapped what an earlier one filled can tell, and finds nothing in it that
changes but to zeros.
"""

import io
import mmap
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from function.errors import CacheUnusable, DoesNotFit
from function.fetch.destination.base import name_of
from function.fetch.destination.partial_file import PartialFile
from function.source import ObjectInfo
from function.source.checksum import Algorithm
from function.source.split_model import parts
from function.system.limits import memory_limit

FILES = Path("/proc/self/fd")
"""This process's open files by their numbers."""
LONGEST = 200  # bytes of a memory file's name, which is for people who look at a process's mappings; Linux takes 249
MB = 10**6


class Unshared(Exception):
    """A forked process would need new files, which the one that it was forked from could not see."""


class MemoryDestination:
    """Empty files for the model at ``uri``. A Place for each attempt to fetch it, and what holds the files after it.

    Raises CacheUnusable where the system has no such files.
    """

    def __init__(self, uri: str) -> None:
        self.hashed: str | None = None
        self._names = [name_of(part).encode()[:LONGEST].decode(errors="ignore") for part in parts(uri)]
        self._maker = os.getpid()
        self._open: list[io.FileIO] = []
        self._make()

    @property
    def descriptors(self) -> tuple[int, ...]:
        """The numbers under which they are open."""
        return tuple(file.fileno() for file in self._open)

    @property
    def files(self) -> Sequence[Path]:
        return [FILES / str(number) for number in self.descriptors]

    @property
    def lease(self) -> "MemoryDestination":
        return self

    def note(self, sha256: str) -> None:
        self.hashed = sha256

    def present(self, number: int) -> bool:
        return False  # what an attempt has left is not known to be right

    def make_room(self, missing: int) -> None:
        limit = memory_limit()
        if limit is not None and missing > limit:
            raise DoesNotFit(
                f"The model has {missing / MB:.0f} MB, which MODEL_CACHE=memory keeps in memory, and the container has "
                f"{limit / MB:.0f} MB. Give it more memory, or take a smaller quantisation.",
                needed=missing,
                limit=limit,
            )

    def partial(self, number: int, info: ObjectInfo, algorithm: Algorithm, block: int) -> PartialFile:
        """See Place. Raises Unshared for a second attempt in a forked process."""
        self.hashed = None
        if not self._open:
            self._make()
        return PartialFile(self.files[number], info, algorithm, block)

    def share(self) -> None:
        """Nobody else has it."""

    def give_up(self) -> None:
        """The next attempt begins anew, in new files; these give their memory back even where they are mapped."""
        if os.getpid() == self._maker:  # who maps them has been told by then, which a forked process does not know
            for file in self._open:
                _empty(file)
        self.close()

    def close(self) -> None:
        """Let go of the files. What is mapped stays. Idempotent."""
        files, self._open = self._open, []
        for file in files:
            file.close()

    def __del__(self) -> None:
        self.close()

    def _make(self) -> None:
        if os.getpid() != self._maker:
            raise Unshared
        try:
            for name in self._names:
                self._open.append(io.FileIO(os.memfd_create(name), "r+"))
        except (AttributeError, OSError) as e:
            self.close()
            raise CacheUnusable(
                f"MODEL_CACHE=memory: this system keeps no files in memory ({e}). Set MODEL_CACHE=directory."
            ) from e


def _empty(file: io.FileIO) -> None:
    """Let a file be zeros that take no memory. Cut, it would end a process that still reads it."""
    size = os.fstat(file.fileno()).st_size
    if size:
        with suppress(OSError), mmap.mmap(file.fileno(), size) as mapped:
            mapped.madvise(mmap.MADV_REMOVE)
