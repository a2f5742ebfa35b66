"""What llama.cpp loads while the weights are still on their way: the model's header in a file of the model's length.

llama.cpp has the kernel make all of a file's pages there when it maps it (MAP_POPULATE). Of a file that still fills
those are gigabytes of zeros, which the fetch overwrites: for 7 GB up to 20 s of CPU. So it is given this file, which
has the model's length as long as llama.cpp compares it with where the tensors should be, and is cut down to the header
before it is mapped. Later the model's own file is mapped over it, at the same addresses. Nothing may compute before:
where this file has ended, reading is a SIGBUS.
"""

import ctypes
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from function.errors import EngineError, Stopping

FILES = Path("/proc/self/fd")
"""Open files by their numbers."""
MAPPINGS = Path("/proc/self/maps")
CUE = "loaded meta data"
"""What llama.cpp's log says between the last look at a file's length and its mapping."""

LOOK = 0.1  # seconds between two looks at whether to stop

_MAPPING = re.compile(rb"([0-9a-f]+)-([0-9a-f]+) \S+ ([0-9a-f]+) ([0-9a-f]+):([0-9a-f]+) (\d+)")
_FAILED = ctypes.c_void_p(-1).value
_REPLACED = "the model's file was replaced while it was filled"


class HeaderMismatch(Exception):
    """The file cannot take the stand-in's place, and why; it can be loaded by itself."""


class ArrivingFile(Protocol):
    """A file that grows from its beginning, as a fetch tells of it."""

    part: Path | None
    prefix: int
    over: bool

    def await_prefix(self, wanted: int, timeout: float) -> bool:
        """Whether ``wanted`` bytes are there or nothing more comes, waiting up to ``timeout`` seconds."""


class PlaceholderFile:
    """The ``header`` of a model of ``size`` bytes. ``whole`` waits for its file, and may raise.

    ``filling`` is that file before it is whole, if one may look; ``ends`` is where in it each tensor ends, in bytes,
    for who waits for one; ``name`` is for messages. Raises Unlike where the system makes no such file.
    """

    def __init__(
        self,
        header: bytes,
        size: int,
        whole: Callable[[], Path],
        filling: ArrivingFile | None = None,
        ends: Mapping[str, int] | None = None,
        name: str = "model",
    ) -> None:
        self.name, self.size, self.filling = name, size, filling
        self._ends = ends or {}
        self._copied = False
        self._length, self._whole = len(header), whole
        self._places: list[tuple[int, int, int]] = []
        self._file: os.stat_result | None = None
        self._descriptor = -1
        try:
            self._descriptor = os.memfd_create(name)
            os.pwrite(self._descriptor, header, 0)
            os.truncate(self._descriptor, size)
        except (OSError, ValueError) as e:  # also where the system is not known to refuse it, or not this name
            self.close()
            raise HeaderMismatch(f"nothing can stand in for the model ({e})") from e

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

    def hear(self, line: str) -> None:
        """A line of llama.cpp's log: once it has read the header, and before it maps the file, that alone is left."""
        if CUE in line:
            os.truncate(self._descriptor, self._length)

    def begin(self) -> bool:
        """Let the model be in the file that fills, as far as that is there; False where none is to be had."""
        part = self.filling.part if self.filling else None
        try:
            if part is not None:
                with self._like(part) as descriptor:
                    self._replace(descriptor)
        except (OSError, HeaderMismatch):  # whole by now, or begun anew
            return False
        return part is not None

    def await_bytes(self, count: int, stop: Callable[[], bool]) -> bool:
        """Wait until the first ``count`` bytes are in the model; False if they never will be, or ``stop`` says so."""
        filling = self.filling
        assert filling is not None
        while not stop():
            there = filling.await_prefix(count, LOOK)
            if self._left_behind():
                return False
            if there:
                return filling.prefix >= count
        return False

    def provide(self, tensor: str, stop: Callable[[], bool]) -> None:
        """Have the bytes of ``tensor`` in the model, to be copied. From then on no other file can take its place.

        Raises Stopping when ``stop`` says so, Unlike at once where it is begun anew, and as ``complete``.
        """
        if self._file is None and not self.begin():
            self.complete()
        self._copied = True
        if not (self.filling and self.await_bytes(self._ends.get(tensor, self.size), stop)):
            if stop():
                raise Stopping("The instance is shutting down; the model was not loaded.")
            if self._left_behind():
                raise HeaderMismatch(_REPLACED)
            self.complete()

    def blank(self) -> None:
        """Let the model be zeros, so that nothing which still reads it ends the process."""
        for start, length, _ in self._places or self._ranges():
            _map(start, length, -1, 0)

    def complete(self) -> None:
        """Wait for the file and map it in place of the placeholder.

        Raises Unlike, EngineError, and what ``whole`` does.
        """
        with self._like(self._whole()) as descriptor:
            if self._file is not None and os.path.samestat(self._file, os.fstat(descriptor)):
                return
            if self._copied:
                raise HeaderMismatch(_REPLACED)
            self._replace(descriptor)

    def _left_behind(self) -> bool:
        """Whether another file is being filled than the one that is mapped: of that, no more comes."""
        part = self.filling.part if self.filling else None
        try:
            return part is not None and self._file is not None and not os.path.samestat(part.stat(), self._file)
        except OSError:  # whole and renamed, or given up: ``complete`` will tell
            return False

    @contextmanager
    def _like(self, path: Path) -> Iterator[int]:
        """The file, open, if it has the model's length and header. Raises Unlike, OSError."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            header = os.pread(descriptor, self._length, 0)
            if os.fstat(descriptor).st_size != self.size or header != os.pread(self._descriptor, self._length, 0):
                raise HeaderMismatch(_REPLACED)
            yield descriptor
        finally:
            os.close(descriptor)

    def _replace(self, descriptor: int) -> None:
        """Map the file over what is mapped. Raises Unlike, EngineError."""
        self._places = self._places or list(self._ranges())
        if not self._places:
            raise HeaderMismatch("this system does not tell where the model is mapped")
        for start, length, offset in self._places:
            _map(start, length, descriptor, offset)
        self._file = os.fstat(descriptor)

    def close(self) -> None:
        """Let go of it; what is mapped stays. Idempotent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __del__(self) -> None:
        self.close()

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
    """Map a file, shared and read-only, in place of what is at ``address``. All in bytes. Raises EngineError.

    A ``descriptor`` of -1 maps zeros.
    """
    c = ctypes.CDLL(None, use_errno=True)
    c.mmap.restype = ctypes.c_void_p
    c.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int64]
    # PROT_READ, MAP_SHARED, MAP_PRIVATE, MAP_FIXED and MAP_ANONYMOUS, on every Linux
    read, shared, private, fixed, anonymous = 0x1, 0x1, 0x2, 0x10, 0x20
    flags = fixed | (private | anonymous if descriptor < 0 else shared)
    if c.mmap(address, length, read, flags, descriptor, offset) in (None, _FAILED):
        raise EngineError(f"The model's file cannot be mapped: {os.strerror(ctypes.get_errno())}.")
