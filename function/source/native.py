"""Native receiver: bytes of a response are received, checked and written in one call without the interpreter's lock.

A small library, which ``tools/native_libraries.py`` compiles, reads from connections that Python's ``ssl`` and
``http.client`` have opened. Without it, or for a connection that it cannot read, the same is done in Python.

The library finds the OpenSSL object of an ``ssl.SSLSocket`` by a callback that OpenSSL runs for each new one, and reads
from it with functions of the same OpenSSL. One thread at a time may use a connection.
"""

import _ssl
import ctypes
import functools
import os
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from function.native.library import native_library, open_library

LIBRARY = native_library("receive")
_ENDED, _BROKEN, _TLS_FAILED, _NOT_WRITTEN = range(1, 5)  # what ended a call of ``receive``

Update = Callable[[int, memoryview], int]


class _Reception(ctypes.Structure):
    _fields_ = (("count", ctypes.c_int64), ("check", ctypes.c_uint64), ("error", ctypes.c_int64))


@dataclass(frozen=True)
class Reception:
    """Result of one call: the number of bytes written, the check so far, and errors of the connection and the file.

    ``count`` is 0 without an error where the response has ended, or the file has been closed.
    """

    count: int
    check: int
    broken: OSError | None = None
    unwritten: OSError | None = None


class NativeTarget:
    """Open file for ``Receiver.receive``, and the checksum of its blocks.

    ``close`` waits for a running write and makes all further ones fail.
    """

    def __init__(self, receiver: "Receiver", descriptor: int, algorithm: int) -> None:
        self.receiver, self.algorithm = receiver, algorithm
        self._library = receiver.library
        self.pointer: int = self._library.target_new(descriptor)
        if not self.pointer:
            raise MemoryError

    def close(self) -> None:
        self._library.target_close(self.pointer)

    def __del__(self) -> None:
        self._library.target_free(self.pointer)  # no thread is in ``receive``: it would hold a reference


class Receiver:
    """The loaded library. Thread-safe; raises OSError if the library at ``path`` cannot be used on this machine."""

    def __init__(self, path: Path) -> None:
        self.library = library = open_library(path, "receive")
        pointer, size = ctypes.c_void_p, ctypes.c_size_t
        library.check_new.argtypes, library.check_new.restype = (ctypes.c_int, ctypes.c_uint64), pointer
        library.check_update.argtypes = (pointer, ctypes.c_uint64, pointer, size)
        library.check_update.restype = ctypes.c_uint64
        library.tls_open.argtypes = (ctypes.c_char_p,)
        library.tls_take.argtypes, library.tls_take.restype = (ctypes.c_int,), pointer
        library.tls_reason.argtypes, library.tls_reason.restype = (ctypes.c_int64,), ctypes.c_char_p
        library.target_new.argtypes, library.target_new.restype = (ctypes.c_int,), pointer
        library.target_close.argtypes = library.target_free.argtypes = (pointer,)
        library.target_close.restype = library.target_free.restype = library.tls_forget.restype = None
        library.receive.argtypes = (
            pointer, ctypes.c_int, pointer, ctypes.c_int64, ctypes.c_int64, pointer, pointer, ctypes.c_int64,
            ctypes.c_double, ctypes.POINTER(_Reception),
        )  # fmt: skip
        self._lock = threading.Lock()
        self._checks: dict[tuple[int, int], int] = {}
        module = getattr(_ssl, "__file__", None)  # None where the interpreter contains it
        self._reads_tls = bool(library.tls_open(module and os.fsencode(module)))

    def update(self, width: int, polynomial: int) -> Update:
        """Return the function (check so far, bytes) → check of a cyclic redundancy check. Raises OSError."""
        check, compute = self._check(width, polynomial), self.library.check_update

        def update(value: int, data: memoryview) -> int:
            part = bytes(data) if data.readonly else (ctypes.c_char * len(data)).from_buffer(data)
            return int(compute(check, value, part, len(data)))

        return update

    def open_target(self, descriptor: int, width: int, polynomial: int) -> NativeTarget:
        """Return the target for an open file, to be closed before the file. Raises OSError as ``update``."""
        return NativeTarget(self, descriptor, self._check(width, polynomial))

    def forget_tls(self) -> None:
        """Prepare ``take_tls``: to be called by the same thread before it opens a connection."""
        self.library.tls_forget()

    def take_tls(self, sock: ssl.SSLSocket) -> int | None:
        """Return the OpenSSL object of the connection that this thread has just opened; None if it is not found."""
        found: int | None = self.library.tls_take(sock.fileno()) if self._reads_tls else None
        return found

    def receive(
        self,
        descriptor: int,
        tls: int | None,
        target: NativeTarget,
        start: int,
        wanted: int,
        check: int,
        buffer: memoryview,
        seconds: float,
    ) -> Reception:
        """Receive up to ``wanted`` bytes and write them at ``start``; return earlier, with some, after ``seconds``."""
        result, memory = _Reception(0, check, 0), (ctypes.c_char * len(buffer)).from_buffer(buffer)
        state = self.library.receive(
            tls, descriptor, target.pointer, start, wanted, target.algorithm, memory, len(buffer), seconds,
            ctypes.byref(result),
        )  # fmt: skip
        broken = unwritten = None
        if state == _BROKEN:
            broken = OSError(result.error, os.strerror(result.error))
        elif state == _TLS_FAILED:
            reason = self.library.tls_reason(result.error)
            broken = ssl.SSLError(1, reason.decode() if reason else "the TLS connection failed")
        elif state == _NOT_WRITTEN:
            unwritten = OSError(result.error, os.strerror(result.error))
        return Reception(result.count, result.check, broken, unwritten)

    def _check(self, width: int, polynomial: int) -> int:
        with self._lock:
            found = self._checks.get((width, polynomial)) or self.library.check_new(width, polynomial)
            if not found:
                raise OSError("this machine lacks the instructions for the checks")
            self._checks[width, polynomial] = found
            return int(found)


@functools.cache
def native_receiver() -> Receiver | None:
    """Return the receiver of this process; None where the library is not installed or cannot be used."""
    try:
        receiver = Receiver(LIBRARY)
        receiver.update(32, 0xEDB88320)
    except (OSError, AttributeError):
        return None
    return receiver
