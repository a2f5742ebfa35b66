"""The engine: a loaded model and the one thread that makes all llama.cpp calls on it."""

import atexit
import queue
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, ClassVar, TypeVar

from function.engine.drain_gate import DrainGate
from function.engine.file_sampling import read_sampling
from function.engine.generation import Generation
from function.engine.grammar.constraint import Constraint, ConstraintFactory
from function.engine.grammar.grammar import Grammar
from function.engine.kv.context import KVContext
from function.engine.llama.model import Model, ModelSource
from function.engine.llama.sampling import Sampling
from function.engine.loop import TokenLoop
from function.engine.model_kind import require_kind
from function.engine.template.renderer import renderer
from function.engine.template.template import Template, choose
from function.engine.types import Job, LoadOptions, context_error
from function.errors import EngineError, FunctionError, ModelError, Stopping
from function.gguf import kind_of

T = TypeVar("T")
MAX_TOKENIZED_AT_ONCE = 2
"""Texts that are tokenized at once: a long one takes memory and the time of a CPU, which replies need."""
MIN_CHECKED_CHARACTERS = 100_000
"""Length below which a text is tokenized without a check, so that the error has the exact number of its tokens."""


class Engine:
    """A loaded model that runs jobs one after the other. Made by ``load``; safe for any thread."""

    MODEL: ClassVar[type[Model]] = Model
    LOOP: ClassVar[type[TokenLoop]] = TokenLoop

    def __init__(self, options: LoadOptions) -> None:
        self._options = options
        self._jobs: queue.SimpleQueue[Generation | _Task[Any] | None] = queue.SimpleQueue()
        self._gate = DrainGate(self._closed_error)
        self._tokenizing = threading.BoundedSemaphore(MAX_TOKENIZED_AT_ONCE)
        self._open: set[Generation] = set()
        self._special_names: Future[tuple[list[str], list[str]]] = Future()
        self._constraints: ConstraintFactory | None = None
        self._constraints_lock = threading.Lock()
        self._thread: threading.Thread
        self._model: Model
        self._template: Template
        self.kind = kind_of(options.pooling)
        """Use of the model: ``chat``, ``embedding`` or ``reranker``."""
        self.name: str | None
        """The model's name in its file."""
        self.sampling: Sampling
        """Sampling defaults: those of the file, else llama.cpp's."""
        self.n_ctx: int
        """Tokens for prompt and reply together."""
        self.n_ctx_train: int
        self.n_vocab: int
        self.chat_template: str | None
        """Source of the chat template; None for a built-in one."""
        self.chunk: int
        """Tokens that are prefilled at once."""
        self.template_source: str
        """Origin of the chat template: ``model``, ``setting``, or for example ``llama3 (by architecture)``."""
        self.system_info: str
        self.openmp: bool
        self.repacked = options.repack
        self.failure: FunctionError | None = None
        """Error that ended the engine; its memory is free, and it answers nothing any more."""

    @classmethod
    def load(
        cls,
        source: ModelSource,
        options: LoadOptions,
        *,
        on_progress: Callable[[float], None] | None = None,
        cancel: threading.Event | None = None,
        client_waiting: Callable[[], bool] | None = None,
        on_vocabulary: Callable[["Engine"], None] | None = None,
    ) -> "Engine":
        """Load a GGUF file, or the placeholder of one that is being downloaded; return when it can generate.

        One token is computed first, unless ``client_waiting()``: then the waiting prompt warms the model up.
        ``on_vocabulary`` gets the engine once it can tokenize and check jobs. ``on_progress`` gets 0 … 1. All callbacks
        run in the engine's thread.

        Raises ModelError for a file that cannot be served, EngineError when llama.cpp fails, Stopping once ``cancel``
        is set, and as ``PlaceholderFile.map_complete_file`` does.
        """
        engine = cls(options)
        loaded: Future[None] = Future()

        def load_model() -> Model:
            return cls.MODEL(
                source,
                n_ctx=options.n_ctx,
                n_threads=options.n_threads,
                n_gpu_layers=options.n_gpu_layers,
                kv_type=options.kv_type,
                repack=options.repack,
                further=options.further,
                lora=options.lora,
                pooling=options.pooling,
                on_progress=on_progress,
                cancel=cancel,
            )

        work = (load_model, loaded, client_waiting, on_vocabulary)
        engine._thread = threading.Thread(target=engine._work, args=work, name="engine", daemon=True)
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
        """Return the tokens of ``text`` (see Vocabulary.tokenize)."""
        with self._gate.enter(), self._tokenizing:
            return self._model.vocabulary.tokenize(text, add_special=add_special, parse_special=parse_special)

    def check_length(self, *pieces: str, param: str | None = None) -> None:
        """Raise ContextExceeded for a prompt that is too long by its length alone, whatever its tokens are."""
        if sum(map(len, pieces)) < MIN_CHECKED_CHARACTERS:
            return
        with self._gate.enter():
            tokens = sum(map(self._model.vocabulary.count_at_least, pieces))
        if tokens >= self.n_ctx:
            raise context_error(tokens, self.n_ctx, param, counted=False)

    def tokenize_continuation(self, text: str) -> tuple[int, ...]:
        """Return the tokens of ``text`` in the middle of a reply, with the control tokens that it names."""
        with self._gate.enter():
            return tuple(self._model.vocabulary.tokenize_continuation(text, parse_special=True))

    def detokenize(self, tokens: Sequence[int]) -> str:
        """Return the text of ``tokens``. Raises RequestError for an id outside the vocabulary."""
        with self._gate.enter():
            return self._model.vocabulary.detokenize(tokens)

    def token_pieces(self, tokens: Sequence[int]) -> list[bytes]:
        """Return the bytes of each token, a control token's name. Raises as ``detokenize`` does."""
        with self._gate.enter():
            self._model.vocabulary.check(tokens)
            return list(map(self._model.vocabulary.piece_or_name, tokens))

    def render(self, messages: Sequence[Mapping[str, Any]], **template_kwargs: Any) -> str:
        """Render ``messages`` with the chat template, up to the beginning of the reply.

        Raises RequestError, with the template's message, when the template rejects them or fails.
        """
        return self._template.render(messages, **template_kwargs)

    def tokenize_chat(self, messages: Sequence[Mapping[str, Any]], **template_kwargs: Any) -> tuple[int, ...]:
        """Return the prompt of a job that answers ``messages``."""
        return self.tokenize_prompt(self.render(messages, **template_kwargs))

    def tokenize_prompt(self, *pieces: str) -> tuple[int, ...]:
        """Return the tokens of a rendered prompt, with exactly one BOS if the model wants one.

        The prompt may be in ``pieces``; no control token is in two of them.
        """
        vocabulary = self._model.vocabulary
        with self._gate.enter(), self._tokenizing:
            tokens = vocabulary.tokenize_pieces(pieces)
        if vocabulary.adds_bos and vocabulary.bos is not None:
            # Templates write BOS or leave it to the tokenizer, and some do both.
            begin = next((i for i, token in enumerate(tokens) if token != vocabulary.bos), len(tokens))
            tokens[:begin] = [vocabulary.bos]
        return tuple(tokens)

    def template_variables(self) -> frozenset[str]:
        """Return the names of the chat template's variables."""
        return self._template.variables

    def read_special_names(self) -> tuple[list[str], list[str]]:
        """Return the names of control tokens, and those of other special tokens. They are known soon after the load."""
        return self._special_names.result()

    def find_control_tokens(self, names: Iterable[str]) -> frozenset[int]:
        """Return the ids of those ``names`` that are control tokens."""
        with self._gate.enter():
            return frozenset(self._model.vocabulary.find_control_tokens(names).values())

    def constrain(self, grammar: Grammar) -> Constraint:
        """Return a constraint of one job to ``grammar``. The model's first takes up to a second longer.

        Raises RequestError, with the request's field, for a grammar that cannot be used.
        """
        with self._gate.enter():
            with self._constraints_lock:
                self._constraints = self._constraints or ConstraintFactory(self._model.vocabulary)
            return self._constraints.make(grammar)

    def check(self, job: Job) -> None:
        """Raise RequestError for a job that cannot run: see ``Job.check``; tokens outside the vocabulary.

        Raises WrongModelKind for a job that needs a model of another kind.
        """
        require_kind(self.kind, job.needs)
        job.check(n_ctx=self.n_ctx, n_vocab=self.n_vocab)
        self._model.vocabulary.check(job.prompt, param=job.param)

    def submit(self, job: Job) -> Generation:
        """Check and queue ``job``. Raises as ``check`` and ``start`` do."""
        self.check(job)
        return self.start(job)

    def start(self, job: Job) -> Generation:
        """Queue a job that ``check`` accepted; jobs run in the order they come. Raises Stopping."""
        room = self.n_ctx - len(job.prompt)
        generation = Generation(
            job,
            max_tokens=room if job.max_tokens is None else min(job.max_tokens, room),
            reader_timeout=self._options.reader_timeout,
        )
        with self._gate.hold_open():
            self._open.add(generation)
            self._jobs.put(generation)
        return generation

    def run_task(self, work: Callable[[KVContext], T]) -> T:
        """Run ``work`` in the engine's thread, between two generations, and return its result. Raises Stopping."""
        task = _Task(work)
        with self._gate.hold_open():
            self._jobs.put(task)
        return task.result()

    def close(self) -> None:
        """Cancel all jobs, free the memory, end the thread; return when done. Idempotent."""
        if self._gate.close():
            self._jobs.put(None)
        for generation in self._open.copy():
            generation.cancel()
        self._thread.join()
        atexit.unregister(self.close)

    def _closed_error(self) -> FunctionError:
        return self.failure or Stopping("The instance is shutting down; ask again and another one answers.")

    def _work(
        self,
        load_model: Callable[[], Model],
        loaded: "Future[None]",
        client_waiting: Callable[[], bool] | None,
        on_vocabulary: Callable[["Engine"], None] | None,
    ) -> None:
        """Run the engine's thread, from load to free."""
        try:
            model = load_model()
        except BaseException as e:
            loaded.set_exception(e)
            return
        try:
            self._describe(model)
            context = KVContext(model, self._options.prefix_cache)
            if on_vocabulary:
                on_vocabulary(self)
            model.map_complete_file()
            if not (client_waiting and client_waiting()):
                model.warm_up()
            loaded.set_result(None)
            self._serve(self.LOOP(context, self._options), context)
        except BaseException as e:
            if loaded.done():
                self.failure = e if isinstance(e, FunctionError) else EngineError(f"The engine ended: {e!r}.")
            else:
                loaded.set_exception(e)
        finally:
            self._gate.close()
            self._gate.wait_until_empty()
            self._abandon_jobs()
            model.free()

    def _serve(self, loop: TokenLoop, context: KVContext) -> None:
        while (job := self._jobs.get()) is not None:
            if isinstance(job, _Task):
                job.run(context)
                continue
            error = loop.run(job)
            self._open.discard(job)
            if isinstance(error, ModelError):
                raise error  # every other job would fail, too

    def _abandon_jobs(self) -> None:
        """Report the end of the engine's thread to all who wait for it."""
        error = self._closed_error()
        while self._open:
            self._open.pop().fail(error)
        while not self._jobs.empty():
            if isinstance(job := self._jobs.get(), _Task):
                job.set_exception(error)

    def _describe(self, model: Model) -> None:
        """Set the attributes that other threads read."""
        self._model = model
        self.name = model.metadata("general.name")
        self.sampling = read_sampling(model.metadata, model.vocabulary.size)
        self.n_ctx, self.n_ctx_train, self.n_vocab = model.n_ctx, model.n_ctx_train, model.vocabulary.size
        self.chunk, self.system_info, self.openmp = model.chunk, model.system_info, model.openmp
        self._describe_use(model)

    def _describe_use(self, model: Model) -> None:
        """Set the attributes of engines of this kind."""
        self._template, self.template_source = choose(
            model, self._options.chat_template, self._options.chat_template_kwargs
        )
        self.chat_template = self._template.source
        # A large vocabulary takes 0.1 s, which the first chat need not wait for: the engine waits for the file, or
        # computes, meanwhile.
        threading.Thread(target=self._read_special_names, name="vocabulary", daemon=True).start()

    def _read_special_names(self) -> None:
        try:
            with self._gate.enter():
                self._special_names.set_result(self._model.vocabulary.read_special_names())
        except FunctionError as e:  # the engine was closed
            self._special_names.set_exception(e)


class _Task(Future[T]):
    """Work for the engine's thread on behalf of another thread, and its result."""

    def __init__(self, work: Callable[[KVContext], T]) -> None:
        super().__init__()
        self._work = work

    def run(self, context: KVContext) -> None:
        try:
            self.set_result(self._work(context))
        except Exception as e:  # for the thread that waits; this one continues
            self.set_exception(e)
