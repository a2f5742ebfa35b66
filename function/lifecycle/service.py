"""Service: the states of the model in this process, from starting to ready, or failed with a reason.

``get_service()`` returns the one service of the process. It is created in the process that serves. Nothing is fetched
or loaded before ``start()``, which the serving process calls; neither an import nor gunicorn's master does.
"""

import logging
import threading
import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from function import default_model
from function.errors import FunctionError, StartTimeout, Stopping, Unavailable
from function.lifecycle.cold_start import ColdStart, Loaded
from function.lifecycle.crash_loop import crash_loop_guard
from function.lifecycle.provenance import Provenance, describe, model_name
from function.lifecycle.renewals import Renewals
from function.lifecycle.runner import Runner
from function.lifecycle.status import FINAL_STATES, STARTING_STATES, State, Status
from function.observability.metrics import Metrics
from function.observability.timings import PhaseTimings
from function.settings import Settings
from function.snapshot.manager import SnapshotManager
from function.system.stopwatch import Stopwatch

if TYPE_CHECKING:
    from function.engine import Engine, Sampling

log = logging.getLogger(__name__)

START_POLL_SECONDS = 0.5
"""Between two looks at the time that a start takes."""


class Service:
    """One model, loaded once. ``runner`` runs requests on it, one at a time."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.timings = PhaseTimings()
        self.snapshot = SnapshotManager(settings)
        self.runner = Runner(settings, self.snapshot, self.status)
        self.renewals = Renewals()
        self.renewals.add("clocks and counts", self._renew_clocks)
        self._created = time.monotonic()
        self.created_at = int(time.time())
        """Start of this instance, in seconds since the epoch."""
        self._changed = threading.Condition()
        self._state: State = "starting"
        self._error: FunctionError | None = None
        self._cold_start: ColdStart | None = None
        self._loaded: Loaded | None = None
        self._thread: threading.Thread | None = None
        self._cancel = threading.Event()

    def start(self, *, retry: bool = True) -> None:
        """Start loading the model, once. Returns at once.

        After a temporary failure it starts again; with ``retry=False`` a failed load is not restarted. A start that
        timed out is first given up completely, because two loads at once could take twice the memory.
        """
        with self._changed:
            self._check_engine()
            if self._state == "failed":
                assert self._error is not None
                if self._error.permanent or not retry:
                    return
                if self._cancel.is_set() and self._thread is not None and self._thread.is_alive():
                    return
                log.info("trying again after: %s", self._error)
            elif self._thread is not None or self._state != "starting":
                return
            self._error = None
            self._state = "starting"
            self._cancel = cancel = threading.Event()

            def enter(state: State) -> None:
                with self._changed:
                    if not cancel.is_set():  # an attempt that was given up changes nothing
                        self._enter(state)

            self._cold_start = start = ColdStart(
                self.settings, self.snapshot, self.timings, cancel, enter, self._has_waiting_requests
            )
            thread = threading.Thread(target=self._load, args=(start, cancel), name="cold-start", daemon=True)
            try:
                start.begin()
                thread.start()
                self._thread = thread
                threading.Thread(target=self._limit_start, args=(cancel,), name="start-timeout", daemon=True).start()
            except FunctionError as e:
                self._fail(e)
            except Exception as e:  # for lack of threads or files: the state must not stay "fetching"
                start.close()
                reason = f"{type(e).__name__}: {e}. The next request tries again. If the error persists, give the "
                reason += "instance more threads, open files or memory."
                self._fail(Unavailable(f"The fetch of the model could not be started: {reason}"))

    def stop(self) -> None:
        """Stop for good: fetch, load, queued and running requests end with an error. Returns at once."""
        error = Stopping("The instance is shutting down. Ask again: another instance answers.")
        with self._changed:
            if self._state == "stopping":
                return
            self._enter("stopping", error)
            self._cancel.set()
        self.runner.stop(error)

    def close(self) -> None:
        """Stop, and wait until the memory of the model is freed."""
        self.stop()
        if self._thread is not None:
            self._thread.join()
        if self._loaded is not None:
            self._loaded.engine.close()

    def status(self) -> Status:
        """Return the state of the model and its progress."""
        with self._changed:
            self._check_engine()
            state, error = self._state, self._error
        start = self._cold_start
        if state == "fetching" and start is not None:
            progress = start.progress
            done, total = progress.done, progress.total
            share = done / total if total else None
            return Status(state, done=share, eta=progress.eta, bytes=done, total=total, rate=progress.rate)
        if state == "loading" and start is not None:
            return Status(state, done=start.load_share)
        return Status(state, error=error)

    def wait(self, state: State, timeout: float) -> Status:
        """Wait up to ``timeout`` seconds until the state differs from ``state``; return the status."""
        with self._changed:
            self._changed.wait_for(lambda: self._state != state, timeout)
        return self.status()

    def await_load(self, timeout: float) -> None:
        """Wait up to ``timeout`` seconds until llama.cpp loads the model, or the start has failed."""
        with self._changed:
            start = self._cold_start if self._state in STARTING_STATES else None
        if start is not None:
            start.load_began.wait(timeout)

    def await_ready(self, timeout: float) -> Status:
        """Wait up to ``timeout`` seconds until the model is ready, or failed or stopping; return the status."""
        with self._changed:
            self._changed.wait_for(lambda: self._state in FINAL_STATES, timeout)
        return self.status()

    def continue_as_copy(self) -> None:
        """Renew the state that instance copies must not share. Raises the error that keeps the model away."""
        assert self.engine is not None
        began = time.monotonic()
        names = self.renewals.run()
        self.timings["restore"] = time.monotonic() - began
        self.metrics.count_cold_start("restored", self.timings.rounded())
        extra = {"event": "restored", **self.timings.rounded(), **asdict(self.provenance)}
        log.info("restored: %s; renewed %s", self.name, ", ".join(names), extra=extra)

    @property
    def engine(self) -> "Engine":
        """The loaded engine. Raises the error that prevents it."""
        with self._changed:
            self._check_engine()
            if self._state == "ready" and self._loaded is not None:
                return self._loaded.engine
            raise self._error or Unavailable(f"The model is not loaded yet: {self._state}.")

    @property
    def loaded(self) -> Loaded | None:
        """The result of the cold start, once it has ended well."""
        return self._loaded

    @property
    def early(self) -> "Engine | None":
        """The engine between its set-up and the last byte of the model: it can do everything except compute."""
        return self._cold_start.early if self._cold_start else None

    @property
    def system_prompt(self) -> str | None:
        """Text of SYSTEM_PROMPT, which starts each conversation that has no system message."""
        source = self._loaded or self._cold_start
        return source.system_prompt if source else None

    @property
    def name(self) -> str:
        """Name of the model in replies."""
        return model_name(self.settings, self._loaded.engine if self._loaded else None)

    def sampling(self, engine: "Engine") -> "Sampling":
        """Return the sampling defaults for requests: those of the file, and the default model's own."""
        own: dict[str, Any] = dict(default_model.SAMPLING) if self.settings.serves_default_model else {}
        return replace(engine.sampling, **own)

    @property
    def provenance(self) -> Provenance:
        """Provenance of replies: model, adapter, llama.cpp, CPU."""
        loaded = self._loaded
        return describe(self.name, loaded.files if loaded else [], loaded.engine if loaded else None)

    @property
    def age_seconds(self) -> float:
        """Seconds since this service was created."""
        return time.monotonic() - self._created

    def _renew_clocks(self) -> None:
        """Begin this instance's age, its cold start and its counts."""
        with self._changed:
            self._created, self.created_at = time.monotonic(), int(time.time())
        self.timings.clear()
        self.metrics.clear()
        self.runner.forget_speed()

    def _enter(self, state: State, error: FunctionError | None = None) -> None:
        with self._changed:
            if self._state == "stopping":
                return
            self._state = state
            self._error = error
            if state in ("ready", "failed"):
                self.metrics.count_cold_start(error.code if error else "ready", self.timings.rounded())
            crash_loop_guard().enter(state)
            self._changed.notify_all()

    def _check_engine(self) -> None:
        """Treat an engine that has ended by itself as any other failure, so that a temporary one is retried."""
        if self._state == "ready" and self._loaded is not None and self._loaded.engine.failure is not None:
            failure = self._loaded.engine.failure
            self._loaded = None
            self._fail(failure)

    def _fail(self, error: FunctionError) -> None:
        log.error("the model cannot be served: %s", error, extra={"code": error.code, "permanent": error.permanent})
        self._enter("failed", error)

    def _has_waiting_requests(self) -> bool:
        return len(self.runner.queue) > 0

    def _limit_start(self, cancel: threading.Event) -> None:
        """End the attempt that ``cancel`` belongs to if it is not over within START_TIMEOUT."""
        stopwatch, limit = Stopwatch(), self.settings.start_timeout
        with self._changed:
            while self._cancel is cancel and not cancel.is_set() and self._state in STARTING_STATES:
                if stopwatch.look() >= limit:
                    error = StartTimeout(
                        f"The model was not ready within {limit:g} s, but {self._state}. The next request tries again, "
                        "from the bytes in the cache. If it needs longer, set START_TIMEOUT.",
                        seconds=limit,
                        state=self._state,
                    )
                    cancel.set()
                    self._fail(error)
                    return
                self._changed.wait(min(START_POLL_SECONDS, limit))

    def _load(self, start: ColdStart, cancel: threading.Event) -> None:
        """Fetch and load the model, in a thread of its own; an error becomes the state."""
        try:
            loaded = start.run()
        except Stopping:
            return
        except Exception as e:
            with self._changed:
                if cancel.is_set():
                    log.info("the start that was given up ended: %s", e)
                elif isinstance(e, FunctionError):
                    self._fail(e)
                else:
                    log.exception("the model cannot be served")
                    self._enter("failed", FunctionError(f"The model could not be loaded: {type(e).__name__}: {e}"))
            return
        with self._changed:
            given_up = cancel.is_set()
            if not given_up:
                self._loaded = loaded
                self._enter("ready")
        if given_up:
            loaded.engine.close()
            start.close()
            return
        extra = {"event": "ready", "load_mode": loaded.mode, **self.timings.rounded(), **asdict(self.provenance)}
        phases = ", ".join(f"{phase} {seconds:g} s" for phase, seconds in self.timings.rounded().items())
        log.info("ready: %s, context %d, %s", self.name, loaded.engine.n_ctx, phases, extra=extra)


_service: Service | None = None
_service_lock = threading.Lock()


def get_service() -> Service:
    """Return the service of this process, created from the environment on the first call. Raises SettingsError."""
    global _service
    with _service_lock:
        if _service is None:
            _service = Service(Settings.from_env())
        return _service
