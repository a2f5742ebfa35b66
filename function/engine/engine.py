"""A file to tokens: the engine and its one thread, which makes every llama.cpp call on model and context."""

import atexit
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from function.engine.drain_gate import DrainGate
from function.engine.finish_loading import finish_loading
from function.engine.generation import Generation
from function.engine.grammar.grammar import Grammar
from function.engine.job_validation import check
from function.engine.kv.context import KVContext
from function.engine.llama import library
from function.engine.llama.model import Model
from function.engine.llama.placeholder_file import PlaceholderFile
from function.engine.llama.vocabulary import Vocabulary
from function.engine.load_options import LoadOptions
from function.engine.loop import Loop
from function.engine.task import EngineTask
from function.engine.template.renderer import renderer
from function.engine.template.template import Template, choose
from function.engine.types import Job
from function.errors import EngineError, FunctionError, ModelError, Stopping

if TYPE_CHECKING:
    from function.engine.constraint import Constraint, Constraints

T = TypeVar("T")


class Engine:
    """A loaded model that carries out one job after the other. ``load`` makes one; any thread may use it."""

    def __init__(self, options: LoadOptions) -> None:
        self._options = options
        self._jobs: queue.SimpleQueue[Generation | EngineTask[Any] | None] = queue.SimpleQueue()
        self._awaited: tuple[int, ...] | None = None
        self._guard = DrainGate(self._ended)
        self._open: set[Generation] = set()
        self._constraints: Constraints | None = None
        self._constraints_lock = threading.Lock()
        self._thread: threading.Thread
        self._vocabulary: Vocabulary
        self._template: Template
        self.name: str | None
        """What the file calls the model."""
        self.n_ctx: int
        """Tokens that prompt and reply may have together."""
        self.n_ctx_train: int
        self.n_vocab: int
        self.chat_template: str | None
        """Source of the chat template; None for a built-in one."""
        self.chunk: int
        """Tokens that are prefilled at once."""
        self.template_source: str
        """Where the chat template is from: ``model``, ``setting``, or ``llama3 (by vocabulary)`` and its like."""
        self.system_info = library.system_info()
        self.openmp = library.openmp()
        self.repacked = options.repack
        self.failure: FunctionError | None = None
        """Why the engine ended by itself: it answers nothing any more, and has given its memory back."""

    @classmethod
    def load(
        cls,
        source: Path | PlaceholderFile,
        options: LoadOptions,
        *,
        on_progress: Callable[[float], None] | None = None,
        cancel: threading.Event | None = None,
        hurry: Callable[[], bool] | None = None,
        on_set_up: Callable[["Engine"], None] | None = None,
    ) -> "Engine":
        """Load a GGUF, or what stands in for one that is still filling; returns when a token could be produced.

        One has been computed already, unless ``hurry`` says that somebody waits, whose prompt does as well.
        ``on_set_up`` is given the engine when it can do all but compute: tokenize, check jobs, be told what to expect.

        Raises ModelError for a file that cannot be served, EngineError when llama.cpp fails, Stopping once ``cancel``
        is set, and what ``PlaceholderFile.complete`` raises. All callbacks are called in the engine's thread;
        ``on_progress`` gets 0 … 1.
        """
        engine = cls(options)
        loaded: Future[None] = Future()
        engine._thread = threading.Thread(
            target=engine._work,
            args=(source, loaded, on_progress, cancel, hurry, on_set_up),
            name="engine",
            daemon=True,
        )
        engine._thread.start()
        renderer().start()  # while the engine's thread is in C

        try:
            loaded.result()
        except BaseException:
            engine.close()
            raise
        atexit.register(engine.close)  # the process must not tear llama.cpp down under a thread that computes
        return engine

    def tokenize(self, text: str, *, add_special: bool, parse_special: bool) -> list[int]:
        """The tokens of ``text`` (see Vocabulary.tokenize)."""
        with self._alive() as vocabulary:
            return vocabulary.tokenize(text, add_special=add_special, parse_special=parse_special)

    def detokenize(self, tokens: Sequence[int]) -> str:
        """The text of ``tokens``. Raises RequestError for an id outside the vocabulary."""
        with self._alive() as vocabulary:
            return vocabulary.detokenize(tokens)

    def spelled(self, tokens: Sequence[int]) -> list[bytes]:
        """The bytes of each of ``tokens``, of control tokens their names. Raises as ``detokenize`` does."""
        with self._alive() as vocabulary:
            vocabulary.check(tokens)
            return list(map(vocabulary.spelled, tokens))

    def render(self, messages: Sequence[Mapping[str, Any]], **template_kwargs: Any) -> str:
        """``messages`` as the model was trained to read them, up to where its reply begins.

        Raises RequestError, with the template's sentence, when it refuses them or fails.
        """
        return self._template.render(messages, **template_kwargs)

    def chat_tokens(self, messages: Sequence[Mapping[str, Any]], **template_kwargs: Any) -> tuple[int, ...]:
        """The prompt of a job that answers ``messages``."""
        return self.prompt(self.render(messages, **template_kwargs))

    def prompt(self, text: str) -> tuple[int, ...]:
        """The tokens of a rendered prompt, beginning with one BOS where the model wants one."""
        with self._alive() as vocabulary:
            tokens = vocabulary.tokenize(text, add_special=False, parse_special=True)
        if vocabulary.adds_bos and vocabulary.bos is not None:
            # Templates write BOS or leave it to the tokenizer, and some do both.
            begin = next((i for i, token in enumerate(tokens) if token != vocabulary.bos), len(tokens))
            tokens[:begin] = [vocabulary.bos]
        return tuple(tokens)

    def template_variables(self) -> frozenset[str]:
        """What the chat template asks for by name."""
        return self._template.variables

    def marks(self, names: Iterable[str]) -> frozenset[int]:
        """Those of ``names`` that are control tokens, which text does not show by itself."""
        with self._alive() as vocabulary:
            return frozenset(vocabulary.marks(names).values())

    def constrain(self, grammar: Grammar) -> "Constraint":
        """What lets one job say only what ``grammar`` holds for. The model's first takes up to a second longer.

        Raises RequestError, with the place in the request, for a grammar that cannot be used.
        """
        from function.engine.constraint import Constraints  # brings what others need not wait for

        with self._alive() as vocabulary:
            with self._constraints_lock:
                self._constraints = self._constraints or Constraints(vocabulary)
            return self._constraints.make(grammar)

    def check(self, job: Job) -> None:
        """Raise RequestError for a job that cannot be carried out.

        ContextExceeded for a prompt that leaves no room for a reply; tokens outside the vocabulary; sampling
        parameters out of range.
        """
        check(job, self._vocabulary, self.n_ctx)

    def submit(self, job: Job) -> Generation:
        """Queue ``job``; jobs are carried out in the order they come. Raises as ``check`` does, and Stopping."""
        self.check(job)
        room = self.n_ctx - len(job.prompt)
        generation = Generation(
            job,
            max_tokens=room if job.max_tokens is None else min(job.max_tokens, room),
            reader_timeout=self._options.reader_timeout,
        )
        with self._guard.held():
            self._open.add(generation)
            self._jobs.put(generation)
        return generation

    def expect(self, job: Job) -> None:
        """``job`` is what will be asked for first, as soon as the model is there."""
        self._awaited = self._awaited or job.prompt

    def do(self, work: Callable[[KVContext], T]) -> T:
        """Have the engine's thread do ``work`` between two generations, and return its result. Raises Stopping."""
        errand = EngineTask(work)
        with self._guard.held():
            self._jobs.put(errand)
        return errand.result()

    def close(self) -> None:
        """Cancel what runs and waits, give the memory back, end the thread. Idempotent; returns when it is done."""
        if self._guard.close():
            self._jobs.put(None)
        for generation in self._open.copy():
            generation.cancel()
        self._thread.join()
        atexit.unregister(self.close)

    @contextmanager
    def _alive(self) -> Iterator[Vocabulary]:
        """The vocabulary, which lives as long as the block lasts. Raises Stopping once closed."""
        with self._guard.inside():
            yield self._vocabulary

    def _ended(self) -> FunctionError:
        """Why nothing is answered any more."""
        return self.failure or Stopping("The instance is shutting down; ask again and another one answers.")

    def _work(
        self,
        source: Path | PlaceholderFile,
        loaded: "Future[None]",
        on_progress: Callable[[float], None] | None,
        cancel: threading.Event | None,
        hurry: Callable[[], bool] | None,
        on_set_up: Callable[["Engine"], None] | None,
    ) -> None:
        """The engine's thread, from load to free."""
        options = self._options
        try:
            model = Model(
                source,
                n_ctx=options.n_ctx,
                n_threads=options.n_threads,
                n_gpu_layers=options.n_gpu_layers,
                kv_type=options.kv_type,
                repack=options.repack,
                further=options.further,
                lora=options.lora,
                on_progress=on_progress,
                cancel=cancel,
            )
        except BaseException as e:
            loaded.set_exception(e)
            return
        try:
            self._describe(model)
            memory = KVContext(model, options.prefix_cache)
            if on_set_up:
                on_set_up(self)
            if isinstance(source, PlaceholderFile):
                finish_loading(source, model, memory, options.ahead, lambda: self._awaited, cancel or threading.Event())
            if not (len(memory) or (hurry and hurry())):
                model.warm_up()
            loaded.set_result(None)
            self._serve(Loop(model, memory), memory)
        except BaseException as e:
            if loaded.done():
                self.failure = e if isinstance(e, FunctionError) else EngineError(f"The engine ended: {e!r}.")
            else:
                loaded.set_exception(e)
        finally:
            self._guard.close()
            self._guard.await_empty()
            self._abandon()
            model.free()

    def _serve(self, loop: Loop, memory: KVContext) -> None:
        while (job := self._jobs.get()) is not None:
            if isinstance(job, EngineTask):
                job.run(memory)
                continue
            error = loop.run(job)
            self._open.discard(job)
            if isinstance(error, ModelError):
                raise error  # no other job would fare better

    def _abandon(self) -> None:
        """Tell everybody who still waits for the engine's thread, which ends."""
        error = self._ended()
        while self._open:
            self._open.pop().fail(error)
        while not self._jobs.empty():
            if isinstance(job := self._jobs.get(), EngineTask):
                job.set_exception(error)

    def _describe(self, model: Model) -> None:
        """Take over what other threads may read."""
        self._vocabulary = model.vocabulary
        self.name = model.metadata("general.name")
        self.n_ctx, self.n_ctx_train, self.n_vocab = model.n_ctx, model.n_ctx_train, model.vocabulary.size
        self.chunk = model.chunk
        self._template, self.template_source = choose(model, self._options.chat_template)
        self.chat_template = self._template.source
