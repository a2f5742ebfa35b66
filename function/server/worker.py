"""Threaded worker of gunicorn with timeouts: a client that sends or reads too slowly does not keep a thread."""

import contextlib
import errno
import socket
import struct
import time
from typing import Any

from gunicorn import util
from gunicorn.workers.gthread import TConn, ThreadWorker

from function.errors import RequestTooSlow
from function.settings import Settings

IDLE_TIMEOUT_SECONDS = 10.0
"""Time without a byte after which a request that has begun is rejected."""
SEND_BUFFER_BYTES = 1 << 16
"""Approximate size of the kernel's buffer per client: with it, a client that stops reading is noticed after hundreds
of tokens, with the default only after tens of thousands."""
LOAD_WAIT_SECONDS = 0.5
"""Longest wait for the load before the application is imported."""
LINGER_SECONDS = 2.0
"""Time for a client to close its side first, so that it receives the end of the reply while it is still sending."""


class ClientSocket(socket.socket):
    """Socket of a client that must send its request by ``due`` and must read its replies.

    Receiving raises RequestTooSlow once ``due``, on the clock of ``time.monotonic()``, has passed, or after
    IDLE_TIMEOUT_SECONDS without a byte. Sending raises BrokenPipeError if the client takes less than SEND_BUFFER_BYTES
    in ``timeout_seconds``.
    """

    def __init__(self, plain: socket.socket, timeout_seconds: float) -> None:
        super().__init__(plain.family, plain.type, plain.proto, plain.detach())
        self.due = 0.0
        self._timeout_seconds = timeout_seconds
        self._finished = False
        self.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        seconds, rest = divmod(timeout_seconds, 1)
        self.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", int(seconds), int(rest * 1e6)))

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """Return the next bytes; wait for them until the request is due."""
        if self._finished:
            return b""
        if flags or self.gettimeout() is not None:  # a peek, or a caller with a timeout of its own
            return super().recv(bufsize, flags)
        left = min(IDLE_TIMEOUT_SECONDS, self.due - time.monotonic())
        if left <= 0:
            raise self._too_slow()
        self.settimeout(left)
        try:
            return super().recv(bufsize)
        except TimeoutError:
            raise self._too_slow() from None
        finally:
            self.settimeout(None)

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        """Send all of ``data``."""
        rest = memoryview(data)
        while rest:
            piece, rest = rest[:SEND_BUFFER_BYTES], rest[SEND_BUFFER_BYTES:]
            until = time.monotonic() + self._timeout_seconds
            while piece:
                try:
                    piece = piece[super().send(piece, flags) :]
                except BlockingIOError as e:
                    raise BrokenPipeError(errno.EPIPE, "the client does not read") from e
                if piece and time.monotonic() > until:
                    raise BrokenPipeError(errno.EPIPE, "the client reads too slowly")

    def close_gracefully(self) -> None:
        """Shut down the sending side and wait up to LINGER_SECONDS for the client to do the same.

        gunicorn does this in its only accepting thread, where each client that keeps its side open would block all
        others for that time. Here the thread of the request does it first.
        """
        until = time.monotonic() + LINGER_SECONDS
        with contextlib.suppress(OSError):
            self.shutdown(socket.SHUT_WR)
            while (left := until - time.monotonic()) > 0:
                self.settimeout(left)
                if not super().recv(1 << 16):
                    break
        self._finished = True

    def _too_slow(self) -> RequestTooSlow:
        return RequestTooSlow(
            f"The request did not arrive in time: it must be complete within {self._timeout_seconds:g} s, without a "
            f"pause of more than {IDLE_TIMEOUT_SECONDS:g} s."
        )


class TimeoutWorker(ThreadWorker):
    """Worker that applies CLIENT_TIMEOUT to each request and each reply."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._timeout_seconds = Settings.from_env().client_timeout

    def load_wsgi(self) -> None:
        """Import the application beside the load, not before it: the header's check needs the interpreter, too."""
        from function.lifecycle.service import get_service

        get_service().await_load(LOAD_WAIT_SECONDS)
        super().load_wsgi()

    def handle(self, conn: TConn) -> object:
        """Handle one request in a thread; return what gunicorn expects of the connection's future."""
        if not isinstance(conn.sock, ClientSocket):
            conn.sock = ClientSocket(conn.sock, self._timeout_seconds)
        conn.sock.due = time.monotonic() + self._timeout_seconds
        future: object = super().handle(conn)
        if future is False:
            conn.sock.close_gracefully()
        return future

    def handle_error(self, req: object, client: socket.socket, addr: object, exc: BaseException) -> None:
        """Answer a request that failed before it reached the application."""
        if isinstance(exc, RequestTooSlow):
            with contextlib.suppress(OSError):
                util.write_error(client, 408, "Request Timeout", str(exc))
            return
        super().handle_error(req, client, addr, exc)
