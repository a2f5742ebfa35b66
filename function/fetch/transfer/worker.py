"""One connection's loop: take a run of blocks, ask for it, write it down as it comes."""

import threading
import time
from http.client import HTTPResponse
from typing import TYPE_CHECKING

from function.errors import FunctionError, SourceError
from function.fetch.transfer.response import RangeRejected, check_length, check_range, retry_after
from function.source.base import unreachable
from function.source.http_client import Request, StoreConnection, WireError, headers_of, origin

if TYPE_CHECKING:
    from function.fetch.transfer.transfer import Transfer

ERROR_BODY = 16 << 10  # bytes of a refusal that are read for its reason
SLICE = 64 << 10  # bytes that count as a sign of life: a connection that brings less in the stall time is given up
QUICK = 0.1  # seconds; as long as a read takes less, the next asks for all there is room for: fewer turns of the GIL


class TransferWorker(threading.Thread):
    """Works for a transfer until there is nothing left to take.

    Blocks ``block`` … ``last`` − 1 are in hand, the first of them written up to ``position`` with the checksum
    ``check``; the transfer may lower ``last`` meanwhile. ``heard`` (on ``time.monotonic()``'s clock) is when the last
    byte came, ``received`` how many have, for the supervisor to judge by.
    """

    def __init__(self, transfer: "Transfer") -> None:
        super().__init__(name="fetch", daemon=True)
        self._transfer = transfer
        self._connection: StoreConnection | None = None
        self._reason: str | None = None  # why the transfer gave the connection up
        self._buffer = memoryview(bytearray(transfer.policy.buffer))
        self.block = self.last = 0
        self.position = self.check = 0
        self.busy = False
        self.heard = time.monotonic()
        self.received = 0
        self._quick = False

    def run(self) -> None:
        try:
            while self._transfer.take(self):
                self._attempt()
        except FunctionError as e:
            self._transfer.fail(e)
        except Exception as e:  # a fault of this program must end the fetch, not leave it waiting
            self._transfer.fail(SourceError(f"{self._transfer.info.uri}: {type(e).__name__}: {e}."), cause=e)
        finally:
            self._drop()
            self._transfer.leave(self)

    def abort(self, reason: str) -> None:
        """From another thread: what waits on the connection fails at once, and the error says why."""
        self._reason = reason
        connection = self._connection
        if connection is not None:
            connection.abort()

    def _attempt(self) -> None:
        """Fetch the run in hand; a failure goes to the transfer, which takes the rest back and decides how to go on."""
        transfer, start, epoch = self._transfer, self.position, self._transfer.epoch
        url, self._reason = "", None
        try:
            transfer.partial.reserve(start, self._stop())
            request = transfer.source.request(transfer.info, start, self._stop())
            url = request.url
            self._receive(self._send(request))
        except WireError as e:
            self._fail(start, epoch, unreachable(transfer.info.uri, url, e))
        except SourceError as e:
            self._fail(start, epoch, e)

    def _fail(self, start: int, epoch: int, error: SourceError) -> None:
        self._drop()
        if self._reason is not None:
            error = SourceError(f"{self._transfer.info.uri}: {self._reason}.", uri=self._transfer.info.uri)
            self._reason = None
        self._transfer.failed(self, start, epoch, error)

    def _stop(self) -> int:
        return min(self.last * self._transfer.partial.block, self._transfer.partial.size)

    def _send(self, request: Request) -> HTTPResponse:
        """The answer, on the connection at hand if it leads there; one that went stale while idle is replaced once."""
        if self._connection is not None and self._connection.origin == origin(request.url):
            try:
                return self._connection.send(request)
            except WireError:
                if self._transfer.ended:
                    raise
        self._drop()
        # The transfer watches over silence; a timeout here would cost a poll for every read.
        self._connection = StoreConnection(request.url, timeout=None)
        return self._connection.send(request)

    def _receive(self, answer: HTTPResponse) -> None:
        transfer, partial, buffer = self._transfer, self._transfer.partial, self._buffer
        stop = self._stop()
        self._check(answer, stop)
        if not transfer.info.ranges:
            self._skip(answer)
        _, end = partial.extent(self.block)
        while self.block < self.last:
            wanted = min(len(buffer), end - self.position)
            filled, broken = self._fill(answer, buffer[:wanted])
            if transfer.ended:  # the file may be closed by now
                return
            self._keep(buffer[:filled])
            if broken is not None:
                raise broken
            if filled < wanted:
                raise SourceError(f"{transfer.info.uri}: the answer ended at byte {self.position}, not at {stop}.")
            if self.position == end:
                transfer.finish(self)
                _, end = partial.extent(self.block)
        if not answer.isclosed():
            self._drop()  # the rest of the run was given to another worker, what still comes is not wanted

    def _fill(self, answer: HTTPResponse, room: memoryview) -> tuple[int, Exception | None]:
        """Read as many bytes as there is room for; returns how many came, and what broke the connection if fewer."""
        filled, wanted, connection = 0, len(room), self._connection
        assert connection is not None
        try:
            while filled < wanted:
                began = self.heard
                most = wanted if self._quick else filled + SLICE
                count = connection.fill(answer, room[filled : min(wanted, most)])
                if not count:
                    break
                filled += count
                self.heard = time.monotonic()
                self._quick = self.heard - began < QUICK
        except WireError as e:
            return filled, e
        return filled, None

    def _keep(self, data: memoryview) -> None:
        """Check, write and count what has come."""
        if not data:
            return
        self.check = self._transfer.partial.update(self.check, data)
        self._transfer.partial.write(self.position, data)
        self.position += len(data)
        self.received += len(data)
        self._transfer.progress.add(len(data))

    def _check(self, answer: HTTPResponse, stop: int) -> None:
        """Raise SourceError unless the answer is the bytes that were asked for."""
        source, info, headers = self._transfer.source, self._transfer.info, headers_of(answer)
        if answer.status == 206 and info.ranges:
            source.check(info, headers)  # first: another version may well have another size
            check_range(info.uri, headers, self.position, stop, self._transfer.partial.size)
        elif answer.status == 200 and info.ranges:
            source.check(info, headers)
            raise RangeRejected(f"{info.uri}: asked for a range, the server sent the whole object.", uri=info.uri)
        elif answer.status == 200:
            source.check(info, headers)
            check_length(info.uri, headers, self._transfer.partial.size)
        else:
            error = source.failure(answer.status, headers, answer.read(ERROR_BODY))
            error.evidence["retry_after"] = retry_after(headers)
            raise error

    def _skip(self, answer: HTTPResponse) -> None:
        """Read past what an earlier attempt has written: this server cannot leave it out."""
        left = self.position
        while left:
            count = answer.readinto(self._buffer[: min(left, SLICE)])
            if not count or self._transfer.ended:
                raise SourceError(f"{self._transfer.info.uri}: the answer ended {left} bytes before what is missing.")
            left -= count
            self.heard = time.monotonic()

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
