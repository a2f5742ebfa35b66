"""One connection's loop: take a run of blocks, ask for it, write it down as it comes."""

import threading
import time
from http.client import HTTPResponse
from typing import TYPE_CHECKING

from function.errors import FunctionError, SourceError
from function.fetch.answer import Refused, check_range, retry_after
from function.source.base import unreachable
from function.source.wire import Connection, Request, WireError, headers_of, origin

if TYPE_CHECKING:
    from function.fetch.transfer import Transfer

ERROR_BODY = 16 << 10  # bytes of a refusal that are read for its reason


class Worker(threading.Thread):
    """Works for a transfer until there is nothing left to take.

    Blocks ``block`` … ``last`` − 1 are in hand, the first of them written up to ``position`` with the checksum
    ``check``; the transfer may lower ``last`` meanwhile. ``heard`` (on ``time.monotonic()``'s clock) is when the last
    byte came, ``received`` how many have, for the supervisor to judge by.
    """

    def __init__(self, transfer: "Transfer") -> None:
        super().__init__(name="fetch", daemon=True)
        self._transfer = transfer
        self._connection: Connection | None = None
        self._buffer = memoryview(bytearray(transfer.policy.buffer))
        self.block = self.last = 0
        self.position = self.check = 0
        self.busy = False
        self.heard = time.monotonic()
        self.received = 0

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

    def abort(self) -> None:
        """From another thread: what waits on the connection fails at once."""
        connection = self._connection
        if connection is not None:
            connection.abort()

    def _attempt(self) -> None:
        """Fetch the run in hand; a failure goes to the transfer, which takes the rest back and decides how to go on."""
        transfer, start, epoch = self._transfer, self.position, self._transfer.epoch
        url = ""
        try:
            transfer.partial.reserve(start, self._stop())
            request = transfer.source.request(transfer.info, start, self._stop())
            url = request.url
            self._receive(self._send(request))
        except WireError as e:
            self._drop()
            transfer.failed(self, start, epoch, unreachable(transfer.info.uri, url, e))
        except SourceError as e:
            self._drop()
            transfer.failed(self, start, epoch, e)

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
        self._connection = Connection(request.url, timeout=self._transfer.policy.answer_timeout)
        return self._connection.send(request)

    def _receive(self, answer: HTTPResponse) -> None:
        transfer, partial = self._transfer, self._transfer.partial
        uri, headers, stop = transfer.info.uri, headers_of(answer), self._stop()
        if answer.status == 200:
            raise Refused(f"{uri}: asked for a range, the server sent the whole object.", uri=uri)
        if answer.status != 206:
            error = transfer.source.failure(answer.status, headers, answer.read(ERROR_BODY))
            error.evidence["retry_after"] = retry_after(headers)
            raise error
        check_range(uri, headers, self.position, stop, partial.size)
        transfer.source.check(transfer.info, headers)
        _, end = partial.extent(self.block)
        while self.block < self.last:
            count = answer.readinto(self._buffer[: end - self.position])
            if transfer.ended:
                return
            if not count:
                raise SourceError(f"{uri}: the answer ended at byte {self.position} of {stop}.", uri=uri)
            data = self._buffer[:count]
            self.check = partial.update(self.check, data)
            partial.write(self.position, data)
            self.position += count
            self.received += count
            self.heard = time.monotonic()
            transfer.progress.add(count)
            if self.position == end:
                transfer.finish(self)
                _, end = partial.extent(self.block)
        if not answer.isclosed():
            self._drop()  # the end of the run was given to another worker, what still comes is not wanted

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
