"""One request's way to an embedding model or reranker: the results of all its inputs."""

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from function.engine import EmbeddedInput, EmbeddingEngine, EmbeddingJob, Engine, Finished, Job, require_kind
from function.errors import Unavailable
from function.lifecycle.service import Service
from function.web import exchange
from function.web.generation_stream import JobStream
from function.web.request.base_model import RequestModel

Tokens = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class EmbeddingResults:
    """``values``: a vector, or a score alone, for each input. ``tokens``: of all inputs."""

    values: list["array[float]"]
    tokens: int


class EmbeddingStream(JobStream):
    """Job of embedding or, if ``scores``, of reranking. ``make_inputs`` makes its inputs, from the field ``param``."""

    def __init__(
        self,
        service: Service,
        body: RequestModel,
        make_inputs: Callable[[EmbeddingEngine], Sequence[Tokens]],
        *,
        param: str,
        scores: bool = False,
    ) -> None:
        self._make_inputs, self._param, self._scores = make_inputs, param, scores
        exchange.current().ignored_fields = body.ignored_fields()
        super().__init__(service)

    def run(self) -> EmbeddingResults:
        """Wait for the model and for all results. Raises what prevents them, and ClientGone."""
        values: list[array[float]] = []
        try:
            for _ in self.wait():
                pass
            for event in self.events():
                if isinstance(event, EmbeddedInput):
                    values.append(event.values)
                elif isinstance(event, Finished):
                    if event.reason != "stop":
                        raise Unavailable(
                            f"The time for this request ran out after {len(values)} inputs. Send fewer at once."
                        )
                    return EmbeddingResults(values, event.usage.prompt_tokens)
            raise AssertionError("events end with Finished")
        finally:
            self.release()

    def _checked_jobs(self, engine: Engine) -> list[Job]:
        """See JobStream."""
        require_kind(engine.kind, "reranker" if self._scores else "embedding")
        assert isinstance(engine, EmbeddingEngine)
        inputs = tuple(self._make_inputs(engine))
        job = EmbeddingJob(
            prompt=tuple(token for tokens in inputs for token in tokens),
            inputs=inputs,
            param=self._param,
            scores=self._scores,
            deadline=self.client.deadline,
        )
        engine.check(job)
        return [job]
