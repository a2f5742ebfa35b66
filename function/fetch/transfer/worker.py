"""Worker of a transfer: one connection that fetches assigned blocks."""

import threading
import time
from http.client import HTTPResponse
from typing import TYPE_CHECKING, Protocol

from function.errors import FunctionError, SourceError
from function.fetch.policy import Policy
from function.fetch.transfer.assignment import Assignment
from function.fetch.transfer.response_checks import check_length, check_range, parse_retry_after
from function.source import (
    ObjectInfo,
    Request,
    Source,
    StoreConnection,
    WireError,
    connection_error,
    get_origin,
    read_headers,
)

if TYPE_CHECKING:
    from function.source.native import NativeTarget, Reception

MAX_ERROR_BYTES = 16 << 10  # of an error's body, read for its reason
SLICE_BYTES = 64 << 10  # a connection that receives less within the stall time is closed
QUICK_READ_SECONDS = 0.1  # after a quicker read, the next one fills the whole buffer, which needs the GIL less often


class RangeRejected(SourceError):
    """The server sends the whole object instead of the requested range."""


class Dispatcher(Protocol):
    """Owner of the workers: hands out assignments, takes the bytes, and decides about failures."""

    @property
    def ended(self) -> bool:
        """True once no more bytes are wanted."""

    def take(self, worker: "TransferWorker") -> Assignment | None:
        """Return the worker's next assignment, waiting while others may still fail; None if there is none left."""

    def write(self, assignment: Assignment, data: memoryview) -> None:
        """Write received bytes and advance the assignment's position."""

    def note(self, assignment: Assignment, reception: "Reception") -> None:
        """Advance the assignment by bytes that are already written. Raises the file's error."""

    def skip(self, check: int, data: memoryview) -> int:
        """Take note of bytes that arrived although they are there already; return ``check`` continued over them."""

    def compare(self, assignment: Assignment, check: int) -> None:
        """Raise ObjectChanged unless the bytes before the assignment's position have the checksum ``check``."""

    def finish_block(self, worker: "TransferWorker", assignment: Assignment) -> None:
        """Record that the assignment's current block is complete, and move to the next one."""

    def fail_attempt(self, worker: "TransferWorker", assignment: Assignment, error: SourceError) -> None:
        """Take the rest of an assignment back and wait for the retry. Raises ``error`` if it is final."""

    def fail(self, error: FunctionError) -> None:
        """End the transfer with an error; the first one counts."""

    def remove(self, worker: "TransferWorker") -> None:
        """Remove a worker that ends."""


