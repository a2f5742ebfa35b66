"""The token loop: one generation from prompt to Finished, in the engine's thread."""

import threading
import time

from function.engine.drafter import Drafter
from function.engine.generation import Generation
from function.engine.kv.context import KVContext
from function.engine.llama.sampling import Sampler, Sampling
from function.engine.logprobs import PromptLogprobs, ReplyLogprobs
from function.engine.speculation import Speculation
from function.engine.text_stream import TextStream
from function.engine.token_source import ConstrainedTokenSource, FreeTokenSource
from function.engine.types import Finished, FinishReason, LoadOptions, PrefillProgress, TextPiece, Timings, Usage
from function.errors import EngineError, FunctionError


class TokenLoop:
    """Runs generations, one after the other, in ``context``."""

    def __init__(self, context: KVContext, options: LoadOptions) -> None:
        self._context, self._model, self._options = context, context.model, options
        self._end_tokens: list[int] | None = None

    def run(self, generation: Generation) -> FunctionError | None:
        """Run ``generation`` to its Finished event in any case; return the error that ended it, if any."""
        run = GenerationRun(generation)
        timer: threading.Timer | None = None
        try:
            timer = _start_deadline_timer(generation)
            reason = self._generate(run)
        except FunctionError as e:
            run.error = e
        except Exception as e:  # reported to the reader; the thread continues with the next job
            run.error = EngineError(f"The engine failed: {type(e).__name__}: {e}")
            run.error.__cause__ = e
        finally:
            if timer:
                timer.cancel()
        if run.error:
            reason = "error"
            self._context.clear()
        generation.finish(run.finished(reason))
        return run.error

    def _generate(self, run: "GenerationRun") -> FinishReason:
        generation, job = run.generation, run.generation.job
        self._model.set_abort_flag(generation.abort_flag)
        if generation.end_reason or not self._prefill(run):
            return generation.end_reason or "cancelled"
        if generation.max_tokens == 0:
            return "length"
        bans_end = job.sampling.ignore_eos and not job.constraint
        sampler = self._model.new_sampler(job.sampling, job.prompt, self._find_end_tokens() if bans_end else ())
        try:
            sampler.observes = job.post_sampling
            skip = job.logprobs is None  # logprobs are reported for each token, so each must be computed
            source = FreeTokenSource(sampler, skip=skip)
            if job.constraint:
                source = ConstrainedTokenSource(sampler, job.constraint, skip=skip)
            run.drafter = Drafter(job.prompt) if self._speculates(job.sampling) else None
            speculation = Speculation(self._context, run.drafter)
            reason = self._decode(run, sampler, source, speculation)
            speculation.withdraw()
            return reason
        finally:
            sampler.free()

    def _prefill(self, run: "GenerationRun") -> bool:
        """Compute the prompt, as far as it is not cached; return false if interrupted."""
        generation, job, context = run.generation, run.generation.job, self._context
        scored: PromptLogprobs | None = None
        if job.logprobs is not None and job.echo is not None:
            scored = PromptLogprobs(self._model, job.prompt, job.logprobs)
            context.start_over()
        else:
            run.cached = context.reuse_prefix(job.prompt, exact=job.sampling.seed is not None)
        generation.put(PrefillProgress(run.cached, len(job.prompt), run.cached))
        while len(context) < len(job.prompt):
            chunk = scored.next_chunk(len(context)) if scored else context.next_chunk(job.prompt)
            if generation.end_reason or not context.compute(chunk, outputs=len(chunk) if scored else 1):
                return False
            if scored:
                scored.on_chunk(len(context))
            generation.put(PrefillProgress(len(context), len(job.prompt), run.cached))
        run.prefilled = time.monotonic()
        self._model.check_logits()
        if job.echo is not None:
            generation.put(TextPiece(job.echo, 0, scored.result() if scored else ()))
        return True

    def _decode(
        self, run: "GenerationRun", sampler: Sampler, tokens: FreeTokenSource, speculation: Speculation
    ) -> FinishReason:
        generation, vocabulary, job = run.generation, self._model.vocabulary, run.generation.job
        stream = TextStream(job.stop)
        scored: ReplyLogprobs | None = None
        if job.logprobs is not None:
            observed = sampler if job.post_sampling else None
            scored = ReplyLogprobs(self._model, job.logprobs, stream.count_held, observed)
        watch = job.watch
        fresh: list[int] = []  # tokens that are not in the context yet
        unreported: list[int] = []  # tokens whose text is held back
        while True:
            if scored:
                scored.before_sampling(speculation.position)
            inserted = tokens.next_is_inserted
            token = tokens.next_token(speculation.position)
            ended = not inserted and vocabulary.is_end(token)
            if not ended:
                tokens.advance(token)
            generation.count_token()
            if run.first is None:
                run.first = time.monotonic()
            if not ended:
                if scored:
                    scored.on_token(token)
                piece = vocabulary.piece_or_name(token) if token in job.visible_tokens else vocabulary.piece(token)
                unreported.append(token)
                if text := stream.feed(piece):
                    logprobs = scored.take(text) if scored else ()
                    generation.put(TextPiece(text, generation.generated, logprobs, tuple(unreported)))
                    unreported.clear()
                if watch:
                    watch.on_token(text)
                    closing = watch.closing_tokens() if stream.is_between_characters else ()
                    if closing and tokens.insert(closing):
                        watch.on_closing()
            if not speculation.choose(token):
                fresh.append(token)
            reason: FinishReason | None = None
            if ended or tokens.is_complete:
                reason = "stop"
            elif stream.stopped or (watch and watch.stopped):
                # A reply that a stop string cuts off is not valid under the constraint.
                reason = "length" if job.constraint else "stop"
            elif generation.generated >= generation.max_tokens:
                reason = "length"
            elif generation.end_reason:
                reason = generation.end_reason
            elif fresh and (not tokens.next_is_forced or len(fresh) == self._model.chunk):
                room = generation.max_tokens - generation.generated
                reason = None if speculation.compute(fresh, tokens, room) else generation.end_reason or "cancelled"
                fresh = []
            if reason:
                text = stream.finish()
                logprobs = scored.take(text) if scored else ()
                if scored and not stream.stopped:
                    logprobs += scored.take_rest()
                if text or logprobs:
                    generation.put(TextPiece(text, generation.generated, logprobs, tuple(unreported)))
                run.stop_word = stream.stop_word or ""
                return reason

    def _speculates(self, sampling: Sampling) -> bool:
        """Return true if drafts are computed. Batches round differently, and a seed promises the same tokens."""
        options = self._options
        return options.speculates and (options.speculates_seeded or sampling.seed is None)

    def _find_end_tokens(self) -> list[int]:
        if self._end_tokens is None:
            self._end_tokens = self._model.vocabulary.find_end_tokens()
        return self._end_tokens


def _start_deadline_timer(generation: Generation) -> threading.Timer | None:
    """Start a timer that ends the job at its deadline, also in the middle of a chunk."""
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


class GenerationRun:
    """Counts and times of one generation."""

    def __init__(self, generation: Generation) -> None:
        self.generation = generation
        self.begun = time.monotonic()
        self.prefilled: float | None = None
        self.first: float | None = None
        self.cached = 0
        self.drafter: Drafter | None = None
        self.stop_word = ""
        self.error: FunctionError | None = None

    def finished(self, reason: FinishReason) -> Finished:
        """Return the last event."""
        now = time.monotonic()
        job, generated = self.generation.job, self.generation.generated
        thought = job.watch.count_thought_tokens(cut=reason != "stop") if job.watch else 0
        return Finished(
            reason,
            Usage(
                len(job.prompt),
                generated,
                self.cached,
                thought,
                self.drafter.drafted if self.drafter else 0,
                self.drafter.accepted if self.drafter else 0,
            ),
            Timings(
                prefill=(self.prefilled or now) - self.begun,
                first_token=self.first - self.begun if self.first else None,
                total=now - self.begun,
            ),
            self.error,
            self.stop_word,
        )
