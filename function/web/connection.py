"""Whether the client of a request is still there."""

import socket
import struct
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

_KEYS = ("gunicorn.socket", "werkzeug.socket")


class Connection:
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

        Nothing is written while a prompt is read, so the socket is the only one who knows: a peek that finds the end
        of the stream means that nobody will read the answer. Data there (a pipelined request) means that somebody is.
        """
        if self._socket is None:
            return False
        try:
            return self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except (OSError, ValueError):  # reset, already closed, or a TLS socket, which cannot be peeked
            return not hasattr(self._socket, "context")


def _timeval(seconds: float) -> bytes:
    """C's struct timeval."""
    return struct.pack("@ll", int(seconds), int(seconds % 1 * 1e6))
