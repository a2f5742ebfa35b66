"""Placeholder of a model file that is still being downloaded: its header, in a file of its length.

When llama.cpp maps a file, the kernel creates all of its pages (MAP_POPULATE). For a file that is still being filled
those are gigabytes of zeros, which the download overwrites: up to 20 s of CPU for 7 GB. So llama.cpp gets this file. It
has the model's length while llama.cpp compares that with the tensors' offsets, and is truncated to the header before
llama.cpp maps it. Later the model's own file is mapped over it, at the same addresses. Nothing may compute before that:
a read behind the end of a truncated file is a SIGBUS.
"""

import ctypes
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from function.errors import EngineError, Stopping

DESCRIPTORS = Path("/proc/self/fd")
MAPPINGS = Path("/proc/self/maps")
HEADER_READ_LINE = "loaded meta data"
"""Part of the line that llama.cpp logs after its last look at the file's length and before the mapping."""
POLL_SECONDS = 0.1

_MAPPING = re.compile(rb"([0-9a-f]+)-([0-9a-f]+) \S+ ([0-9a-f]+) ([0-9a-f]+):([0-9a-f]+) (\d+)")
_MAP_FAILED = ctypes.c_void_p(-1).value
_REPLACED = "the model's file was replaced during the download"


class HeaderMismatch(Exception):
    """A file cannot replace its placeholder, for the given reason; load it without one."""


class GrowingFile(Protocol):
    """A file that a download fills from its beginning."""

    part: Path | None
    prefix: int
    over: bool

    def await_prefix(self, wanted: int, timeout: float) -> bool:
        """Wait up to ``timeout`` seconds; return true once ``wanted`` bytes are there or the download has ended."""


