"""Which failures pass, how long to wait before the next attempt, and questions that can be given up."""

import random
import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from function.errors import ObjectChanged, SourceError
from function.fetch.policy import Policy
from function.source.base import PASSING

T = TypeVar("T")
BAD_RANGE = 416  # nonsense for a range inside the object: the server is confused, perhaps not for long


def passing(error: SourceError) -> bool:
    """Whether the same question may be answered differently a moment later."""
    if isinstance(error, ObjectChanged) or error.permanent:
        return False
    status = error.evidence.get("status_code")
    return status is None or status in PASSING or status == BAD_RANGE


def delay(policy: Policy, attempt: int, error: SourceError) -> float:
    """Seconds to wait after the ``attempt``-th failure (from 1): doubling, jittered, and what the server asks for."""
    wait: float = min(policy.max_backoff, policy.backoff * 2 ** (attempt - 1))
    wait = wait * random.uniform(0.5, 1.0)  # noqa: S311  # it spreads retries and guards nothing
    asked: float | None = error.evidence.get("retry_after")
    return wait if asked is None else max(wait, min(asked, policy.max_retry_after))


class _Question(threading.Thread, Generic[T]):
    """Asks until there is an answer, a final refusal or no attempt left."""

    def __init__(self, ask: Callable[[], T], policy: Policy) -> None:
        super().__init__(name="ask", daemon=True)
        self._ask, self._policy = ask, policy
        self.ended = threading.Event()
        self.answer: list[T] = []
        self.error: BaseException | None = None

    def run(self) -> None:
        for attempt in range(1, self._policy.attempts + 1):
            try:
                self.answer.append(self._ask())
                return
            except SourceError as e:
                self.error = e
                if not passing(e) or self.ended.wait(delay(self._policy, attempt, e)):
                    return
            except BaseException as e:  # handed to the caller, who is another thread
                self.error = e
                return


def retry_questions(questions: Sequence[Callable[[], T]], policy: Policy, check: Callable[[], None]) -> list[T]:
    """Ask all at once, retry what passes, return the answers in order. ``check`` may raise to give up waiting."""
    asked = [_Question(question, policy) for question in questions]
    try:
        for question in asked:
            question.start()
        for question in asked:
            while question.is_alive():
                question.join(policy.tick)
                check()
            if not question.answer:
                assert question.error is not None
                raise question.error
        return [question.answer[0] for question in asked]
    finally:
        for question in asked:
            question.ended.set()
