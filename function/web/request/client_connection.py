"""Whether the client of a request is still there."""

import select
import socket
import struct
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

_CLOSED = getattr(select, "POLLRDHUP", 0)
_KEYS = ("gunicorn.socket", "werkzeug.socket")


class ClientConnection:
    """The socket under one request, if the server gives it away.

    From now on sending on it fails with an OSError once its client has taken nothing for ``timeout`` seconds: one that
    reads nothing would keep its place for ever.
    """

    def __init__(self, environ: Mapping[str, Any], timeout: float) -> None:
        self._socket: socket.socket | None = next((environ[key] for key in _KEYS if key in environ), None)
        if self._socket is not None:
            with suppress(OSError):  # closed already
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(timeout))

    def gone(self) -> bool:
        """True once the client has closed its side, half-closed included; costs one system call.

        Nothing is written while a prompt is read, so the socket is the only one who knows. Linux tells of its end
        whatever is there to be read before it; elsewhere a peek finds it where nothing is.
        """
        if self._socket is None:
            return False
        try:
            if _CLOSED:
                poll = select.poll()
                poll.register(self._socket, _CLOSED)
                return bool(poll.poll(0))
            return self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except (OSError, ValueError):  # reset, already closed, or a TLS socket, which cannot be peeked
            return not hasattr(self._socket, "context")


def _timeval(seconds: float) -> bytes:
    """C's struct timeval."""
    return struct.pack("@ll", int(seconds), int(seconds % 1 * 1e6))