class TransferWorker(threading.Thread):
    """Thread that fetches assignments over one connection until there are none left.

    For the supervisor: ``received_at`` is the time of the last byte on ``time.monotonic()``'s clock, ``received`` the
    number of bytes.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        source: Source,
        info: ObjectInfo,
        policy: Policy,
        target: "NativeTarget | None",
    ) -> None:
        super().__init__(name="fetch", daemon=True)
        self._dispatcher, self._source, self._info = dispatcher, source, info
        self._connection: StoreConnection | None = None
        self._abort_reason: str | None = None
        self._policy, self._target = policy, target
        self._buffer = memoryview(bytearray(policy.buffer_bytes if target is None else policy.native_buffer_bytes))
        self._quick = False
        self.received_at = time.monotonic()
        self.received = 0

    def run(self) -> None:
        try:
            while (assignment := self._dispatcher.take(self)) is not None:
                self._attempt(assignment)
        except FunctionError as e:
            self._dispatcher.fail(e)
        except Exception as e:  # a bug must end the fetch, not block it
            error = SourceError(f"{self._info.uri}: {type(e).__name__}: {e}.")
            error.__cause__ = e
            self._dispatcher.fail(error)
        finally:
            self._disconnect()
            self._dispatcher.remove(self)

    def abort(self, reason: str) -> None:
        """Fail the connection's waits at once with an error that contains ``reason``. For use from another thread."""
        self._abort_reason = reason
        connection = self._connection
        if connection is not None:
            connection.abort()

    def _attempt(self, assignment: Assignment) -> None:
        """Fetch the assignment; report a failure to the dispatcher."""
        url, self._abort_reason = "", None
        try:
            stop_byte = assignment.stop_byte
            request = self._source.request(self._info, assignment.position, stop_byte)
            url = request.url
            self._receive(self._send(request), assignment, stop_byte)
        except WireError as e:
            self._fail_attempt(assignment, connection_error(self._info.uri, url, e))
        except SourceError as e:
            self._fail_attempt(assignment, e)

    def _fail_attempt(self, assignment: Assignment, error: SourceError) -> None:
        self._disconnect()
        if self._abort_reason is not None:
            error = SourceError(f"{self._info.uri}: {self._abort_reason}.", uri=self._info.uri)
            self._abort_reason = None
        self._dispatcher.fail_attempt(self, assignment, error)

    def _send(self, request: Request) -> HTTPResponse:
        """Return the response, on the open connection if it has the right origin; a stale one is replaced once."""
        if self._connection is not None and self._connection.origin == get_origin(request.url):
            try:
                return self._connection.send(request)
            except WireError:
                if self._dispatcher.ended:
                    raise
        self._disconnect()
        # The supervisor closes silent connections; a timeout here would cost a poll for every read.
        receiver = None if self._target is None else self._target.receiver
        self._connection = StoreConnection(request.url, ca_bundle=request.ca_bundle, timeout=None, receiver=receiver)
        return self._connection.send(request)

    def _receive(self, response: HTTPResponse, assignment: Assignment, stop_byte: int) -> None:
        self._check(response, assignment.position, stop_byte, assignment.size)
        if not self._info.ranges:
            self._skip(response, assignment)
        while assignment.block < assignment.stop:
            count, error = self._receive_natively(response, assignment) or self._receive_piece(response, assignment)
            if self._dispatcher.ended:
                return
            self.received += count
            if error is not None:
                raise error
            if not count:
                raise SourceError(
                    f"{self._info.uri}: the response ended at byte {assignment.position} instead of {stop_byte}."
                )
            if assignment.position == assignment.block_end:
                self._dispatcher.finish_block(self, assignment)
        if not response.isclosed():
            self._disconnect()  # another worker has the rest of the blocks: the rest of the response is not wanted

    def _receive_natively(self, response: HTTPResponse, assignment: Assignment) -> tuple[int, Exception | None] | None:
        """Receive into the file; return the bytes and the connection's error. None if the next bytes do not come so."""
        connection = self._connection
        assert connection is not None
        if self._target is None or not (receivable := connection.receivable(response)):
            return None
        reception = connection.receive(
            response,
            self._target,
            assignment.position,
            min(receivable, assignment.block_end - assignment.position),
            assignment.check,
            self._buffer,
            self._policy.poll_seconds,
        )
        if reception.count:
            self.received_at = time.monotonic()
        if not self._dispatcher.ended:
            self._dispatcher.note(assignment, reception)
        return reception.count, reception.broken

    def _receive_piece(self, response: HTTPResponse, assignment: Assignment) -> tuple[int, Exception | None]:
        """Read a piece and write it; return its bytes and the connection's error."""
        piece = self._buffer[: assignment.block_end - assignment.position]
        count, error = self._fill(response, piece)
        if count and not self._dispatcher.ended:  # else the file may be closed by now
            self._dispatcher.write(assignment, piece[:count])
        return count, error

    def _fill(self, response: HTTPResponse, buffer: memoryview) -> tuple[int, Exception | None]:
        """Read into ``buffer`` until it is full, the response ends, or the receiver can go on.

        Return the bytes read, and the connection's error, if any.
        """
        filled, wanted, connection = 0, len(buffer), self._connection
        assert connection is not None
        try:
            while filled < wanted:
                began = self.received_at
                end = wanted if self._quick else min(wanted, filled + SLICE_BYTES)
                count = connection.read_into(response, buffer[filled:end])
                if not count:
                    break
                filled += count
                self.received_at = time.monotonic()
                self._quick = self.received_at - began < QUICK_READ_SECONDS
                if self._target is not None and connection.receivable(response):
                    break
        except WireError as e:
            return filled, e
        return filled, None

    def _check(self, response: HTTPResponse, start: int, stop: int, size: int) -> None:
        """Raise SourceError unless the response carries the requested bytes."""
        info, headers = self._info, read_headers(response)
        if response.status not in (200, 206) or (response.status == 206 and not info.ranges):
            error = self._source.failure(response.status, headers, response.read(MAX_ERROR_BYTES))
            error.evidence["retry_after"] = parse_retry_after(headers)
            raise error
        self._source.check(info, headers)  # before the size, which another version may well change
        if response.status == 206:
            check_range(info.uri, headers, start, stop, size)
        elif info.ranges:
            raise RangeRejected(f"{info.uri}: requested a range, the server sent the whole object.", uri=info.uri)
        else:
            check_length(info.uri, headers, size)

    def _skip(self, response: HTTPResponse, assignment: Assignment) -> None:
        """Skip the bytes of an earlier attempt, which a server without ranges sends again, and compare them."""
        left, check = assignment.position, 0
        while left:
            count = response.readinto(self._buffer[: min(left, SLICE_BYTES)])
            if not count or self._dispatcher.ended:
                raise SourceError(f"{self._info.uri}: the response ended {left} bytes before the missing ones.")
            left -= count
            check = self._dispatcher.skip(check, self._buffer[:count])
            self.received_at = time.monotonic()
        self._dispatcher.compare(assignment, check)

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
