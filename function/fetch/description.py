"""Descriptions of objects by their stores, before a fetch."""

import threading
from collections.abc import Callable, Sequence

from function.errors import SourceError
from function.fetch.policy import Policy, is_transient
from function.source import ObjectInfo, Source
from function.system.stopwatch import Stopwatch


def describe(sources: Sequence[Source], policy: Policy, raise_if_cancelled: Callable[[], None]) -> list[ObjectInfo]:
    """Describe all objects at once, in threads, so that the wait can be cancelled and is bounded.

    Raises SourceError, also after ``policy.describe_seconds`` without a description.
    """
    stopwatch = Stopwatch()
    requests = [_DescribeThread(source, policy) for source in sources]
    try:
        for request in requests:
            request.start()
        for request in requests:
            while request.is_alive():
                request.join(policy.poll_seconds)
                raise_if_cancelled()
                if stopwatch.look() > policy.describe_seconds and request.is_alive():
                    raise request.timeout_error(policy.describe_seconds)
        return [request.result() for request in requests]
    finally:
        for request in requests:
            request.ended.set()


class _DescribeThread(threading.Thread):
    """Request for an object's description, repeated while it fails for a transient reason."""

    def __init__(self, source: Source, policy: Policy) -> None:
        super().__init__(name="describe", daemon=True)
        self._source, self._policy = source, policy
        self.ended = threading.Event()
        self._info: ObjectInfo | None = None
        self._error: BaseException | None = None

    def run(self) -> None:
        for attempt in range(1, self._policy.max_attempts + 1):
            try:
                self._info = self._source.describe()
                return
            except SourceError as e:
                self._error = e
                if not is_transient(e) or self.ended.wait(self._policy.retry_delay(attempt, e)):
                    return
            except BaseException as e:  # raised by result, in the caller's thread
                self._error = e
                return

    def timeout_error(self, seconds: float) -> SourceError:
        """Return the error for a description that did not arrive within ``seconds``."""
        last = f" The last error: {self._error}" if self._error is not None else ""
        return SourceError(
            f"{self._source.uri}: the store did not describe the object within {seconds:g} s.{last}",
            uri=self._source.uri,
        )

    def result(self) -> ObjectInfo:
        """Return the description, or raise the last error."""
        if self._info is None:
            assert self._error is not None
            raise self._error
        return self._info
