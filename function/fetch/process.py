"""Fetch in the background: in a child process, or in a thread.

In a child process, the fetch and the imports of a cold start do not slow each other.

The child is a fork without an exec: it has all imports at once, and a cold start's fetch begins 0.1 s sooner. A fork is
safe only while this process has a single thread; ``start_fetch`` uses a thread otherwise.

The child reports its progress as JSON lines through a pipe. It ends when a second pipe, to which nothing is written,
closes with its parent. It leaves an unfinished file: any other fetch resumes one in a directory, while one in memory is
replaced. Only the parent can create files in memory, because it cannot see those of the child. A fetch into memory that
must restart therefore ends the child as well.
"""

import json
import logging
import os
import signal
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from function import errors
from function.errors import FetchError, FunctionError, Stopping
from function.fetch.job import FetchJob, UnsharedMemory
from function.fetch.result import Fetched

log = logging.getLogger(__name__)

POLL_SECONDS = 0.1  # between two looks at cancellation
REPORT_SECONDS = 0.05  # between two reports of the byte count
HANDOVER_SECONDS = 60  # until the parent holds the files


class FetchThread:
    """Fetch in a thread of this process."""

    def __init__(self, job: FetchJob) -> None:
        self._cancel = threading.Event()
        self._job = replace(job, cancel=self._cancel)
        self._fetched: Fetched | None = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="fetch", daemon=True)
        self._thread.start()

    def follow(self) -> None:
        """Do nothing: the thread updates the job's progress itself."""

    def result(self, cancel: threading.Event) -> Fetched:
        """Wait for the fetched model. Raises the errors of ``fetch``; Stopping once ``cancel`` is set."""
        while self._thread.is_alive():
            if cancel.is_set():
                self.close()
            self._thread.join(POLL_SECONDS)
        if self._error is not None:
            raise self._error
        assert self._fetched is not None
        return self._fetched

    def close(self) -> None:
        """End the fetch, or release its files if it is over. Idempotent; returns at once."""
        self._cancel.set()
        if self._fetched is not None:
            self._fetched.close()

    def _run(self) -> None:
        try:
            self._fetched = self._job.run()
            if self._cancel.is_set():
                self._fetched.close()
        except Exception as e:  # raised by result
            self._error = e
        finally:
            self._job.progress.end()


class FetchProcess:
    """Fetch in a child process, continued in a thread if the child dies; used like ``FetchThread``.

    Raises OSError if no process or no pipe can be created.
    """

    def __init__(self, job: FetchJob) -> None:
        self._job = job
        self._reports: dict[str, Any] = {}
        self._error: FunctionError | None = None
        self._fetched: Fetched | None = None
        self._fallback: FetchThread | None = None
        self._closed = False
        self._lock = threading.Lock()
        ends: list[int] = []
        try:
            ends += os.pipe()
            ends += os.pipe()
            self._pid = os.fork()  # 0 once it was waited for: the number may then belong to another process
        except OSError:
            for end in ends:
                os.close(end)
            raise
        report_pipe, report_end, parent_pipe, self._parent_end = ends
        if not self._pid:
            _run_child(job, report_end, parent_pipe)
        os.close(report_end)
        os.close(parent_pipe)
        self._pipe = os.fdopen(report_pipe, "rb")
        self._thread = threading.Thread(target=self._follow, name="fetch", daemon=True)

    def follow(self) -> None:
        """Follow the child, in a thread. Separate from the constructor for callers that fork before they thread."""
        self._thread.start()

    def result(self, cancel: threading.Event) -> Fetched:
        while self._thread.is_alive():
            if cancel.is_set():
                self.close()
                raise Stopping(f"{self._job.uri}: the fetch was cancelled.")
            self._thread.join(POLL_SECONDS)
        if self._error is not None:
            raise self._error
        if self._fetched is not None:
            return self._fetched
        assert self._fallback is not None
        return self._fallback.result(cancel)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            if self._pid:
                with suppress(ProcessLookupError):
                    os.kill(self._pid, signal.SIGKILL)
        if self._thread.ident is None:  # never followed: the child must be reaped all the same
            self._follow()
        held = self._fallback or self._fetched or self._job.cache
        if not isinstance(held, Path):
            held.close()

    def _follow(self) -> None:
        """Follow the child to its end, and continue the fetch that it leaves unfinished."""
        try:
            try:
                self._read_reports(self._pipe)
            finally:
                os.close(self._parent_end)  # ends the child: this process has its own lock on the files
                self._reap()
            if self._fetched is None and self._error is None:
                self._continue()
        except Exception as e:  # result raises it
            log.exception("the fetch of %s cannot be followed", self._job.uri)
            self._error = FetchError(
                f"{self._job.uri}: the process of the fetch cannot be followed ({type(e).__name__}: {e}). "
                "The next request tries again."
            )
        if self._fallback is None:
            self._job.progress.end()

    def _read_reports(self, pipe: BinaryIO) -> None:
        """Apply the child's reports to this process's progress, up to its result."""
        progress = self._job.progress
        with pipe:
            for line in pipe:
                try:
                    report = json.loads(line)
                except ValueError:
                    continue  # cut off by the child's death
                if "total" in report:
                    progress.start(report["total"], report["done"], report["kept"])
                elif "done" in report:
                    progress.add(report["done"] - progress.done)
                if "part" in report:
                    progress.fill(Path(report["part"]) if report["part"] else None, report["prefix"])
                self._reports |= report
                if "error" in report:
                    self._error = decode_error(report["error"])
                if "fetched" in report:
                    self._fetched = self._job.adopt(report["fetched"])
                    break

    def _reap(self) -> None:
        """Wait for the child's end."""
        with suppress(ChildProcessError):
            os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOWAIT)
        with self._lock:  # up to here the number belongs to the child
            with suppress(ChildProcessError):
                os.waitpid(self._pid, 0)
            self._pid = 0

    def _continue(self) -> None:
        """Start the fallback at once, because a caller may wait for the header before it asks for the result."""
        with self._lock:
            if not self._closed:
                reason = "must restart the fetch" if "restart" in self._reports else "died"
                log.warning("the process of the fetch of %s %s: continuing in a thread", self._job.uri, reason)
                self._job.progress.fill(None, 0)
                if not isinstance(self._job.cache, Path):
                    self._job.cache.give_up()
                self._fallback = FetchThread(self._job)


