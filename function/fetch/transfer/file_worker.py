"""Worker of a transfer from a mounted file."""

import os
import time
from io import FileIO

from function.errors import SourceError
from function.fetch.policy import Policy
from function.fetch.transfer.assignment import Assignment
from function.fetch.transfer.worker import Dispatcher, TransferWorker
from function.source import FileSource, ObjectInfo


class FileWorker(TransferWorker):
    """Worker that reads its assignments from a file, on a file system where reads in parallel are faster than one."""

    def __init__(self, dispatcher: Dispatcher, source: FileSource, info: ObjectInfo, policy: Policy) -> None:
        super().__init__(dispatcher, source, info, policy, None)
        self._file_source = source

    def _attempt(self, assignment: Assignment) -> None:
        self._abort_reason = None
        try:
            with self._file_source.open(self._info) as file:
                self._read(file, assignment)
        except OSError as e:
            error = SourceError(f"{self._info.uri}: {e.strerror}.", uri=self._info.uri)
            self._fail_attempt(assignment, error)
        except SourceError as e:
            self._fail_attempt(assignment, e)

    def _read(self, file: FileIO, assignment: Assignment) -> None:
        while assignment.block < assignment.stop:
            piece = self._buffer[: assignment.block_end - assignment.position]
            count = os.preadv(file.fileno(), [piece], assignment.position)
            if self._dispatcher.ended:
                return
            if not count or self._abort_reason is not None:
                raise SourceError(f"{self._info.uri}: the file ends at byte {assignment.position}.")
            self.received_at = time.monotonic()
            self.received += count
            self._dispatcher.write(assignment, piece[:count])
            if assignment.position == assignment.block_end:
                self._dispatcher.finish_block(self, assignment)
