"""What the last worker was doing when it died: a note that outlives it, so that no crash repeats without a word.

A process that is killed for want of memory, or by native code, can say nothing. Its state is kept in memory that the
master shares with the workers it forks; the next one reads it.
"""

import functools
import logging
import mmap
import os
import struct
from typing import get_args

from function.errors import LoadCrashed
from function.lifecycle.status import State
from function.system.limits import memory_limit

log = logging.getLogger(__name__)

LIMIT = 3
"""Workers that may die in a row while they bring the model up; the next one does not try."""
_STATES: tuple[State, ...] = get_args(State)
_COMING = ("starting", "fetching", "loading")
_NOTE = struct.Struct("=iBB")  # the worker's process, its state, how many in a row died before it while loading


class CrashLoopGuard:
    """The note. Made in the process that forks, or in the only one."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _NOTE.size)

    def begin(self, uri: str) -> None:
        """This process begins to bring up the model at ``uri``. Raises LoadCrashed when the last LIMIT died at that."""
        process, number, deaths = _NOTE.unpack(self._memory[:])
        state = _STATES[number]
        if process and process != os.getpid() and not _alive(process):
            deaths = deaths + 1 if state in _COMING else 0
            if state in (*_COMING, "ready"):
                log.error("the last worker died while it was %s", state, extra={"event": "crash", "died": state})
        self._write("starting", deaths)
        if deaths >= LIMIT:
            memory = memory_limit()
            raise LoadCrashed(
                f"The process died {deaths} times in a row while it was {state}, most likely for want of memory"
                + (f"; it may use {memory / 1e9:.1f} GB. " if memory else ". ")
                + f"`python -m function plan {uri}` says what the model needs: give it that, or take a smaller one.",
                deaths=deaths,
                memory=memory,
            )

    def enter(self, state: State) -> None:
        """This process's model is in ``state`` now."""
        self._write(state, _NOTE.unpack(self._memory[:])[2] if state in _COMING else 0)

    def _write(self, state: State, deaths: int) -> None:
        self._memory[:] = _NOTE.pack(os.getpid(), _STATES.index(state), min(deaths, 255))


@functools.cache
def lives() -> CrashLoopGuard:
    """The one note of this process and those it forks."""
    return CrashLoopGuard()


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