class PlaceholderFile:
    """The ``header`` of a model of ``size`` bytes. ``wait_for_file`` returns the complete file, or raises.

    ``download``: the partial file, if it may be read. ``tensor_ends``: offset of each tensor's end in the file, in
    bytes. ``name`` is for messages. Raises HeaderMismatch where the system cannot create such a file.
    """

    def __init__(
        self,
        header: bytes,
        size: int,
        wait_for_file: Callable[[], Path],
        download: GrowingFile | None = None,
        tensor_ends: Mapping[str, int] | None = None,
        name: str = "model",
    ) -> None:
        self.name = name
        self._size, self._download, self._wait_for_file = size, download, wait_for_file
        self._tensor_ends = tensor_ends or {}
        self._copied = False
        self._header_bytes = len(header)
        self._mappings: list[tuple[int, int, int]] = []
        self._mapped_file: os.stat_result | None = None
        self._descriptor = -1
        try:
            self._descriptor = os.memfd_create(name)
            os.pwrite(self._descriptor, header, 0)
            os.truncate(self._descriptor, size)
        except (OSError, ValueError) as e:  # no memfd here, or not under this name
            self.close()
            raise HeaderMismatch(f"no placeholder file can be created ({e})") from e

    @staticmethod
    def is_supported() -> bool:
        """Return true on a system with memory files and a list of mappings, as Linux has."""
        return hasattr(os, "memfd_create") and MAPPINGS.exists()

    @property
    def path(self) -> Path:
        """Path of the placeholder, for llama.cpp."""
        return DESCRIPTORS / str(self._descriptor)

    @property
    def memory_bytes(self) -> int:
        """Memory that the placeholder takes."""
        return os.fstat(self._descriptor).st_blocks * 512

    def on_log_line(self, line: str) -> None:
        """Truncate the placeholder to the header once llama.cpp has read it, and before it maps the file."""
        if HEADER_READ_LINE in line:
            os.truncate(self._descriptor, self._header_bytes)

    def map_partial_file(self) -> bool:
        """Map the file that is being downloaded over the placeholder; return false if there is none."""
        part = self._download.part if self._download else None
        try:
            if part is not None:
                with self._open_matching(part) as descriptor:
                    self._map_over(descriptor)
        except (OSError, HeaderMismatch):  # complete by now, or restarted
            return False
        return part is not None

    def wait_for_bytes(self, count: int, should_stop: Callable[[], bool]) -> bool:
        """Wait until the first ``count`` bytes are mapped; return false if they will not be, or ``should_stop()``."""
        download = self._download
        assert download is not None
        while not should_stop():
            arrived = download.await_prefix(count, POLL_SECONDS)
            if self._download_restarted():
                return False
            if arrived:
                return download.prefix >= count
        return False

    def wait_for_tensor(self, tensor: str, should_stop: Callable[[], bool]) -> None:
        """Wait until ``tensor`` can be copied. From the first call on no other file can replace the placeholder.

        Raises Stopping when ``should_stop()``, HeaderMismatch when the download was restarted, and as
        ``map_complete_file`` does.
        """
        if self._mapped_file is None and not self.map_partial_file():
            self.map_complete_file()
        self._copied = True
        end = self._tensor_ends.get(tensor, self._size)
        if not (self._download and self.wait_for_bytes(end, should_stop)):
            if should_stop():
                raise Stopping("The instance is shutting down; the model was not loaded.")
            if self._download_restarted():
                raise HeaderMismatch(_REPLACED)
            self.map_complete_file()

    def map_zeros(self) -> None:
        """Map zeros over the placeholder, so that a thread which still reads it does not end the process."""
        for start, length, _ in self._mappings or self._own_mappings():
            _map(start, length, -1, 0)

    def map_complete_file(self) -> None:
        """Wait for the complete file and map it over the placeholder.

        Raises HeaderMismatch for another file than the placeholder's or, once weights were copied, than the mapped one;
        EngineError when mmap fails; and the errors of the download.
        """
        with self._open_matching(self._wait_for_file()) as descriptor:
            if self._mapped_file is not None and os.path.samestat(self._mapped_file, os.fstat(descriptor)):
                return
            if self._copied:
                raise HeaderMismatch(_REPLACED)
            self._map_over(descriptor)

    def close(self) -> None:
        """Close the placeholder; mappings stay. Idempotent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __del__(self) -> None:
        self.close()

    def _download_restarted(self) -> bool:
        """Return true if the download now fills another file than the mapped one, which stays as it is."""
        part = self._download.part if self._download else None
        try:
            mapped = self._mapped_file
            return part is not None and mapped is not None and not os.path.samestat(part.stat(), mapped)
        except OSError:  # complete and renamed, or given up: ``map_complete_file`` finds out
            return False

    @contextmanager
    def _open_matching(self, path: Path) -> Iterator[int]:
        """Yield the file's descriptor if it has the placeholder's length and header. Raises HeaderMismatch, OSError."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            header, own = (os.pread(each, self._header_bytes, 0) for each in (descriptor, self._descriptor))
            if os.fstat(descriptor).st_size != self._size or header != own:
                raise HeaderMismatch(_REPLACED)
            yield descriptor
        finally:
            os.close(descriptor)

    def _map_over(self, descriptor: int) -> None:
        """Map the file over the current mappings. Raises HeaderMismatch, EngineError."""
        self._mappings = self._mappings or list(self._own_mappings())
        if not self._mappings:
            raise HeaderMismatch("this system does not list where the model is mapped")
        for start, length, offset in self._mappings:
            _map(start, length, descriptor, offset)
        self._mapped_file = os.fstat(descriptor)

    def _own_mappings(self) -> Iterator[tuple[int, int, int]]:
        """Yield address, length and file offset, in bytes, of each mapping of the placeholder."""
        own = os.fstat(self._descriptor)
        for line in MAPPINGS.read_bytes().splitlines():
            if (found := _MAPPING.match(line)) is None:
                continue
            start, end, offset, major, minor = (int(part, 16) for part in found.groups()[:5])
            if (os.makedev(major, minor), int(found[6])) == (own.st_dev, own.st_ino):
                yield start, end - start, offset


def _map(address: int, length: int, descriptor: int, offset: int) -> None:
    """Map a file, shared and read-only, over ``address``. All in bytes. Raises EngineError.

    A ``descriptor`` of -1 maps zeros.
    """
    c = ctypes.CDLL(None, use_errno=True)
    c.mmap.restype = ctypes.c_void_p
    c.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int64]
    # PROT_READ, MAP_SHARED, MAP_PRIVATE, MAP_FIXED and MAP_ANONYMOUS, on every Linux
    read, shared, private, fixed, anonymous = 0x1, 0x1, 0x2, 0x10, 0x20
    flags = fixed | (private | anonymous if descriptor < 0 else shared)
    if c.mmap(address, length, read, flags, descriptor, offset) in (None, _MAP_FAILED):
        raise EngineError(f"The model's file cannot be mapped: {os.strerror(ctypes.get_errno())}.")
