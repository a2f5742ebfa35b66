"""Ends the process when a call into C does not come back, which holds the interpreter's lock meanwhile.

No other thread gets to act then, neither the server's nor what stops it: the instance would hang for as long as the
platform keeps it. A worker that ends is replaced like any that dies.
"""

import faulthandler
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_inside = 0


@contextmanager
def watchdog(seconds: float) -> Iterator[None]:
    """End the process, with each thread's stack on standard error, if nobody enters or leaves for ``seconds``.

    For what is known to look at the clock more often than that, from any number of threads.
    """
    global _inside
    with _lock:
        _inside += 1
        _arm(seconds)
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside:
                _arm(seconds)
            else:
                faulthandler.cancel_dump_traceback_later()


def _arm(seconds: float) -> None:
    """Begin to count anew. Its thread is C's, and needs no lock of the interpreter's."""
    try:
        faulthandler.dump_traceback_later(seconds, exit=True, file=sys.__stderr__ or 2)
    except (RuntimeError, ValueError, OSError):  # no thread to spare, or no standard error: unwatched, then
        faulthandler.cancel_dump_traceback_later()
