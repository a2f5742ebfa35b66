"""Cold start: from the settings to a loaded engine. Everything overlaps with the download.

    fetch    ── header ─────────── last byte, verified ─┐
    import the engine ── header check ── plan ── load ──┴─ first token

In a mapped load llama.cpp reads no weight, so the engine is set up while the file is still downloading. In a repacked
load each weight is copied as soon as its bytes are on disk. Nothing is computed before the last byte is verified.
Only a load onto a GPU waits for the complete file.
"""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from function.errors import ModelError, SourceError
from function.fetch import Fetched, FetchJob, Progress, RunningFetch, fetch, open_cache, start_fetch
from function.lifecycle.crash_loop import crash_loop_guard
from function.lifecycle.status import State
from function.observability.timings import PhaseTimings
from function.settings import Settings
from function.snapshot.manager import SnapshotManager
from function.source import is_fetched, load_text, name_file
from function.system.limits import cpus

if TYPE_CHECKING:
    from function.engine import Engine, LoadOptions, PlaceholderFile
    from function.gguf import Header

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Loaded:
    """Result of a cold start. ``mode`` is ``mapped`` or ``repacked``."""

    engine: "Engine"
    fetched: Fetched
    adapter: Fetched | None
    system_prompt: str | None
    mode: str

    @property
    def files(self) -> list[Fetched]:
        """The model and, if there is one, its adapter."""
        return [self.fetched, self.adapter] if self.adapter else [self.fetched]


