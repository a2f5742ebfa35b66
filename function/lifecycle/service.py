"""The lifecycle of the model in this process: starting → fetching → loading → ready, or failed with a reason.

The one instance that the doors share is ``get_service()``. It is made in the process that serves; nothing is fetched
or loaded before ``start()``, which the serving process calls (never an import, never gunicorn's master).
"""

import logging
import math
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from function.errors import FunctionError, Stopping, Unavailable
from function.fetch import name_of
from function.lifecycle.cold_start import ColdStart
from function.lifecycle.crash_loop import lives
from function.lifecycle.provenance import Provenance, describe
from function.lifecycle.queue import RequestQueue
from function.lifecycle.status import State, Status
from function.observability.metrics import Metrics
from function.observability.timings import PhaseTimings
from function.settings import Settings
from function.snapshot.manager import SnapshotManager

if TYPE_CHECKING:
    from function.engine import Engine, Generation, Job
    from function.fetch import Fetched

log = logging.getLogger(__name__)


class Service:
    """One model, loaded once, answering one request at a time."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.queue = RequestQueue(settings.queue_size, self.retry_after)
        self.born = time.monotonic()
        self.snapshot = SnapshotManager(settings)
        self.seconds = PhaseTimings()
        self.metrics = Metrics()
        self._changed = threading.Condition()
        self._state: State = "starting"
        self._error: FunctionError | None = None
        self._engine: Engine | None = None
        self._running: Generation | None = None
        self._speed: float | None = None  # tokens/s of the last reply: what a prompt still being read is judged by
        self._thread: threading.Thread | None = None
        self._cancel = threading.Event()
        self._cold: ColdStart | None = None

    def start(self, *, retry: bool = True) -> None:
        """Begin to bring the model up, once. Returns at once.

        After a failure that may pass it begins again, unless ``retry`` is false: who only looks changes nothing.
        """
        with self._changed:
            self._look_after()
            if self._state == "failed":
                assert self._error is not None
                if self._error.permanent or not retry:
                    return
                log.info("trying again after: %s", self._error)
            elif self._thread is not None or self._state != "starting":
                return
            self._error = None
            self._state = "starting"
            self._cold = cold = ColdStart(
                self.settings, self.snapshot, self.seconds, self._cancel, self._move, self._awaited
            )
            thread = threading.Thread(target=self._bring_up, args=(cold,), name="bring-up", daemon=True)
            try:
                cold.begin()
                thread.start()
            except FunctionError as e:
                self._fail(e)
            except Exception as e:  # no thread, no file: it must not look as if something went on
                cold.close()
                self._fail(
                    Unavailable(
                        f"The model's fetch could not be started: {type(e).__name__}: {e}. The next request tries "
                        "again; if this stays, give the instance more threads, open files or memory."
                    )
                )
            else:
                self._thread = thread

    def stop(self) -> None:
        """Stop for good: what is fetched, loaded, queued or generated ends with a word about it. Returns at once."""
        with self._changed:
            if self._state == "stopping":
                return
            self._move("stopping", Stopping("The instance is shutting down; ask again and another one answers."))
            running = self._running
        self._cancel.set()
        if running is not None:
            running.cancel()

    def close(self) -> None:
        """Stop and wait until the model's memory is free."""
        self.stop()
        if self._thread is not None:
            self._thread.join()
        if self._engine is not None:
            self._engine.close()

    def status(self) -> Status:
        """Where the model is now."""
        with self._changed:
            self._look_after()
            state, error = self._state, self._error
        cold = self._cold
        if state == "fetching" and cold is not None:
            progress = cold.progress
            done, total = progress.done, progress.total
            share = done / total if total else None
            eta, rate = progress.eta, progress.rate
            return Status(state, done=share, eta=eta, bytes=done, total=total, rate=rate)
        if state == "loading" and cold is not None:
            return Status(state, done=cold.loaded)
        return Status(state, error=error)

    def wait(self, state: State, timeout: float) -> Status:
        """Wait at most ``timeout`` seconds for the state to differ from ``state``; returns the status."""
        with self._changed:
            self._changed.wait_for(lambda: self._state != state, timeout)
        return self.status()

    def wait_for(self, state: State, timeout: float) -> Status:
        """Wait at most ``timeout`` seconds for ``state``, or for one that it cannot be reached from."""
        ends = (state, "failed", "stopping")
        with self._changed:
            self._changed.wait_for(lambda: self._state in ends, timeout)
        return self.status()

    @property
    def engine(self) -> "Engine":
        """The loaded engine. Raises what keeps it from being there."""
        with self._changed:
            self._look_after()
            if self._state == "ready" and self._engine is not None:
                return self._engine
            if self._error is not None:
                raise self._error
            raise Unavailable(f"The model is not loaded yet: {self._state}.")

    @property
    def early(self) -> "Engine | None":
        """The engine while it can do all but compute: between its set-up and the model's last byte."""
        return self._cold.early if self._cold else None

    @property
    def system_prompt(self) -> str | None:
        """What begins conversations without a system message of their own, read from where SYSTEM_PROMPT points."""
        return self._cold.system_prompt if self._cold else None

    @property
    def fetched(self) -> "Fetched | None":
        """The model's files, once they are whole."""
        return self._cold.fetched if self._cold else None

    @property
    def name(self) -> str:
        """The name of the model that replies carry: MODEL_NAME, the header's, or the file's."""
        if self.settings.model_name:
            return self.settings.model_name
        if self._engine is not None and self._engine.name:
            return self._engine.name
        uri = self.settings.model_uri
        if "://" not in uri:
            return Path(uri).stem
        try:  # without the query, a signature perhaps, and what a password with a / in it leaves before the host
            return Path(name_of(uri).rpartition("@")[2]).stem
        except ValueError:  # no URI is written like that, and the error for it says so
            return "model"

    @property
    def made(self) -> Provenance:
        """What replies are made with: model, adapter, llama.cpp, CPU."""
        return describe(self.name, self._cold.files if self._cold else [], self._engine)

    def submit(self, job: "Job") -> "Generation":
        """Hand a job to the engine; the caller's place must be the first. Raises what keeps the engine away."""
        engine = self.engine
        with self._changed:
            if self._state != "ready":
                assert self._error is not None
                raise self._error
            if self._running is not None:
                self._speed = self._running.tokens_per_second or self._speed
            self._running = engine.start(job)
            self.snapshot.after(engine, lambda: len(self.queue) <= 1)
            return self._running

    def retry_after(self) -> int:
        """Whole seconds until the running request should be done, or the model be there."""
        status = self.status()
        if status.state != "ready":
            return max(1, math.ceil(status.eta or 5))
        running = self._running
        speed = running.tokens_per_second or self._speed if running else None
        if running is None or not speed:
            return 1
        left = (running.max_tokens - running.generated) / speed
        return max(1, math.ceil(min(left, self.settings.request_timeout)))

    def warmth(self) -> dict[str, Any]:
        """What a warmup ping is told: age in seconds, state, file, whether a token was produced."""
        status = self.status()
        return {
            "state": status.state,
            "age_seconds": round(time.monotonic() - self.born, 3),
            "model": self.name,
            "file": self.fetched.name if self.fetched else None,
            "loaded": self._engine is not None,
            "first_token": status.state == "ready",
            "cold_start_seconds": self.seconds.rounded(),
            "busy": len(self.queue) > 0,
        }

    def _move(self, state: State, error: FunctionError | None = None) -> None:
        with self._changed:
            if self._state == "stopping":
                return
            self._state = state
            self._error = error
            if state in ("ready", "failed"):
                self.metrics.cold_start(error.code if error else "ready", self.seconds.rounded())
            lives().enter(state)
            self._changed.notify_all()

    def _look_after(self) -> None:
        """An engine that ended by itself is a failure as any other: one that may pass is tried again."""
        engine = self._engine
        if self._state == "ready" and engine is not None and engine.failure is not None:
            self._engine = None
            self._fail(engine.failure)

    def _fail(self, error: FunctionError) -> None:
        log.error("the model cannot be served: %s", error, extra={"code": error.code, "permanent": error.permanent})
        self._move("failed", error)

    def _awaited(self) -> bool:
        """Whether somebody waits for the first token."""
        return len(self.queue) > 0

    def _bring_up(self, cold: ColdStart) -> None:
        """Fetch and load, in a thread of its own; what goes wrong becomes the state."""
        try:
            engine = cold.run()
        except Stopping:
            return
        except FunctionError as e:
            self._fail(e)
            return
        except Exception as e:
            log.exception("the model cannot be served")
            self._move("failed", FunctionError(f"The model could not be loaded: {type(e).__name__}: {e}"))
            return
        self._engine = engine
        self._move("ready")
        if self._cancel.is_set():
            engine.close()
            return
        extra = {"event": "ready", "load_mode": cold.mode, **self.seconds.rounded(), **asdict(self.made)}
        log.info("ready: %s, context %d, %s", self.name, engine.n_ctx, self.seconds, extra=extra)


_service: Service | None = None
_service_lock = threading.Lock()


def get_service() -> Service:
    """The process's one service, made from the environment when first asked for. Raises SettingsError."""
    global _service
    with _service_lock:
        if _service is None:
            _service = Service(Settings.from_env())
        return _service
