"""The token loop: one generation from prompt to Finished. Runs in the engine's thread, the only one to use a model."""

import threading
import time
from typing import TYPE_CHECKING

from function.engine.generation import Generation
from function.engine.kv.context import KVContext
from function.engine.llama.model import Model
from function.engine.llama.sampler import Sampler
from function.engine.text_stream import TextStream
from function.engine.token_observer import TokenObserver
from function.engine.token_source import ConstrainedTokenSource, FreeTokenSource
from function.engine.types import Finished, FinishReason, Job, PrefillProgress, TextPiece, Timings, Usage
from function.errors import EngineError, FunctionError

if TYPE_CHECKING:
    from function.engine.logprobs import PromptLogprobObserver


class Loop:
    """What lasts from one generation to the next: the model, and what it has read."""

    def __init__(self, model: Model, memory: KVContext) -> None:
        self._model = model
        self._memory = memory
        self._end_tokens: list[int] | None = None

    def run(self, generation: Generation) -> FunctionError | None:
        """Carry out ``generation`` to its Finished, whatever happens; returns what went wrong, if anything."""
        run = _Run(generation)
        timer: threading.Timer | None = None
        try:
            timer = self._timer(generation)
            reason = self._generate(run)
        except FunctionError as e:
            run.error = e
        except Exception as e:  # the reader must hear of it; the thread goes on to the next
            run.error = EngineError(f"The engine failed: {type(e).__name__}: {e}")
            run.error.__cause__ = e
        finally:
            if timer:
                timer.cancel()
        if run.error:
            reason = "error"
            self._memory.forget()
        generation.finish(run.finished(reason))
        return run.error

    def _generate(self, run: "_Run") -> FinishReason:
        generation, job, model = run.generation, run.generation.job, self._model
        sampler = None
        model.watch(generation.flag)
        try:
            if generation.ended or not self._prefill(run):
                return generation.ended or "cancelled"
            if generation.max_tokens == 0:
                return "length"
            sampler = Sampler(
                job.sampling,
                n_vocab=model.vocabulary.size,
                n_ctx=model.n_ctx,
                end_tokens=self._ends() if job.sampling.ignore_eos and not job.constraint else (),
                prompt=job.prompt,
                vocabulary=model.vocabulary.handle,
            )
            return self._decode(run, sampler)
        finally:
            if sampler:
                sampler.free()

    def _prefill(self, run: "_Run") -> bool:
        """Bring the prompt into the cache; whether it was not interrupted."""
        job, memory = run.generation.job, self._memory
        scored = self._scored(job)
        run.cached = memory.prepare(job.prompt, exact=job.sampling.seed is not None, anew=scored is not None)
        run.generation.put(PrefillProgress(run.cached, len(job.prompt)))
        while len(memory) < len(job.prompt):
            chunk = memory.cache.next_chunk(job.prompt) if scored is None else scored.next_chunk(len(memory))
            if run.generation.ended or not memory.compute(chunk, every=scored is not None):
                return False
            if scored:
                scored.computed(len(memory))
            run.generation.put(PrefillProgress(len(memory), len(job.prompt)))
        run.prefilled = time.monotonic()
        self._model.prove()
        if job.echo is not None:
            run.generation.put(TextPiece(job.echo, 0, scored.logprobs if scored else ()))
        return True

    def _decode(self, run: "_Run", sampler: Sampler) -> FinishReason:
        generation, vocabulary, job = run.generation, self._model.vocabulary, run.generation.job
        stream = TextStream(job.stop)
        record = self._record(job)
        tokens = FreeTokenSource(sampler, self._model)
        if job.constraint:  # logprobs are told of each token, so that each must be computed
            skip = job.logprobs is None
            tokens = ConstrainedTokenSource(sampler, self._model, job.constraint, skip=skip)
        fresh: list[int] = []  # tokens that are not in the cache yet
        while True:
            record.look()
            token = tokens.next()
            generation.count()
            if run.first is None:
                run.first = time.monotonic()
            ended = vocabulary.is_end(token)
            if not ended:
                record.add(token, stream)
                piece = vocabulary.spelled(token) if token in job.shown else vocabulary.piece(token)
                if text := stream.feed(piece):
                    generation.put(TextPiece(text, generation.generated, record.given(text)))
            fresh.append(token)
            reason: FinishReason | None = None
            if ended or tokens.complete:
                reason = "stop"
            elif stream.stopped:  # what a stop string cuts off is not what the constraint promised
                reason = "length" if job.constraint else "stop"
            elif generation.generated >= generation.max_tokens:
                reason = "length"
            elif generation.ended:
                reason = generation.ended
            elif not tokens.known or len(fresh) == self._model.chunk:
                reason = None if self._memory.compute(fresh) else generation.ended or "cancelled"
                fresh = []
            if reason:
                text = stream.finish()
                logprobs = record.given(text) + (() if stream.stopped else record.rest())
                if text or logprobs:
                    generation.put(TextPiece(text, generation.generated, logprobs))
                return reason

    def _record(self, job: Job) -> TokenObserver:
        """What notes logprobs, for a job that asks for them."""
        if job.logprobs is None:
            return TokenObserver()
        from function.engine.logprobs import LogprobObserver  # brings numpy: 0.2 s that others need not wait for

        return LogprobObserver(self._model, job.logprobs)

    def _scored(self, job: Job) -> "PromptLogprobObserver | None":
        """What notes the logprobs of the prompt, for a job that asks for them."""
        if job.logprobs is None or job.echo is None:
            return None
        from function.engine.logprobs import PromptLogprobObserver

        return PromptLogprobObserver(self._model, job.prompt, job.logprobs)

    def _ends(self) -> list[int]:
        if self._end_tokens is None:
            self._end_tokens = self._model.vocabulary.end_tokens()
        return self._end_tokens

    def _timer(self, generation: Generation) -> threading.Timer | None:
        """What ends the job at its deadline; it must not wait for the end of a chunk."""
        deadline = generation.job.deadline
        if deadline is None:
            return None
        left = deadline - time.monotonic()
        if left <= 0:
            generation.end("deadline")
            return None
        timer = threading.Timer(left, generation.end, ("deadline",))
        timer.daemon = True
        timer.start()
        return timer


class _Run:
    """What is counted and timed of one generation."""

    def __init__(self, generation: Generation) -> None:
        self.generation = generation
        self.begun = time.monotonic()
        self.prefilled: float | None = None
        self.first: float | None = None
        self.cached = 0
        self.error: FunctionError | None = None

    def finished(self, reason: FinishReason) -> Finished:
        now = time.monotonic()
        return Finished(
            reason,
            Usage(len(self.generation.job.prompt), self.generation.generated, self.cached),
            Timings(
                prefill=(self.prefilled or now) - self.begun,
                first_token=self.first - self.begun if self.first else None,
                total=now - self.begun,
            ),
            self.error,
        )
