"""Transfer of one object by many concurrent requests: the workers' shared state, and their supervisor."""

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from function.errors import AccessDenied, FunctionError, ObjectChanged, SourceError
from function.fetch.destination.partial_file import PartialFile
from function.fetch.policy import ConcurrencyProbe, Policy, find_laggards, is_transient
from function.fetch.transfer.assignment import Assignment, BlockPlan
from function.fetch.transfer.file_worker import FileWorker
from function.fetch.transfer.worker import RangeRejected, TransferWorker
from function.source import FileSource, ObjectInfo, Source
from function.system.stopwatch import Stopwatch

if TYPE_CHECKING:
    from function.source.native import NativeTarget, Reception

OVERLOAD_STATUSES = frozenset({429, 503})  # requests for fewer requests


class Transfer:
    """Transfer of the missing blocks of a partial file. It is the ``Dispatcher`` of its workers.

    ``on_bytes`` receives the number of bytes written, ``on_prefix`` the number of complete bytes from the file's start.
    ``pause`` runs at each poll, and may raise to stop the transfer.
    """

    def __init__(
        self,
        source: Source,
        info: ObjectInfo,
        partial: PartialFile,
        policy: Policy,
        on_bytes: Callable[[int], None],
        on_prefix: Callable[[int], None],
        pause: Callable[[], None],
    ) -> None:
        self._source, self._info, self._partial, self._policy = source, info, partial, policy
        self._on_bytes, self._on_prefix, self._pause = on_bytes, on_prefix, pause
        self.ended = False
        self._target = _open_target(partial) if policy.native else None
        self._plan = BlockPlan(partial.missing(), partial.block_bytes, partial.size, policy.first_bytes)
        self._changed = threading.Condition()
        self._assignments: dict[TransferWorker, Assignment | None] = {}  # every worker; None while it is idle
        self._failures: dict[int, int] = {}  # block → attempts that gained little
        self._renewing = threading.Lock()
        self._epoch = 0  # number of the current credentials
        self._renewed_at = -1  # finished bytes when the credentials were last renewed
        self._prefix = partial.prefix
        self._silence = Stopwatch()  # since the last byte, or the next attempt that the store has asked for
        self._error: FunctionError | None = None
        self._last_error: SourceError | None = None  # of an attempt that was repeated
        self._probe = ConcurrencyProbe(policy)
        self._reviewed_at = 0.0
        self._reviewed: dict[TransferWorker, int] = {}  # bytes received until then, by the workers busy at that time

    def run(self) -> bool:
        """Return True when all blocks are there, False if the server sends the whole object instead of ranges.

        Raises SourceError, FetchError, and the errors of ``pause``.
        """
        try:
            with self._changed:
                self._start_workers()
                self._reviewed_at = time.monotonic()
                while self._assignments and self._error is None:
                    self._changed.wait(self._policy.poll_seconds)
                    self._pause()
                    self._abort_stalled()
                    if self._silence.look() > self._policy.silence_seconds:
                        raise self._silence_error()
                    if time.monotonic() - self._reviewed_at >= self._policy.review_seconds:
                        self._review()
        finally:
            with self._changed:
                self.ended = True
                self._changed.notify_all()
                left = list(self._assignments)
            for worker in left:
                worker.abort("the fetch has ended")
            for worker in left:
                worker.join(self._policy.join_seconds)
        if isinstance(self._error, RangeRejected):
            return False
        if self._error is not None:
            raise self._error
        assert not self._partial.missing()
        return True

    def take(self, worker: TransferWorker) -> Assignment | None:
        assignment = self._take(worker)
        if assignment is not None:
            self._partial.reserve(assignment.start, assignment.stop_byte)
        return assignment

    def _take(self, worker: TransferWorker) -> Assignment | None:
        policy, partial = self._policy, self._partial
        max_blocks = max(1, policy.max_request_bytes // partial.block_bytes) if self._info.ranges else partial.count
        with self._changed:
            while not self.ended and self._error is None:
                if len(self._assignments) > self._probe.connections:
                    del self._assignments[worker]  # at once, or all workers that look before it ends would leave too
                    return None
                assignment = self._plan.take(len(self._assignments), max_blocks) or self._steal()
                if assignment is not None:
                    assignment.start, assignment.epoch = assignment.position, self._epoch
                    self._assignments[worker] = assignment
                    worker.received_at = time.monotonic()
                    return assignment
                if not any(self._assignments.values()):
                    return None
                self._changed.wait()
        return None

    def write(self, assignment: Assignment, data: memoryview) -> None:
        assignment.check = self._partial.update(assignment.check, data)
        self._partial.write(assignment.position, data)
        assignment.position += len(data)
        self._silence.restart()
        self._on_bytes(len(data))

    def note(self, assignment: Assignment, reception: "Reception") -> None:
        self._partial.count_received(reception.count, reception.unwritten)
        assignment.check = reception.check
        assignment.position += reception.count
        self._silence.restart()
        self._on_bytes(reception.count)

    def skip(self, check: int, data: memoryview) -> int:
        self._silence.restart()
        return self._partial.update(check, data)

    def compare(self, assignment: Assignment, check: int) -> None:
        partial = self._partial
        extents = [(partial.checks[block], *partial.extent(block)) for block in range(assignment.block)]
        parts = [(found, end - start) for found, start, end in extents]
        parts.append((assignment.check, assignment.position - assignment.block * partial.block_bytes))
        if partial.algorithm.combine_all(parts) != check:
            raise ObjectChanged(f"{self._info.uri}: the object was replaced while it was read.", uri=self._info.uri)

    def finish_block(self, worker: TransferWorker, assignment: Assignment) -> None:
        self._partial.finish(assignment.block, assignment.check)
        with self._changed:  # the lock keeps the reported prefixes in order
            if not self.ended and self._partial.prefix > self._prefix:
                self._prefix = self._partial.prefix
                self._on_prefix(self._prefix)
            assignment.block += 1
            assignment.check = 0
            if assignment.block >= assignment.stop:
                self._release(worker)

    def fail_attempt(self, worker: TransferWorker, assignment: Assignment, error: SourceError) -> None:
        policy, block, gained = self._policy, assignment.block, assignment.position - assignment.start
        with self._changed:
            self._plan.give_back(assignment)
            self._release(worker)
            if self.ended:
                return
            if error.evidence.get("status_code") in OVERLOAD_STATUSES:
                self._probe.back_off()
            attempts = 1 if gained >= policy.min_gain_bytes else self._failures.get(block, 0) + 1
            self._failures[block] = attempts
            self._last_error = error
        if isinstance(error, AccessDenied):
            self._renew(assignment.epoch, error)
        elif not is_transient(error) or (isinstance(error, RangeRejected) and attempts >= policy.max_range_rejections):
            raise error
        if attempts >= policy.max_attempts:
            raise error
        delay = policy.retry_delay(attempts, error)
        with self._changed:
            if error.evidence.get("retry_after"):
                self._silence.restart(delay)
            self._changed.wait_for(lambda: self.ended, delay)

    def fail(self, error: FunctionError) -> None:
        with self._changed:
            self._error = self._error or error
            self._changed.notify_all()

    def remove(self, worker: TransferWorker) -> None:
        with self._changed:
            self._assignments.pop(worker, None)
            self._changed.notify_all()

    def _silence_error(self) -> SourceError:
        last = f" The last error: {self._last_error}" if self._last_error is not None else ""
        return SourceError(
            f"{self._info.uri}: the store sent nothing for {self._policy.silence_seconds:g} s, over several attempts."
            f"{last}",
            uri=self._info.uri,
        )

    def _release(self, worker: TransferWorker) -> None:
        """Mark a worker as idle. The lock is held."""
        if worker in self._assignments:
            self._assignments[worker] = None
        self._changed.notify_all()

    def _renew(self, epoch: int, error: AccessDenied) -> None:
        """Renew the credentials, once for all workers. A second rejection without new bytes is final."""
        with self._renewing:
            if epoch != self._epoch:
                return  # another worker has renewed them since the request was signed
            received = self._partial.written_bytes
            if self._renewed_at >= received or not self._source.renew():
                raise error
            self._renewed_at = received
            self._epoch += 1

    def _steal(self) -> Assignment | None:
        """Return the second half of the largest assignment. The lock is held."""
        busy = [assignment for assignment in self._assignments.values() if assignment is not None]
        largest = max(busy, key=lambda assignment: assignment.stop - assignment.block, default=None)
        if largest is None or largest.stop - largest.block < 2:
            return None
        return largest.split(largest.block + (largest.stop - largest.block + 1) // 2)

    def _start_workers(self) -> None:
        """Start workers up to the chosen number while there are blocks to take. The lock is held."""
        count = len(self._assignments)
        wanted = min(self._probe.connections, count + self._plan.left) if self._info.ranges else 1
        for _ in range(wanted - count):
            worker = self._create_worker()
            self._assignments[worker] = None
            worker.start()

    def _create_worker(self) -> TransferWorker:
        if isinstance(self._source, FileSource):
            return FileWorker(self, self._source, self._info, self._policy)
        return TransferWorker(self, self._source, self._info, self._policy, self._target)

    def _review(self) -> None:
        """Compare the connections' rates since the last review; replace laggards, try more. The lock is held."""
        now = time.monotonic()
        received = {worker: worker.received for worker, assignment in self._assignments.items() if assignment}
        gains = {
            worker: count - self._reviewed[worker] for worker, count in received.items() if worker in self._reviewed
        }
        for worker in find_laggards(gains, self._policy):
            worker.abort("the connection was far slower than the others")
        if gains and self._plan.left > len(self._assignments) and self._info.ranges:
            self._probe.review(sum(gains.values()) / (now - self._reviewed_at))
            self._start_workers()
        self._reviewed_at, self._reviewed = now, received

    def _abort_stalled(self) -> None:
        """Abort silent connections; their blocks are requested again on new ones. The lock is held."""
        now = time.monotonic()
        for worker, assignment in self._assignments.items():
            if assignment is not None and now - worker.received_at > self._policy.stall_seconds:
                worker.received_at = now
                worker.abort(f"the store sent nothing for {self._policy.stall_seconds:g} s")


def _open_target(partial: PartialFile) -> "NativeTarget | None":
    """Return the file as the native receiver writes it; None without a receiver."""
    from function.source.native import native_receiver

    receiver = native_receiver()
    return None if receiver is None else partial.open_target(receiver)
