"""What llama.cpp loads while the weights are still on their way: the model's header in a file of the model's length.

llama.cpp has the kernel make all of a file's pages there when it maps it (MAP_POPULATE). Of a file that is still filling
those are gigabytes of zeros, which the fetch overwrites: for 7 GB up to 20 s of CPU. So it is given this file, which has
the model's length as long as llama.cpp compares it with where the tensors should be, and is cut down to the header
before it is mapped. When the file is whole it is mapped over this one, at the same addresses. Nothing may compute
before: where this file has ended, reading is a SIGBUS.
"""

import ctypes
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from function.errors import EngineError

FILES = Path("/proc/self/fd")
"""Open files by their numbers."""
MAPPINGS = Path("/proc/self/maps")
CUE = "loaded meta data"
"""What llama.cpp's log says between the last look at a file's length and its mapping."""

_MAPPING = re.compile(rb"([0-9a-f]+)-([0-9a-f]+) \S+ ([0-9a-f]+) ([0-9a-f]+):([0-9a-f]+) (\d+)")
_FAILED = ctypes.c_void_p(-1).value


class Unlike(Exception):
    """The file cannot take the stand-in's place, and why; it can be loaded by itself."""


class StandIn:
    """The ``header`` of a model of ``size`` bytes. ``whole`` waits for its file, and may raise.

    ``name`` is for messages.
    """

    def __init__(self, header: bytes, size: int, whole: Callable[[], Path], name: str = "model") -> None:
        self.name = name
        self._length, self._whole = len(header), whole
        self._descriptor = os.memfd_create(name)
        os.pwrite(self._descriptor, header, 0)
        os.truncate(self._descriptor, size)

    @staticmethod
    def possible() -> bool:
        """Whether this system has what it takes: Linux does."""
        return hasattr(os, "memfd_create") and MAPPINGS.exists()

    @property
    def path(self) -> Path:
        """Where llama.cpp finds it."""
        return FILES / str(self._descriptor)

    @property
    def held(self) -> int:
        """Bytes of memory it takes."""
        return os.fstat(self._descriptor).st_blocks * 512

    def cut(self) -> None:
        """Leave the header alone. After llama.cpp has read it, before it maps it."""
        os.truncate(self._descriptor, self._length)

    def complete(self) -> None:
        """Wait for the file and let the model be in it. Raises Unlike, EngineError, and what ``whole`` does."""
        descriptor = os.open(self._whole(), os.O_RDONLY | os.O_CLOEXEC)
        try:
            if os.pread(descriptor, self._length, 0) != os.pread(self._descriptor, self._length, 0):
                raise Unlike("the object was replaced while it was fetched")
            if not (ranges := list(self._ranges())):
                raise Unlike("this system does not tell where the model is mapped")
            for start, length, offset in ranges:
                _map(start, length, descriptor, offset)
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Let go of it; what is mapped stays. Idempotent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _ranges(self) -> Iterator[tuple[int, int, int]]:
        """Where it is mapped: address, length and offset in the file, in bytes."""
        own = os.fstat(self._descriptor)
        for line in MAPPINGS.read_bytes().splitlines():
            if (found := _MAPPING.match(line)) is None:
                continue
            start, end, offset, major, minor = (int(part, 16) for part in found.groups()[:5])
            if (os.makedev(major, minor), int(found[6])) == (own.st_dev, own.st_ino):
                yield start, end - start, offset


def _map(address: int, length: int, descriptor: int, offset: int) -> None:
    """Map a file, shared and read-only, in place of what is at ``address``. All in bytes. Raises EngineError."""
    c = ctypes.CDLL(None, use_errno=True)
    c.mmap.restype = ctypes.c_void_p
    c.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int64]
    read, shared, fixed = 0x1, 0x1, 0x10  # PROT_READ, MAP_SHARED and MAP_FIXED, on every Linux
    if c.mmap(address, length, read, shared | fixed, descriptor, offset) in (None, _FAILED):
        raise EngineError(f"The model's file cannot be mapped: {os.strerror(ctypes.get_errno())}.")
