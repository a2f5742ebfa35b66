"""Guard against crash loops: the state of the last worker, kept in memory that outlives it.

A process that is killed for lack of memory, or by native code, cannot report anything. So its state is kept in memory
that the master shares with the workers it forks, and the next worker reads it.
"""

import functools
import logging
import mmap
import os
import struct
from typing import get_args

from function.errors import LoadCrashed
from function.lifecycle.status import STARTING_STATES, State
from function.system.limits import memory_limit

log = logging.getLogger(__name__)

MAX_DEATHS = 3
"""Workers that may die in a row while they load the model; the next one does not try."""
_STATES: tuple[State, ...] = get_args(State)
_RECORD = struct.Struct("=iBB")  # the worker's process, its state, the deaths in a row while loading before it


class CrashLoopGuard:
    """Counts deaths in a row. Create it in the process that forks the workers, or in the only process."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _RECORD.size)

    def begin(self, uri: str) -> None:
        """Record that this process loads the model at ``uri``. Raises LoadCrashed if the last MAX_DEATHS all died."""
        process, number, deaths = _RECORD.unpack(self._memory[:])
        state = _STATES[number]
        if process and process != os.getpid() and not _is_alive(process):
            deaths = deaths + 1 if state in STARTING_STATES else 0
            if state in (*STARTING_STATES, "ready"):
                log.error("the last worker died while it was %s", state, extra={"event": "crash", "died": state})
        self._write("starting", deaths)
        if deaths >= MAX_DEATHS:
            memory = memory_limit()
            available = f" (it may use {memory / 1e9:.1f} GB)" if memory else ""
            raise LoadCrashed(
                f"The process died {deaths} times in a row while it was {state}, most likely for lack of memory"
                f"{available}. Give it the memory that `python -m function plan {uri}` prints, or use a smaller model.",
                deaths=deaths,
                memory=memory,
            )

    def enter(self, state: State) -> None:
        """Record that this process has reached ``state``."""
        self._write(state, _RECORD.unpack(self._memory[:])[2] if state in STARTING_STATES else 0)

    def _write(self, state: State, deaths: int) -> None:
        self._memory[:] = _RECORD.pack(os.getpid(), _STATES.index(state), min(deaths, 255))


@functools.cache
def crash_loop_guard() -> CrashLoopGuard:
    """Return the guard that this process shares with the processes it forks."""
    return CrashLoopGuard()


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
