"""Manager of this instance's snapshot of its system prompt.

The snapshot is fetched along with the model and restored before the first prefill. With SNAPSHOT=auto, an instance that
found no valid one stores its own, once: after a reply that starts with the prompt, while no other request waits.
"""

import contextlib
import logging
import math
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from function.errors import AccessDenied, FunctionError, ObjectNotFound, SourceError
from function.settings import Settings
from function.snapshot import file_format
from function.snapshot.file_format import SnapshotMismatch
from function.snapshot.store import snapshot_uri, store_file
from function.system.limits import memory_limit

if TYPE_CHECKING:
    from function.engine import Engine, KVContext, SavedState, StateLayout
    from function.fetch import Fetched

log = logging.getLogger(__name__)

FETCH_TIMEOUT_SECONDS = 5.0
"""Time that a loaded model waits for its snapshot: less than a prefill of the prompt takes."""
STATE_MEMORY_SHARE = 0.125
"""Share of the container's memory that the state of a conversation may take while its prefix is cut from it."""


class SnapshotManager:
    """The one snapshot of this instance. Does nothing without a SYSTEM_PROMPT."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.uri = snapshot_uri(settings)
        self.tokens: tuple[int, ...] = ()
        """Tokens of the prefix that the snapshot holds, or would hold."""
        self.restored = False
        self._missing = False
        self._file: Fetched | None = None
        self._error: FunctionError | None = None
        self._binding: dict[str, str | int] = {}
        self._fetching: threading.Thread | None = None
        self._storing: threading.Thread | None = None

    def begin(self, cancel: threading.Event) -> None:
        """Start the fetch of the snapshot in a thread of its own."""
        fetching = self._fetching is not None and self._fetching.is_alive()
        if self._settings.system_prompt and self._file is None and not fetching:
            self._error = None  # of an earlier start, which may have been given up
            self._fetching = threading.Thread(target=self._fetch, args=(cancel,), name="snapshot", daemon=True)
            self._fetching.start()

    def restore(
        self, engine: "Engine", system_prompt: str | None, fetched: "Fetched", adapter: "Fetched | None"
    ) -> None:
        """Restore the snapshot into the engine if it is valid, else log the reason."""
        if not system_prompt or self._fetching is None:
            return
        from function.snapshot.binding import make_binding
        from function.snapshot.prefix import find_prefix

        began = time.monotonic()
        try:
            self.tokens = tokens = find_prefix(engine, system_prompt)
            if not tokens:
                return
            engine.run_task(lambda memory: memory.mark_system_prompt(tokens))
            self._binding = make_binding(self._settings, engine, fetched, adapter, tokens)
            self._fetching.join(FETCH_TIMEOUT_SECONDS)
            if self._fetching.is_alive():
                raise SourceError(f"{self.uri}: it is still being fetched.")
            if self._error is not None:
                raise self._error
            assert self._file is not None
            state = file_format.read(self._file.path, self._binding)
            if not engine.run_task(lambda memory: memory.pin(tokens, state)):
                raise SnapshotMismatch("its state is not one that this engine writes")
        except ObjectNotFound:
            self._missing = True
            log.info("no snapshot of the system prompt at %s", self.uri)
        except FunctionError as e:
            self._missing = isinstance(e, SnapshotMismatch | AccessDenied)
            log.warning("the snapshot %s is not used: %s", self.uri, e.message.rstrip("."))
        else:
            self.restored = True
            log.info(
                "restored the system prompt: %d tokens in %.3f s",
                len(tokens),
                time.monotonic() - began,
                extra={"event": "snapshot", "tokens": len(tokens)},
            )

    def store_after_reply(self, engine: "Engine", is_idle: Callable[[], bool]) -> None:
        """Store a snapshot once the reply that has just begun ends, if SNAPSHOT=auto and there is no valid one yet."""
        storing = self._storing is not None and self._storing.is_alive()
        if self._missing and self._settings.snapshot == "auto" and not storing:
            self._storing = threading.Thread(target=self._store, args=(engine, is_idle), name="snapshot", daemon=True)
            self._storing.start()

    def await_stored(self, timeout: float) -> None:
        """Wait up to ``timeout`` seconds for a store in progress: idle instances get no CPU, waiting requests do."""
        if self._storing is not None:
            self._storing.join(timeout)

    def capture(self, engine: "Engine") -> bytearray | None:
        """Return the state of the prefix, from a conversation that starts with it; None if the context has another."""

        def save(memory: "KVContext") -> "tuple[StateLayout, bytearray | None, int, SavedState | None] | None":
            layout, limit = memory.layout, (memory_limit() or math.inf) * STATE_MEMORY_SHARE
            if layout is None or not memory.holds(self.tokens) or layout.size(len(memory)) > limit:
                return None
            return layout, memory.save(), len(memory), memory.find_checkpoint(len(self.tokens))

        saved = engine.run_task(save)
        if saved is None:
            return None
        layout, state, length, checkpoint = saved
        return layout.cut(state, length, self.tokens, checkpoint) if state else None

    def store(self, state: bytearray) -> int:
        """Store the state at the snapshot's URI; return the bytes of the file. Raises SourceError."""
        import tempfile  # imported late: a cold start imports this module

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "snapshot"
            file_format.write(path, self._binding, state)
            store_file(path, self.uri)
            return path.stat().st_size

    def _fetch(self, cancel: threading.Event) -> None:
        from function.fetch import fetch, open_cache

        try:
            self._file = fetch(self.uri, cache=open_cache(self._settings, self.uri), cancel=cancel)
        except FunctionError as e:
            self._error = e

    def _store(self, engine: "Engine", is_idle: Callable[[], bool]) -> None:
        """Store a snapshot, in a thread of its own. The engine runs its tasks after the current reply."""
        with contextlib.suppress(FunctionError):  # the instance is shutting down
            if engine.run_task(lambda memory: memory.layout) is None:
                self._missing = False
                log.info("no snapshot is stored: the state of this model cannot be verified")
                return
            state = self.capture(engine) if is_idle() else None
            if state is None:
                return
            self._missing = False
            try:
                size = self.store(state)
            except AccessDenied as e:
                log.warning("the snapshot is not stored: %s", e)
            except (FunctionError, OSError) as e:
                log.warning("the snapshot could not be stored and is not tried again: %s", e)
            else:
                log.info("stored the system prompt: %d tokens at %s", len(self.tokens), self.uri, extra={"bytes": size})