class ColdStart:
    """One attempt to load the model. Call ``begin`` in the main thread and ``run`` in a thread of its own.

    ``timings`` receives each phase when it ends; phases overlap. ``enter`` is called with each state that is reached.
    ``has_waiting_requests`` returns True while a request waits for the first token.
    """

    def __init__(
        self,
        settings: Settings,
        snapshot: SnapshotManager,
        timings: PhaseTimings,
        cancel: threading.Event,
        enter: Callable[[State], None],
        has_waiting_requests: Callable[[], bool],
    ) -> None:
        self._settings, self._snapshot, self._timings = settings, snapshot, timings
        self._cancel, self._enter, self._has_waiting_requests = cancel, enter, has_waiting_requests
        self._began = time.monotonic()
        self.load_began = threading.Event()
        """Set once llama.cpp reads the model, or the attempt has failed."""
        self._progress = Progress()
        self._load_share = 0.0
        self._early: Engine | None = None
        self._fetch: RunningFetch | None = None
        self._cpu_variant: Future[None] = Future()
        self._fetched: Fetched | None = None
        self._adapter: Fetched | None = None
        self._system_prompt = settings.system_prompt
        self._mode = ""

    @property
    def progress(self) -> Progress:
        """Progress of the fetch."""
        return self._progress

    @property
    def load_share(self) -> float:
        """Share of the file that llama.cpp has loaded, 0 … 1."""
        return self._load_share

    @property
    def early(self) -> "Engine | None":
        """The engine between its set-up and the last byte of the model: it can do everything except compute."""
        return self._early

    @property
    def system_prompt(self) -> str | None:
        """Text of SYSTEM_PROMPT; if that is a URI, the text behind it once ``early`` is set."""
        return self._system_prompt

    def begin(self) -> None:
        """Start the fetch: in a child process if the model is remote and this process may fork, else in a thread.

        Raises LoadCrashed if earlier processes repeatedly died while they loaded the model.
        """
        from function.engine import renderer

        settings = self._settings
        crash_loop_guard().begin(settings.model_uri)
        self._enter("fetching")
        renderer().start()  # a fork, like the fetch: this process still has a single thread
        cache = open_cache(settings, settings.model_uri)
        self._fetch = start_fetch(FetchJob(settings.model_uri, cache, settings.model_sha256, self.progress))

    def close(self) -> None:
        """Stop the fetch and release the files. Idempotent."""
        for held in (self._fetch, self._fetched, self._adapter):
            if held is not None:
                held.close()

    def run(self) -> Loaded:
        """Fetch and load the model. Raises FunctionError if that fails, Stopping once cancelled."""
        assert self._fetch is not None
        try:
            self._fetch.follow()
            self._snapshot.begin(self._cancel)
            with self._timings.measure("engine"):
                threading.Thread(target=self._choose_cpu_variant, name="cpu-variant", daemon=True).start()
                from function.engine import Engine, require_gpu  # noqa: F401  during the download

                if self._settings.n_gpu_layers:
                    self._cpu_variant.result()
                    require_gpu(self._settings.n_gpu_layers)
            self._fetch_adapter()
            if not is_fetched(self._settings.model_uri):
                self._await_fetch()
            options = self._load_options()
            engine = self._load_early(options) or self._load_after_fetch(options)
            fetched = self._await_fetch()
        except BaseException:
            self.close()
            raise
        finally:
            self.load_began.set()
        if engine.openmp:
            log.warning(
                "llama.cpp was built with OpenMP: replies can be 2.8 times slower. Build it with -DGGML_OPENMP=OFF."
            )
        self._snapshot.restore(engine, self._system_prompt, fetched, self._adapter)
        return Loaded(engine, fetched, self._adapter, self._system_prompt, self._mode)

    def _choose_cpu_variant(self) -> None:
        """Choose llama.cpp's library: its proof runs beside the engine's imports and the header's check."""
        from function.engine import use_cpu_variant

        try:
            use_cpu_variant(self._settings.cpu_level, cache_dir=self._settings.model_cache_dir)
            self._cpu_variant.set_result(None)
        except BaseException as e:  # raised by result
            self._cpu_variant.set_exception(e)

    def _load_options(self) -> "LoadOptions":
        """Return the options that depend on the settings alone."""
        from function.engine import LoadOptions

        settings = self._settings
        self._system_prompt = load_text(settings.system_prompt)
        return LoadOptions(
            n_ctx=settings.n_ctx,
            n_threads=settings.n_threads or cpus(),
            n_gpu_layers=settings.n_gpu_layers,
            kv_type=settings.kv_type,
            chat_template=load_text(settings.chat_template),
            chat_template_kwargs=settings.chat_template_kwargs or {},
            lora=self._adapter.path if self._adapter else None,
            speculates=settings.speculation != "off",
            speculates_seeded=settings.speculation == "always",
            reader_timeout=settings.client_timeout,
        )

    def _load_early(self, options: "LoadOptions") -> "Engine | None":
        """Load as ``_load_during_fetch``; return None, too, if that fails because bytes were damaged on the way."""
        try:
            return self._load_during_fetch(options)
        except ModelError as e:
            if self._fetched is not None or not self._has_arrived_damaged():
                raise
            log.warning("the header arrived damaged: loading the model once it is verified: %s", e)
            return None

    def _load_during_fetch(self, options: "LoadOptions") -> "Engine | None":
        """Load the file while it is downloading. Returns None if the download is over or the file must be complete."""
        from function.engine import HeaderMismatch, PlaceholderFile, can_stream_repack, has_amx
        from function.lifecycle.early_header import await_header

        found = await_header(self.progress, self._cancel, self._timings)
        part = self.progress.part
        if found is None or part is None:
            return None
        header, data = found
        options = self._plan(header, part, header.file_size, options)
        if options.n_gpu_layers or not PlaceholderFile.is_supported():
            return None
        if options.repack and not can_stream_repack(header, amx=has_amx()):
            return None
        try:
            placeholder = PlaceholderFile(
                data[: header.data_offset],
                header.file_size,
                lambda: self._await_fetch().path,
                self.progress,
                {tensor.name: tensor.offset + tensor.size for tensor in header.tensors},
                name_file(self._settings.model_uri),
            )
            with closing(placeholder):
                return self._load(placeholder, options)
        except HeaderMismatch as e:
            log.info("%s: loading it after the download", e)
            return None
        finally:
            self._early = None

    def _load_after_fetch(self, options: "LoadOptions") -> "Engine":
        """Load the complete file."""
        fetched = self._await_fetch()
        try:
            header = self._read_header(fetched)
        except ModelError as e:
            if fetched.verified or fetched.lease is None or not self._has_arrived_damaged():
                raise
            log.warning("the model arrived damaged, and is fetched again: %s", e)
            fetched.discard()
            settings = self._settings
            cache = open_cache(settings, settings.model_uri)
            self._fetched = fetched = fetch(settings.model_uri, cache=cache, cancel=self._cancel)
            header = self._read_header(fetched)
        path, *parts = fetched.parts
        options = replace(options, further=tuple(parts))
        return self._load(path, self._plan(header, path, fetched.size, options))

    def _read_header(self, fetched: Fetched) -> "Header":
        """Return the header; llama.cpp never opens a file that this check rejects. Raises ModelError."""
        from function.gguf import check_part, read_header

        path, *parts = fetched.parts
        with self._timings.measure("header"):
            header = read_header(path)
            for number, part in enumerate(parts, 1):
                check_part(part, number, len(fetched.parts))
        return header

    def _has_arrived_damaged(self) -> bool:
        """Return True if the first bytes of the model differ from those in the store, or cannot be compared."""
        from function.lifecycle.early_header import equals_store

        fetched, progress = self._fetched, self.progress
        path, size = (fetched.path, fetched.size) if fetched else (progress.part, progress.prefix)
        try:
            return path is None or not equals_store(self._settings.model_uri, path, size)
        except (OSError, SourceError) as e:  # an OSError: the fetch has just ended
            log.warning("the header cannot be compared with the store's: %s", e)
            return True

    def _plan(self, header: "Header", path: Path, size: int, options: "LoadOptions") -> "LoadOptions":
        """Return ``options`` with those that depend on the model. Raises DoesNotFit, ModelError for a wrong adapter."""
        from function.engine import has_amx
        from function.gguf import check_adapter
        from function.sizing.load_plan import plan_load

        self._cpu_variant.result()  # before the first use of llama.cpp's library
        header = header.with_pooling(self._settings.pooling)
        if options.lora is not None:
            check_adapter(options.lora, header.architecture)
        local = self._fetched is not None and self._fetched.lease is None
        plan = plan_load(header, self._settings, path=path, size=size, local=local, amx=has_amx())
        if self._mode != plan.mode:  # a load that falls back from the placeholder is planned twice
            log.info("load mode %s: %s", plan.mode, plan.reason)
        self._mode = plan.mode
        return replace(
            options, repack=plan.mode == "repacked", prefix_cache=plan.fit.prefix_room, pooling=header.pooling
        )

    def _load(self, source: "Path | PlaceholderFile", options: "LoadOptions") -> "Engine":
        with self._timings.measure("load"):
            self.load_began.set()
            return _engine_class(options).load(
                source,
                options,
                on_progress=self._set_load_share,
                cancel=self._cancel,
                client_waiting=self._has_waiting_requests,
                on_vocabulary=self._set_early,
            )

    def _await_fetch(self) -> Fetched:
        """Wait until the model is complete and verified."""
        assert self._fetch is not None
        if self._fetched is None:
            self._fetched = self._fetch.result(self._cancel)
            self._timings["fetch"] = time.monotonic() - self._began
            self._enter("loading")
            _warn_if_unverified(self._fetched)
        return self._fetched

    def _fetch_adapter(self) -> None:
        settings = self._settings
        if settings.lora_uri is not None:
            self._adapter = fetch(settings.lora_uri, cache=open_cache(settings, settings.lora_uri), cancel=self._cancel)
            _warn_if_unverified(self._adapter)

    def _set_early(self, engine: "Engine") -> None:
        self._early = engine

    def _set_load_share(self, share: float) -> None:
        self._load_share = share


def _engine_class(options: "LoadOptions") -> "type[Engine]":
    """Return the class for the kind of the model; that of embedding models is imported for them alone."""
    if options.pooling is not None:
        from function.engine import EmbeddingEngine

        return EmbeddingEngine
    from function.engine import Engine

    return Engine


def _warn_if_unverified(fetched: Fetched) -> None:
    if not fetched.verified:
        log.warning("unverified: the store of %s offers no checksum; set MODEL_SHA256 to verify the file", fetched.uri)
