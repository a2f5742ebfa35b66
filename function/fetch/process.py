"""A fetch in a process of its own: the imports of a cold start do not slow it, nor it them.

The process is a fork, without an exec: what is imported already is there, and a cold start's fetch begins 0.1 s sooner.
That is safe only while this process has a single thread; whoever has more fetches in a thread (``FetchThread``).

The child tells its progress as JSON lines through a pipe, and ends when the other pipe, to which nobody writes, closes:
with its parent, however that dies. What it leaves behind is an unfinished file: one in a directory any other fetch goes
on with, one in memory is given up for a new one. That, too, is made by the parent alone: of one that the child made it
could not see a byte. So an attempt in memory that must be begun anew ends the child as well.
"""

import fcntl
import json
import logging
import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from function import errors
from function.errors import FetchError, FunctionError, Stopping
from function.fetch import Fetched, MemoryDestination, Progress, fetch
from function.fetch.destination.base import FileLease
from function.fetch.destination.cache_dir import LOCK, CacheLease
from function.fetch.destination.memory import Unshared
from function.fetch.thread import LOOK, FetchThread

log = logging.getLogger(__name__)

TELL = 0.05  # seconds between two words about bytes


class FetchProcess:
    """A fetch in a child process; otherwise as ``FetchThread``, which goes on with it should the child die.

    Raises OSError where no process, or no pipe to it, is to be had.
    """

    def __init__(self, uri: str, cache: Path | MemoryDestination, sha256: str | None, progress: Progress) -> None:
        self._uri, self._cache, self._sha256, self._progress = uri, cache, sha256, progress
        self._told: dict[str, Any] = {}
        self._error: FetchError | None = None
        self._lease: FileLease | None = None
        self._beside: FetchThread | None = None
        self._closed = False
        self._turn = threading.Lock()
        ends: list[int] = []
        try:
            ends += os.pipe()
            ends += os.pipe()
            self._pid = os.fork()  # 0 once it has been waited for: then the number may be another's
        except OSError:
            for end in ends:
                os.close(end)
            raise
        out, told, watched, self._alive = ends
        if not self._pid:
            _child(uri, cache, sha256, told, watched)
        os.close(told)
        os.close(watched)
        self._pipe = os.fdopen(out, "rb")
        self._thread = threading.Thread(target=self._listen, name="fetch", daemon=True)

    @staticmethod
    def possible() -> bool:
        """Whether this process may fork: it has no other thread that could hold a lock."""
        return threading.active_count() == 1

    def listen(self) -> None:
        """Begin to follow the child. It is apart from the construction for those who must fork before they thread."""
        self._thread.start()

    def result(self, cancel: threading.Event) -> Fetched:
        """See Beside.result."""
        while self._thread.is_alive():
            if cancel.is_set():
                self.close()
                raise Stopping(f"{self._uri}: the fetch was told to stop.")
            self._thread.join(LOOK)
        if self._error is not None:
            raise self._error
        if (told := self._told.get("fetched")) is not None:
            return Fetched(
                **told | {"path": Path(told["path"]), "parts": tuple(map(Path, told["parts"]))}, lease=self._lease
            )
        if (error := self._told.get("error")) is not None:
            raise unpacked(error)
        assert self._beside is not None
        return self._beside.result(cancel)

    def close(self) -> None:
        """See Beside.close."""
        with self._turn:
            self._closed = True
            if self._pid:
                with suppress(ProcessLookupError):
                    os.kill(self._pid, signal.SIGKILL)
        if self._thread.ident is None:  # nobody has listened: what the child has left is to be cleared up all the same
            self._listen()
        held = self._beside or self._lease or self._cache
        if not isinstance(held, Path):
            held.close()

    def _listen(self) -> None:
        """Follow the child to its end, and go on with what it leaves unfinished."""
        try:
            try:
                self._follow(self._pipe)
            finally:
                os.close(self._alive)  # the child goes: if it has given the file over, its lock is ours now
                self._reap()
            if not self._told.keys() & {"fetched", "error"}:
                self._go_on()
        except Exception as e:  # who waits must hear of it
            log.exception("the fetch of %s cannot be followed", self._uri)
            self._error = FetchError(
                f"{self._uri}: the process that fetched it cannot be followed ({type(e).__name__}: {e}). "
                "The next request tries again."
            )
        if self._beside is None:
            self._progress.end()

    def _follow(self, pipe: BinaryIO) -> None:
        """Take over what the child says."""
        progress = self._progress
        with pipe:
            for line in pipe:
                try:
                    told = json.loads(line)
                except ValueError:
                    continue  # cut off by its death
                if "total" in told:
                    progress.start(told["total"], told["done"])
                elif "done" in told:
                    progress.add(told["done"] - progress.done)
                if "part" in told:
                    progress.fill(Path(told["part"]) if told["part"] else None, told["prefix"])
                self._told |= told
                if (fetched := told.get("fetched")) is not None:
                    self._lease = _share(Path(fetched["path"]), self._cache)
                    break

    def _reap(self) -> None:
        """Wait for the child's end."""
        with suppress(ChildProcessError):
            os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOWAIT)
        with self._turn:  # its number is its own up to here
            with suppress(ChildProcessError):
                os.waitpid(self._pid, 0)
            self._pid = 0

    def _go_on(self) -> None:
        """The child died. At once, not when the result is asked for: the header may be waited for before that."""
        with self._turn:
            if not self._closed:
                reason = "must begin anew" if "anew" in self._told else "died"
                log.warning("the process that fetched %s %s; going on in this one", self._uri, reason)
                self._progress.fill(None, 0)
                if isinstance(self._cache, MemoryDestination):
                    self._cache.give_up()
                self._beside = FetchThread(self._uri, self._cache, self._sha256, self._progress)


