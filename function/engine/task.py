"""What only the engine's thread may do, between two generations, for another thread that waits for it."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from function.engine.kv.context import KVContext

T = TypeVar("T")


class EngineTask(Future[T]):
    """Something that only the engine's thread may do, and what came of it."""

    def __init__(self, work: Callable[[KVContext], T]) -> None:
        super().__init__()
        self._work = work

    def run(self, memory: KVContext) -> None:
        try:
            self.set_result(self._work(memory))
        except Exception as e:  # whoever waits must hear of it; the thread goes on
            self.set_exception(e)
