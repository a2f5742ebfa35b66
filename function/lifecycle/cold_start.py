"""From settings to an engine: the fetch first, and everything else beside it.

    fetch    ── header ─────────── last byte, verified ─┐
    import the engine ── gate ── fit ── load ───────────┴─ first token

In a mapped load no weight is read, so the engine is set up while the file still fills; in a repacked one each weight is
copied when its bytes are there. Nothing is computed before the last byte is verified. Only a load onto a GPU waits for
the whole file.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from function.errors import Stopping
from function.fetch import Fetched, Progress, cache_of, fetch, name_of, text_of
from function.lifecycle.crash_loop import lives
from function.lifecycle.status import State
from function.observability.timings import PhaseTimings
from function.settings import Settings
from function.snapshot.manager import SnapshotManager
from function.system.limits import cpus

if TYPE_CHECKING:
    from function.engine.engine import Engine
    from function.engine.llama.placeholder_file import PlaceholderFile
    from function.engine.load_options import LoadOptions
    from function.fetch.process import FetchProcess
    from function.fetch.thread import FetchThread
    from function.gguf import Header

log = logging.getLogger(__name__)

LOOK = 0.1  # seconds between two looks at whether to stop
REMOTE = ("gs://", "s3://", "https://", "http://", "hf://")


class ColdStart:
    """One attempt. ``begin`` at once, in the main thread; ``run`` in a thread of its own.

    ``seconds`` is given each phase that ends; they overlap.
    ``hurry`` tells whether somebody waits for the first token; ``enter`` is told each state that is reached.
    """

    def __init__(
        self,
        settings: Settings,
        snapshot: SnapshotManager,
        seconds: PhaseTimings,
        cancel: threading.Event,
        enter: Callable[[State], None],
        hurry: Callable[[], bool],
    ) -> None:
        self._settings, self._cancel, self._enter, self._hurry = settings, cancel, enter, hurry
        self._snapshot, self._seconds = snapshot, seconds
        self._began = time.monotonic()
        self.progress = Progress()
        self.loaded = 0.0
        """How much of the file llama.cpp has gone through, 0 … 1."""
        self.fetched: Fetched | None = None
        self.adapter: Fetched | None = None
        self.system_prompt = settings.system_prompt
        self.mode: str | None = None
        """How the model is loaded: mapped or repacked."""
        self.early: Engine | None = None
        """The engine while it can do all but compute."""
        self._fetch: FetchThread | FetchProcess | None = None

    @property
    def files(self) -> list[Fetched]:
        """The model and its adapter, as far as they are there."""
        return [file for file in (self.fetched, self.adapter) if file]

    def begin(self) -> None:
        """Start the fetch, in a process of its own where this one may still fork and the model is elsewhere.

        Raises LoadCrashed when processes before this one died of it.
        """
        from function.engine.template.renderer import renderer
        from function.fetch.process import FetchProcess
        from function.fetch.thread import FetchThread

        settings = self._settings
        lives().begin(settings.model_uri)
        self._enter("fetching")
        renderer().start()  # a fork, like the fetch: this process has a single thread yet
        cache = cache_of(settings, settings.model_uri)
        if _remote(settings.model_uri) and FetchProcess.possible():
            try:
                self._fetch = FetchProcess(settings.model_uri, cache, settings.model_sha256, self.progress)
                return
            except OSError as e:
                log.warning("there is no process for the fetch (%s); it has a thread of this one", e.strerror)
        self._fetch = FetchThread(settings.model_uri, cache, settings.model_sha256, self.progress)

    def close(self) -> None:
        """End the fetch, let go of the files. Idempotent."""
        if self._fetch is not None:
            self._fetch.close()
        for file in self.files:
            file.close()

    def run(self) -> "Engine":
        """The loaded engine. Raises what keeps it from being there, Stopping once cancelled."""
        assert self._fetch is not None
        try:
            self._fetch.listen()
            self._snapshot.begin(self._cancel)
            with self._span("engine"):
                import function.engine.engine  # noqa: F401  while the first bytes are on their way
                from function.engine.llama import cpu, gpu

                cpu.prepare(self._settings.cpu_level, memory=self._settings.model_cache_dir)
                gpu.require(self._settings.n_gpu_layers)
            self.adapter = self._fetch_adapter()
            if not _remote(self._settings.model_uri):
                self._await_fetch()
            options = self._options()
            engine = self._load_beside(options) or self._load_after(options)
        except BaseException:
            self.close()
            raise
        if engine.openmp:
            log.warning(
                "llama.cpp was built with OpenMP: replies can be 2.8 times slower. Build it with -DGGML_OPENMP=OFF."
            )
        self._snapshot.restore(engine, self.system_prompt, self.fetched, self.adapter)
        return engine

    def _options(self) -> "LoadOptions":
        from function.engine.load_options import LoadOptions

        settings = self._settings
        self.system_prompt = text_of(settings.system_prompt)
        return LoadOptions(
            n_ctx=settings.n_ctx,
            n_threads=settings.n_threads or cpus(),
            n_gpu_layers=settings.n_gpu_layers,
            kv_type=settings.kv_type,
            chat_template=text_of(settings.chat_template),
            lora=self.adapter.path if self.adapter else None,
            reader_timeout=settings.client_timeout,
        )

    def _load_beside(self, options: "LoadOptions") -> "Engine | None":
        """Load what is still being fetched; None if that is over, or the file must be whole first."""
        from function.engine.llama import streamed_repack
        from function.engine.llama.library import amx
        from function.engine.llama.placeholder_file import HeaderMismatch, PlaceholderFile

        early = self._early_header()
        part = self.progress.part
        if early is None or part is None:
            return None
        header, data = early
        options = self._checked(header, part, header.file_size, options)
        if options.n_gpu_layers or not PlaceholderFile.possible():
            return None
        if options.repack and not streamed_repack.possible(header, amx=amx()):
            return None
        try:
            standin = PlaceholderFile(
                data[: header.data_offset],
                header.file_size,
                lambda: self._await_fetch().path,
                self.progress,
                {tensor.name: tensor.offset + tensor.size for tensor in header.tensors},
                name_of(self._settings.model_uri),
            )
            with closing(standin):
                return self._load(standin, options)
        except HeaderMismatch as e:
            log.info("%s: loading it once it is whole", e)
            return None
        finally:
            self.early = None

    def _early_header(self) -> "tuple[Header, bytes] | None":
        """The header and the bytes it is in, as soon as they are there; None if the fetch is over before."""
        from function.gguf import Incomplete, parse_header
        from function.gguf.header import FIRST_READ

        wanted = 1
        while not self._cancel.is_set():
            if not self.progress.await_prefix(wanted, LOOK):
                continue
            part, prefix = self.progress.part, self.progress.prefix
            if self.progress.over or part is None:
                return None
            try:
                with part.open("rb", buffering=0) as file:
                    size = os.fstat(file.fileno()).st_size
                    wanted = max(wanted, min(FIRST_READ, size))
                    if prefix < wanted:
                        continue
                    data = file.read(wanted)
                if self.progress.part != part or self.progress.prefix < prefix:
                    continue  # begun anew: who knows what was read
                with self._span("header"):
                    return parse_header(data, file_size=size), data
            except OSError:  # it has its final name by now, or is gone
                return None
            except Incomplete as e:
                wanted = e.needed
        raise Stopping("The instance is shutting down; the model was not loaded.")

    def _load_after(self, options: "LoadOptions") -> "Engine":
        """Load what is whole."""
        from function.gguf import check_part, read_header

        fetched = self._await_fetch()
        path = fetched.parts[0]
        with self._span("header"):
            header = read_header(path)  # the gate: llama.cpp never sees a file that this refuses
            for number, part in enumerate(fetched.parts[1:], 1):
                check_part(part, number, len(fetched.parts))
        options = replace(options, further=fetched.parts[1:])
        return self._load(path, self._checked(header, path, fetched.size, options))

    def _checked(self, header: "Header", path: Path, size: int, options: "LoadOptions") -> "LoadOptions":
        """The options with what depends on the model. Raises DoesNotFit, and what is wrong with the adapter."""
        from function.engine.llama.library import amx
        from function.gguf import check_adapter
        from function.sizing.load_plan import choose

        if options.lora is not None:
            check_adapter(options.lora, header.architecture)
        local = not _remote(self._settings.model_uri)
        loading = choose(header, self._settings, path=path, size=size, local=local, amx=amx())
        if self.mode != loading.mode:  # decided before the file was there, perhaps, and decided again
            log.info("load mode %s: %s", loading.mode, loading.reason)
        self.mode = loading.mode
        return replace(
            options,
            repack=loading.mode == "repacked",
            prefix_cache=loading.fit.prefix_room,
            ahead=options.n_threads if loading.ahead else 0,
        )

    def _load(self, source: "Path | PlaceholderFile", options: "LoadOptions") -> "Engine":
        from function.engine.engine import Engine

        with self._span("load"):
            return Engine.load(
                source,
                options,
                on_progress=self._on_progress,
                cancel=self._cancel,
                hurry=self._hurry,
                on_set_up=self._on_set_up,
            )

    def _await_fetch(self) -> Fetched:
        """Wait for the last byte."""
        assert self._fetch is not None
        if self.fetched is not None:
            return self.fetched
        self.fetched = fetched = self._fetch.result(self._cancel)
        self._seconds["fetch"] = time.monotonic() - self._began
        self._enter("loading")
        self._warn(fetched)
        return fetched

    def _fetch_adapter(self) -> Fetched | None:
        settings = self._settings
        if settings.lora_uri is None:
            return None
        adapter = fetch(settings.lora_uri, cache=cache_of(settings, settings.lora_uri), cancel=self._cancel)
        self._warn(adapter)
        return adapter

    def _warn(self, fetched: Fetched) -> None:
        if not fetched.verified:
            log.warning("unverified: the store of %s offers no checksum; MODEL_SHA256 would be checked", fetched.uri)

    def _on_set_up(self, engine: "Engine") -> None:
        self.early = engine

    def _on_progress(self, share: float) -> None:
        self.loaded = share

    @contextmanager
    def _span(self, phase: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self._seconds[phase] = time.monotonic() - began


def _remote(uri: str) -> bool:
    return uri.startswith(REMOTE)
