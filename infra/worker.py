"""gunicorn's threaded worker, patient only so long: nobody who sends or reads too slowly keeps one of its threads."""

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

SILENCE = 10.0
"""Seconds without a byte after which a request that has begun is given up."""
UNSENT = 1 << 16
"""Bytes that wait in the kernel for one client, about: one that reads nothing is noticed after hundreds of tokens, not
after tens of thousands."""
LINGER = 2.0
"""Seconds in which a client may close its side first, so that it gets the end of a reply to what it still sends."""


class ClientSocket(socket.socket):
    """A client's socket that expects a whole request by ``due`` and its replies to be read.

    Receiving raises RequestTooSlow once ``due``, on ``time.monotonic()``'s clock, is over, or nothing came for SILENCE
    seconds; sending raises BrokenPipeError once nothing, or not UNSENT bytes, were taken in ``patience`` seconds.
    """

    def __init__(self, plain: socket.socket, patience: float) -> None:
        super().__init__(plain.family, plain.type, plain.proto, plain.detach())
        self.due = 0.0
        self._patience = patience
        self._over = False
        self.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNSENT)
        seconds, rest = divmod(patience, 1)
        self.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", int(seconds), int(rest * 1e6)))

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """What has come, or within the time left comes."""
        if self._over:
            return b""
        if flags or self.gettimeout() is not None:  # a look that does not wait, or a wait that has its own end
            return super().recv(bufsize, flags)
        left = min(SILENCE, self.due - time.monotonic())
        if left <= 0:
            raise self._slow()
        self.settimeout(left)
        try:
            return super().recv(bufsize)
        except TimeoutError:
            raise self._slow() from None
        finally:
            self.settimeout(None)

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        """Send all of ``data``."""
        rest = memoryview(data)
        while rest:
            piece, rest = rest[:UNSENT], rest[UNSENT:]
            until = time.monotonic() + self._patience
            while piece:
                try:
                    piece = piece[super().send(piece, flags) :]
                except BlockingIOError as e:
                    raise BrokenPipeError(errno.EPIPE, "the client reads nothing") from e
                if piece and time.monotonic() > until:
                    raise BrokenPipeError(errno.EPIPE, "the client reads next to nothing")

    def part(self) -> None:
        """Say that nothing more comes and wait a little for the other side to say so too.

        gunicorn does this in its one thread that accepts, where each client that keeps its side open would hold
        everybody for LINGER seconds. Here it is done before, in the request's own.
        """
        until = time.monotonic() + LINGER
        with contextlib.suppress(OSError):
            self.shutdown(socket.SHUT_WR)
            while (left := until - time.monotonic()) > 0:
                self.settimeout(left)
                if not super().recv(1 << 16):
                    break
        self._over = True

    def _slow(self) -> RequestTooSlow:
        return RequestTooSlow(
            f"The request did not arrive whole: no byte for {SILENCE:g} s, or not all of it in {self._patience:g} s."
        )


class ReportingWorker(ThreadWorker):
    """Reads each request within CLIENT_TIMEOUT and sends each reply to those who read it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._patience = Settings.from_env().client_timeout

    def handle(self, conn: TConn) -> object:
        """Read a request, answer it; what gunicorn wants to know of the connection's future. In a thread."""
        if not isinstance(conn.sock, ClientSocket):
            conn.sock = ClientSocket(conn.sock, self._patience)
        conn.sock.due = time.monotonic() + self._patience
        future: object = super().handle(conn)
        if future is False:
            conn.sock.part()
        return future

    def handle_error(self, req: object, client: socket.socket, addr: object, exc: BaseException) -> None:
        """Answer what the application never saw."""
        if isinstance(exc, RequestTooSlow):
            with contextlib.suppress(OSError):
                util.write_error(client, 408, "Request Timeout", str(exc))
            return
        super().handle_error(req, client, addr, exc)
