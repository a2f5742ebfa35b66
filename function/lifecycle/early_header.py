"""Header of a model file that is still being fetched."""

import os
import threading

from function.errors import Stopping
from function.fetch import Progress
from function.gguf import Header, Incomplete, parse_header
from function.gguf.header import FIRST_READ
from function.observability.timings import PhaseTimings

CANCEL_POLL_SECONDS = 0.1


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
