"""How a forked worker hears at once that its master was told to stop, or is gone.

Under functions-framework nobody else tells it in time: gunicorn's master lets the worker finish its streams, for longer
than a platform waits. And a master that was killed tells nobody anything; its workers would go on for as long as they
have something to say.
"""

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
GRACE = 6.0
"""Seconds from being told until a worker that is still there ends itself: platforms kill after ten."""


class ParentWatch:
    """A pipe of which only the master holds the end that is written to: when that is closed, every worker sees it.

    Made in the process that becomes the master.
    """

    def __init__(self) -> None:
        self._master = os.getpid()
        self._tied = False
        self._seen, self._held = os.pipe()

    def tie(self) -> None:
        """Before a fork: let go when a signal comes that ends the master. Does nothing but in its main thread."""
        main = threading.current_thread() is threading.main_thread()
        if self._tied or not main or os.getpid() != self._master:
            return
        self._tied = True
        for number in SIGNALS:
            self._precede(number)

    def take(self) -> bool:
        """After a fork: whether this is a worker, which the master forked after ``tie``; only the master holds on."""
        if not self._tied or os.getppid() != self._master:
            return False
        os.close(self._held)
        return True

    def watch(self, told: Callable[[], None]) -> None:
        """In a worker: call ``told`` once the master lets go, and see that nothing outlives that by GRACE seconds."""
        threading.Thread(target=self._watch, args=(told,), name="lifeline", daemon=True).start()

    def _watch(self, told: Callable[[], None]) -> None:
        os.read(self._seen, 1)
        told()
        time.sleep(GRACE)
        os._exit(0)

    def _precede(self, number: signal.Signals) -> None:
        then = signal.getsignal(number)

        def handler(received: int, frame: FrameType | None) -> None:
            with suppress(OSError):  # let go before
                os.close(self._held)
            if callable(then):
                then(received, frame)

        signal.signal(number, handler)
