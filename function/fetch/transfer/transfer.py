"""Many ranged GETs at once into one file: the shared state of the workers, and the supervisor that watches them."""

import threading
import time
from collections.abc import Callable

from function.errors import AccessDenied, FunctionError, SourceError
from function.fetch.destination.partial_file import PartialFile
from function.fetch.policy import Policy
from function.fetch.progress import Progress
from function.fetch.retry import delay, passing
from function.fetch.transfer.blocks import BlockPlan, BlockRange
from function.fetch.transfer.concurrency import ConcurrencyProbe, laggards
from function.fetch.transfer.response import RangeRejected
from function.fetch.transfer.worker import TransferWorker
from function.source import ObjectInfo, Source

BUSY = frozenset({429, 503})  # statuses by which a store asks for fewer requests


class Transfer:
    """Fills a partial file's missing blocks. ``run`` returns when all are there, or raises why they cannot be."""

    def __init__(
        self,
        source: Source,
        info: ObjectInfo,
        partial: PartialFile,
        *,
        policy: Policy,
        progress: Progress,
        pause: Callable[[], None],
    ) -> None:
        self.source, self.info, self.partial = source, info, partial
        self.policy, self.progress = policy, progress
        self.epoch = 0  # how many times credentials were renewed
        self.ended = False
        self._pause = pause
        self._plan = BlockPlan(partial.missing())
        self._changed = threading.Condition()
        self._renewing = threading.Lock()
        self._workers: set[TransferWorker] = set()
        self._begun: dict[int, tuple[int, int]] = {}  # block → how far it is written, and the checksum so far
        self._failures: dict[int, int] = {}  # block → attempts that gained little
        self._renewed_at = -1  # how much had arrived when credentials were last renewed
        self._error: FunctionError | None = None
        self._climb = ConcurrencyProbe(policy)
        self._reviewed = 0.0  # when the rate was last looked at
        self._counted: dict[TransferWorker, int] = {}  # what each had received then, if it was at work

    def run(self) -> None:
        """Raises SourceError, FetchError, and whatever ``pause`` raises to stop."""
        try:
            with self._changed:
                self._hire()
                self._reviewed = time.monotonic()
                while self._workers and self._error is None:
                    self._changed.wait(self.policy.tick)
                    self._pause()
                    self._drop_stalled()
                    if time.monotonic() - self._reviewed >= self.policy.review:
                        self._review()
        finally:
            with self._changed:
                self.ended = True
                self._changed.notify_all()
                left = list(self._workers)
            for worker in left:
                worker.abort("the fetch has ended")
            for worker in left:
                worker.join(self.policy.farewell)
        if self._error is not None:
            raise self._error
        assert len(self.partial.checks) == self.partial.count

    def take(self, worker: TransferWorker) -> bool:
        """Give a worker its next run; waits while others may still fail. False when there is nothing more to do."""
        with self._changed:
            while not self.ended and self._error is None:
                if len(self._workers) > self._climb.connections:
                    self._workers.discard(worker)  # now: those who look before it has left would all go too
                    return False
                most = max(1, self.policy.max_request // self.partial.block) if self.info.ranges else self.partial.count
                run = self._plan.take(len(self._workers), most) or self._steal()
                if run is not None:
                    worker.block, worker.last = run.first, run.last
                    start, _ = self.partial.extent(run.first)
                    worker.position, worker.check = self._begun.pop(run.first, (start, 0))
                    worker.heard, worker.busy = time.monotonic(), True
                    return True
                if not any(other.busy for other in self._workers):
                    return False
                self._changed.wait()
        return False

    def finish(self, worker: TransferWorker) -> None:
        """The worker's current block is whole; the next one begins."""
        self.partial.finish(worker.block, worker.check)
        with self._changed:  # or one that looked before another would tell of less after it
            if not self.ended and self.progress.part is not None and self.partial.prefix > self.progress.prefix:
                self.progress.fill(self.partial.path, self.partial.prefix)
            worker.block += 1
            worker.check = 0
            if worker.block >= worker.last:
                worker.busy = False
                self._changed.notify_all()

    def failed(self, worker: TransferWorker, start: int, epoch: int, error: SourceError) -> None:
        """A request ended early at ``worker.position``: take the rest back; wait, or raise ``error`` if it is final."""
        gained = worker.position - start
        with self._changed:
            block = worker.block
            if block < worker.last:
                self._begun[block] = (worker.position, worker.check)
                self._plan.give_back(BlockRange(block, worker.last))
            worker.busy = False
            self._changed.notify_all()
            if self.ended:
                return
            if error.evidence.get("status_code") in BUSY:
                self._climb.back_off()
            attempts = 1 if gained >= self.policy.gain else self._failures.get(block, 0) + 1
            self._failures[block] = attempts
        if isinstance(error, AccessDenied):
            self._renew(epoch, error)
        elif not passing(error) or (isinstance(error, RangeRejected) and attempts >= self.policy.refusals):
            raise error
        if attempts >= self.policy.attempts:
            raise error
        wait = delay(self.policy, attempts, error)
        with self._changed:
            self._changed.wait_for(lambda: self.ended, wait)

    def fail(self, error: FunctionError, cause: BaseException | None = None) -> None:
        """End the transfer with an error; the first one counts."""
        with self._changed:
            if self._error is None:
                error.__cause__ = error.__cause__ or cause
                self._error = error
            self._changed.notify_all()

    def leave(self, worker: TransferWorker) -> None:
        """A worker's last words."""
        with self._changed:
            worker.busy = False
            self._workers.discard(worker)
            self._changed.notify_all()

    def _renew(self, epoch: int, error: AccessDenied) -> None:
        """New credentials, once for all workers; a second refusal without a byte in between is final."""
        with self._renewing:
            if epoch != self.epoch:
                return  # another worker has renewed them since the request was signed
            if self._renewed_at >= self.progress.done or not self.source.renew():
                raise error
            self._renewed_at = self.progress.done
            self.epoch += 1

    def _steal(self) -> BlockRange | None:
        """With nothing left to take: the second half of what the most laden worker still has ahead."""
        laden = max((w for w in self._workers if w.busy), key=lambda w: w.last - w.block, default=None)
        if laden is None or laden.last - laden.block < 2:
            return None
        middle = laden.block + (laden.last - laden.block + 1) // 2
        run = BlockRange(middle, laden.last)
        laden.last = middle
        return run

    def _hire(self) -> None:
        """Start workers up to the number worth having, as long as there is something to take."""
        wanted = min(self._climb.connections, len(self._workers) + self._plan.left) if self.info.ranges else 1
        for _ in range(wanted - len(self._workers)):
            worker = TransferWorker(self)
            self._workers.add(worker)
            worker.start()

    def _review(self) -> None:
        """See what the connections have brought since the last time; replace laggards, try more."""
        now = time.monotonic()
        at_work = {worker: worker.received for worker in self._workers if worker.busy}
        gains = {worker: count - self._counted[worker] for worker, count in at_work.items() if worker in self._counted}
        for worker in laggards(gains, self.policy):
            worker.abort("the connection was far slower than the others")
        if gains and self._plan.left > len(self._workers) and self.info.ranges:
            self._climb.review(sum(gains.values()) / (now - self._reviewed))
            self._hire()
        self._reviewed, self._counted = now, at_work

    def _drop_stalled(self) -> None:
        """Give up connections that have been silent too long; their ranges are asked for again on fresh ones."""
        now = time.monotonic()
        for worker in self._workers:
            if worker.busy and now - worker.heard > self.policy.stall:
                worker.heard = now
                worker.abort(f"the store sent nothing for {self.policy.stall:g} s")
