"""Pipe that reports a signal to the master, or its death, to every forked worker at once.

functions-framework gives no other timely notice: gunicorn's master lets the worker finish its streams, for longer than
a platform waits. A master that is killed gives no notice at all, and its workers would run until their streams end.
"""

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
GRACE_SECONDS = 6.0
"""Time between the notice and the exit of a worker that is still alive: platforms kill after ten seconds."""


class ParentWatch:
    """Pipe with a write end that only the master holds: every worker sees it close.

    Create it in the process that becomes the master.
    """

    def __init__(self) -> None:
        self._master = os.getpid()
        self._installed = False
        self._read_end, self._write_end = os.pipe()

    def install_handlers(self) -> None:
        """Close the write end on a signal that ends the master. Call before a fork, in its main thread."""
        main = threading.current_thread() is threading.main_thread()
        if self._installed or not main or os.getpid() != self._master:
            return
        self._installed = True
        for number in SIGNALS:
            self._prepend_handler(number)

    def enter_worker(self) -> bool:
        """Close a worker's copy of the write end after a fork; return True in a worker of this master."""
        if not self._installed or os.getppid() != self._master:
            return False
        os.close(self._write_end)
        return True

    def watch(self, on_end: Callable[[], None]) -> None:
        """Call ``on_end`` in a worker once the master closes the pipe, and exit GRACE_SECONDS later at the latest."""
        threading.Thread(target=self._watch, args=(on_end,), name="parent-watch", daemon=True).start()

    def _watch(self, on_end: Callable[[], None]) -> None:
        os.read(self._read_end, 1)
        on_end()
        time.sleep(GRACE_SECONDS)
        os._exit(0)

    def _prepend_handler(self, number: signal.Signals) -> None:
        previous = signal.getsignal(number)

        def handler(received: int, frame: FrameType | None) -> None:
            with suppress(OSError):  # closed before
                os.close(self._write_end)
            if callable(previous):
                previous(received, frame)

        signal.signal(number, handler)
