"""What an instance does with the snapshot of its system prompt.

It is fetched beside the model and restored before the first prefill. With SNAPSHOT=auto, an instance that found none
that fits stores its own, once: after a reply that began with the prompt, when nobody else waits.
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
from function.snapshot.file_format import SnapshotMismatch, read, write
from function.snapshot.store import place, put
from function.system.limits import memory_limit

if TYPE_CHECKING:
    from function.engine import Engine, KVContext
    from function.fetch import Fetched

log = logging.getLogger(__name__)

PATIENCE = 5.0  # seconds that a model which is there waits for a snapshot that is not: less than reading a prompt takes
SHARE = 0.125  # of the container's memory, that the state of a conversation may take while its prefix is cut from it


class SnapshotManager:
    """The one snapshot of this instance. Without a SYSTEM_PROMPT there is nothing to do, and nothing is done."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.uri = place(settings)
        self.tokens: tuple[int, ...] = ()
        """What it is, or would be, a snapshot of."""
        self.restored = False
        self._due = False
        self._file: Fetched | None = None
        self._error: FunctionError | None = None
        self._binding: dict[str, str | int] = {}
        self._fetching: threading.Thread | None = None
        self._storing: threading.Thread | None = None

    def begin(self, cancel: threading.Event) -> None:
        """Fetch it, if there is one, in a thread of its own."""
        if self._settings.system_prompt and self._fetching is None:
            self._fetching = threading.Thread(target=self._fetch, args=(cancel,), name="snapshot", daemon=True)
            self._fetching.start()

    def restore(
        self, engine: "Engine", system_prompt: str | None, fetched: "Fetched | None", adapter: "Fetched | None"
    ) -> None:
        """Put it into the engine if it fits; say why, if it does not. Never raises for a snapshot that is wrong."""
        if not system_prompt or self._fetching is None or fetched is None:
            return
        from function.snapshot.binding import binding
        from function.snapshot.prefix import prefix

        began = time.monotonic()
        try:
            self.tokens = prefix(engine, system_prompt)
            if not self.tokens:
                return
            self._binding = binding(self._settings, engine, fetched, adapter, self.tokens)
            self._fetching.join(PATIENCE)
            if self._fetching.is_alive():
                raise SourceError(f"{self.uri}: it is still on its way.")
            if self._error is not None:
                raise self._error
            assert self._file is not None
            state = read(self._file.path, self._binding)
            tokens = self.tokens
            if not engine.run_task(lambda memory: memory.pin(tokens, state)):
                raise SnapshotMismatch("its state is not one that this engine writes")
        except ObjectNotFound:
            self._due = True
            log.info("no snapshot of the system prompt at %s", self.uri)
        except (SnapshotMismatch, AccessDenied) as e:
            self._due = True
            log.warning("the snapshot %s is not used: %s", self.uri, e.message.rstrip("."))
        except FunctionError as e:
            log.warning("the snapshot %s is not used: %s", self.uri, e.message.rstrip("."))
        else:
            self.restored = True
            log.info(
                "restored the system prompt: %d tokens in %.3f s",
                len(self.tokens),
                time.monotonic() - began,
                extra={"event": "snapshot", "tokens": len(self.tokens)},
            )

    def after(self, engine: "Engine", idle: Callable[[], bool]) -> None:
        """A reply was begun: once it ends, store what it read, if that is asked for and still to do."""
        if self._due and self._settings.snapshot == "auto" and not self._busy():
            self._storing = threading.Thread(target=self._store, args=(engine, idle), name="snapshot", daemon=True)
            self._storing.start()

    def settle(self, timeout: float) -> None:
        """Wait for a store that is under way: a request that waits lends it the CPU that an idle instance lacks."""
        if self._storing is not None:
            self._storing.join(timeout)

    def capture(self, engine: "Engine") -> bytearray | None:
        """The state of the prefix, from a conversation that begins with it; None if the context holds another."""

        def save(memory: "KVContext") -> tuple[bytearray | None, int]:
            layout, most = memory.layout, (memory_limit() or math.inf) * SHARE
            fits = layout is not None and memory.holds(self.tokens) and layout.size(len(memory)) <= most
            return (memory.save(), len(memory)) if fits else (None, 0)

        state, held = engine.run_task(save)
        layout = engine.run_task(lambda memory: memory.layout)
        return layout.cut(state, held, len(self.tokens)) if state and layout else None

    def store(self, state: bytearray) -> int:
        """Store it at its place; returns its bytes. Raises SourceError."""
        import tempfile  # not before it is needed: a cold start imports this module

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "snapshot"
            write(path, self._binding, state)
            put(path, self.uri)
            return path.stat().st_size

    def _busy(self) -> bool:
        return self._storing is not None and self._storing.is_alive()

    def _fetch(self, cancel: threading.Event) -> None:
        from function.fetch import cache_of, fetch

        try:
            self._file = fetch(self.uri, cache=cache_of(self._settings, self.uri), cancel=cancel)
        except FunctionError as e:
            self._error = e

    def _store(self, engine: "Engine", idle: Callable[[], bool]) -> None:
        """In a thread of its own; the engine's turn comes after the reply that runs."""
        with contextlib.suppress(FunctionError):  # the instance stops
            if engine.run_task(lambda memory: memory.layout) is None:  # after the reply that runs
                self._due = False
                log.info("no snapshot is stored: the state of this model cannot be cut to a prefix")
                return
            state = self.capture(engine) if idle() else None
            if state is None:
                return
            self._due = False
            try:
                size = self.store(state)
            except AccessDenied as e:
                log.warning("the snapshot is not stored: %s", e)
            except (FunctionError, OSError) as e:
                log.warning("the snapshot was not stored, which is not tried again: %s", e)
            else:
                log.info("stored the system prompt: %d tokens at %s", len(self.tokens), self.uri, extra={"bytes": size})