class _Reporter(Progress):
    """Progress that is told to the parent as well."""

    def __init__(self, pipe: int) -> None:
        super().__init__()
        self._pipe = pipe
        self._said = 0.0

    def start(self, total: int | None, done: int = 0) -> None:
        super().start(total, done)
        self.say(total=total, done=done)

    def add(self, count: int) -> None:
        super().add(count)
        now = time.monotonic()
        if now - self._said >= TELL:
            self._said = now
            self.say(done=self.done)

    def fill(self, part: Path | None, prefix: int) -> None:
        super().fill(part, prefix)
        self.say(part=part, prefix=prefix)

    def say(self, **told: object) -> None:
        """One line, in one write: the lines of several threads do not mix."""
        os.write(self._pipe, json.dumps(told, default=str).encode() + b"\n")


def _child(uri: str, cache: Path | MemoryDestination, sha256: str | None, told: int, watched: int) -> None:
    """What the child does. Never returns."""
    status = 1
    try:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        files = cache.descriptors if isinstance(cache, MemoryDestination) else ()
        kept = sorted((0, 1, 2, told, watched, *files))  # the parent's listening sockets are not held open here
        for low, high in zip(kept, [*kept[1:], os.sysconf("SC_OPEN_MAX")], strict=True):
            os.closerange(low + 1, high)
        threading.Thread(target=_watch, args=(watched,), daemon=True).start()
        reporter = _Reporter(told)
        try:
            fetched = fetch(uri, cache=cache, sha256=sha256, progress=reporter)
        except Unshared:
            reporter.say(anew=True)
        except FunctionError as e:
            reporter.say(error=packed(e))
        else:
            kept_back = {"lease", "path", "parts"}
            values = {name: getattr(fetched, name) for name in Fetched.__slots__ if name not in kept_back}
            reporter.say(fetched=values | {"path": str(fetched.path), "parts": [str(part) for part in fetched.parts]})
            threading.Event().wait(60)  # the lock is held until the parent has its own; then _watch ends this
        status = 0
    except BaseException:
        log.exception("the fetch failed")
    finally:
        os._exit(status)


def _watch(pipe: int) -> None:
    """End this process with its parent."""
    os.read(pipe, 1)
    os._exit(0)


def _share(path: Path, cache: Path | MemoryDestination) -> FileLease | None:
    """This process's own hold on a file of the cache, beside the child's; None for a file that is not in it."""
    if isinstance(cache, MemoryDestination):
        return cache
    folder = path.parent
    if folder.parent != cache:
        return None
    lease = CacheLease(folder, os.open(folder / LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW))
    if not lease.lock(fcntl.LOCK_SH):
        lease.close()
        return None
    return lease


def packed(error: FunctionError) -> dict[str, Any]:
    """An error as the child tells it."""
    return {
        "kinds": [kind.__name__ for kind in type(error).__mro__],
        "message": error.message,
        "param": error.param,
        "permanent": error.permanent,
        "evidence": error.evidence,
    }


def unpacked(told: dict[str, Any]) -> FunctionError:
    """The error that the child raised, or the nearest of its kinds that everybody knows."""
    kind = next(getattr(errors, name) for name in told["kinds"] if hasattr(errors, name))
    error: FunctionError = kind(told["message"], param=told["param"], **told["evidence"])
    error.permanent = told["permanent"]
    return error
