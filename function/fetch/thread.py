"""A fetch in a thread, while its caller does something else."""

import threading
from pathlib import Path

from function.fetch import Fetched, MemoryDestination, Progress, fetch

LOOK = 0.1  # seconds between two looks at whether to stop


class FetchThread:
    """A fetch in a thread. ``result`` waits for it; ``close`` ends it."""

    def __init__(self, uri: str, cache: Path | MemoryDestination, sha256: str | None, progress: Progress) -> None:
        self._uri, self._cache, self._sha256, self._progress = uri, cache, sha256, progress
        self._cancel = threading.Event()
        self._fetched: Fetched | None = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="fetch", daemon=True)
        self._thread.start()

    def listen(self) -> None:
        """See Apart.listen; a thread needs no listening to."""

    def result(self, cancel: threading.Event) -> Fetched:
        """The fetched model. Raises as ``fetch`` does; Stopping once ``cancel`` is set."""
        while self._thread.is_alive():
            if cancel.is_set():
                self.close()
            self._thread.join(LOOK)
        if self._error is not None:
            raise self._error
        assert self._fetched is not None
        return self._fetched

    def close(self) -> None:
        """End the fetch, or let go of its files if it is over. Idempotent; returns at once."""
        self._cancel.set()
        if self._fetched is not None:
            self._fetched.close()

    def _run(self) -> None:
        try:
            self._fetched = fetch(
                self._uri, cache=self._cache, sha256=self._sha256, progress=self._progress, cancel=self._cancel
            )
            if self._cancel.is_set():
                self._fetched.close()
        except Exception as e:  # raised where it is waited for
            self._error = e
        finally:
            self._progress.end()
