"""Header of a model before its file is on this machine: from the store, or from the fetch that is under way."""

import os
import threading
from pathlib import Path

from function.errors import SourceError, Stopping
from function.fetch import Progress
from function.gguf import Header, Incomplete, parse_header
from function.gguf.header import FIRST_READ
from function.observability.timings import PhaseTimings
from function.source import ObjectInfo, list_parts, open_source

CANCEL_POLL_SECONDS = 0.1
MAX_COMPARED_BYTES = 16 << 20
"""More than the header of a model with a vocabulary of 256k tokens has."""


def await_header(progress: Progress, cancel: threading.Event, timings: PhaseTimings) -> tuple[Header, bytes] | None:
    """Wait until the header has been fetched; return it with the bytes it was read from.

    Returns None if the fetch ends first. Raises ModelError for a file that cannot be served, Stopping once cancelled.
    """
    wanted = 1
    while not cancel.is_set():
        if not progress.await_prefix(wanted, CANCEL_POLL_SECONDS):
            continue
        part, prefix = progress.part, progress.prefix
        if progress.over or part is None:
            return None
        try:
            with part.open("rb", buffering=0) as file:
                size = os.fstat(file.fileno()).st_size
                wanted = max(wanted, min(FIRST_READ, size))
                if prefix < wanted:
                    continue
                data = file.read(wanted)
            if progress.part != part or progress.prefix < prefix:
                continue  # the fetch started over, so the bytes may belong to either attempt
            with timings.measure("header"):
                return parse_header(data, file_size=size), data
        except OSError:  # the file was renamed or removed: the fetch has ended
            return None
        except Incomplete as e:
            wanted = e.needed
    raise Stopping("The instance is shutting down; the model was not loaded.")


def read_remote_header(uri: str) -> tuple[Header, int]:
    """Return the header, and the bytes of all files of the model. Raises SourceError, NotGGUF, ModelError."""
    source = open_source(list_parts(uri)[0])
    info = source.describe()
    others = [open_source(part).describe() for part in list_parts(info.uri)[1:]]  # the store may have chosen the file
    sizes = [_require_size(found) for found in (info, *others)]
    wanted = min(sizes[0], FIRST_READ)
    while True:
        buffer = bytearray(wanted)
        source.read(info, 0, memoryview(buffer))
        try:
            return parse_header(bytes(buffer), file_size=sizes[0]), sum(sizes)
        except Incomplete as e:
            wanted = e.needed


def equals_store(uri: str, path: Path, size: int) -> bool:
    """Return True if the file's first ``size`` bytes, as far as a header can reach, are those in the store.

    Raises SourceError, OSError.
    """
    source = open_source(list_parts(uri)[0])
    info = source.describe()
    with path.open("rb", buffering=0) as file:
        found = file.read(min(size, MAX_COMPARED_BYTES))
    if info.size is not None and info.size < len(found):
        return False
    expected = bytearray(len(found))
    source.read(info, 0, memoryview(expected))
    return expected == found


def _require_size(info: ObjectInfo) -> int:
    if info.size is None:
        raise SourceError(f"{info.uri}: the server does not report the size of the file. Fetch it first.", uri=info.uri)
    return info.size