class PipeReporter:
    """Callback of ``Progress`` that writes each report to a pipe as one JSON line."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self._reported_at = 0.0

    def __call__(self, **report: object) -> None:
        if report.keys() == {"done"}:
            now = time.monotonic()
            if now - self._reported_at < REPORT_SECONDS:
                return
            self._reported_at = now
        os.write(self._pipe, json.dumps(report, default=str).encode() + b"\n")  # one write: threads' lines do not mix


def _run_child(job: FetchJob, report_end: int, parent_pipe: int) -> None:
    """Run the fetch in the child. Never returns."""
    status = 1
    try:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        files = () if isinstance(job.cache, Path) else job.cache.descriptors
        kept = sorted((0, 1, 2, report_end, parent_pipe, *files))  # the parent's listening sockets are closed here
        for low, high in zip(kept, [*kept[1:], os.sysconf("SC_OPEN_MAX")], strict=True):
            os.closerange(low + 1, high)
        threading.Thread(target=_exit_with_parent, args=(parent_pipe,), daemon=True).start()
        report = job.progress.report = PipeReporter(report_end)
        try:
            fetched = job.run()
        except UnsharedMemory:
            report(restart=True)
        except FunctionError as e:
            report(error=encode_error(e))
        else:
            values = {name: getattr(fetched, name) for name in Fetched.__slots__ if name != "lease"}
            report(fetched=values | {"parts": [str(part) for part in fetched.parts]})
            threading.Event().wait(HANDOVER_SECONDS)  # _exit_with_parent ends it once the parent has its own lock
        status = 0
    except BaseException:
        log.exception("the fetch failed")
    finally:
        os._exit(status)


def _exit_with_parent(pipe: int) -> None:
    os.read(pipe, 1)
    os._exit(0)


def encode_error(error: FunctionError) -> dict[str, Any]:
    """Return an error as JSON values."""
    return {
        "kinds": [kind.__name__ for kind in type(error).__mro__],
        "message": error.message,
        "param": error.param,
        "permanent": error.permanent,
        "evidence": error.evidence,
    }


def decode_error(values: dict[str, Any]) -> FunctionError:
    """Return the child's error, as the nearest of its classes that ``errors`` defines."""
    kind = next(getattr(errors, name) for name in values["kinds"] if hasattr(errors, name))
    error: FunctionError = kind(values["message"], param=values["param"], **values["evidence"])
    error.permanent = values["permanent"]
    return error
