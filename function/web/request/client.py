"""Client of one request: its connection and its deadline."""

import json
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

LAMBDA_CONTEXT = "HTTP_X_AMZN_LAMBDA_CONTEXT"
"""WSGI name of the header in which Lambda's web adapter passes the invocation's context, deadline included."""
LAMBDA_MARGIN_SECONDS = 1.0
"""Time before Lambda's own deadline: the last event needs it to leave the instance."""
_SOCKET_KEYS = ("gunicorn.socket", "werkzeug.socket")
_RECEIVES_NO_MORE = getattr(select, "POLLRDHUP", 0)
_CLOSED = select.POLLHUP | select.POLLERR | select.POLLNVAL
_INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"
FIRST_PROBE_SECONDS = 1.0
"""Time until the second probe of a client that has shut down its sending side; each further one takes twice as long."""


class ClientGone(Exception):
    """The client closed its connection."""


class Client:
    """Client behind a WSGI environment; ``deadline`` is the end of its reply on ``time.monotonic()``'s clock.

    Sending to it fails with an OSError once it has read nothing for ``send_timeout`` seconds: a client that never
    reads would keep its place for ever. Without a socket in the environment, no client is known to be gone.
    """

    def __init__(self, environ: Mapping[str, Any], *, send_timeout: float, reply_timeout: float) -> None:
        self.deadline = reply_deadline(environ.get(LAMBDA_CONTEXT), reply_timeout)
        self.send_timeout = send_timeout
        self._socket: socket.socket | None = next((environ[key] for key in _SOCKET_KEYS if key in environ), None)
        if self._socket is not None:
            with suppress(OSError):  # closed already
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(send_timeout))
        self._takes_interim = environ.get("SERVER_PROTOCOL") == "HTTP/1.1"
        self._streams = False
        self._probe_at = 0.0
        self._probe_pause = FIRST_PROBE_SECONDS
        self.probe_due = False
        """True if a stream should send a piece without content."""

    def begin_stream(self) -> None:
        """Note that the reply begins. From now on probes are pieces of the reply: see ``take_probe``."""
        self._streams = True

    def take_probe(self) -> bool:
        """Return True if a piece without content should be sent, once for each probe that is due."""
        due, self.probe_due = self.probe_due, False
        return due

    def is_gone(self) -> bool:
        """Return True once the client has closed its connection; costs one system call.

        Nothing is written during prefill, so only the socket can show it. Linux reports the end of what the client
        sends even when unread bytes precede it; elsewhere a peek finds the end only when no bytes precede it. A client
        that has only shut down its sending side looks the same until something is sent to it: a closed one rejects
        that. Before the reply begins, this is an interim response, which HTTP/1.0 does not have: there such a client
        is taken for gone.
        """
        if self._socket is None:
            return False
        try:
            if _RECEIVES_NO_MORE:
                poll = select.poll()
                poll.register(self._socket, _RECEIVES_NO_MORE)
                events = poll.poll(0)
                return bool(events) and (bool(events[0][1] & _CLOSED) or not self._probe())
            return self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except (OSError, ValueError):  # reset, already closed, or a TLS socket, which cannot be peeked
            return not hasattr(self._socket, "context")

    def _probe(self) -> bool:
        """Send something to a client that sends no more, at growing intervals. Return False if that is impossible."""
        assert self._socket is not None
        if not self._streams and not self._takes_interim:
            return False
        now = time.monotonic()
        if now < self._probe_at:
            return True
        self._probe_at, self._probe_pause = now + self._probe_pause, 2 * self._probe_pause
        if self._streams:
            self.probe_due = True
        else:
            self._socket.send(_INTERIM)
        return True

    def wait(self, pending: Callable[[], str | None], pause: Callable[[], object]) -> Iterator[str]:
        """Yield ``pending()`` until it returns None or the deadline passes; call ``pause`` in between.

        Raises ClientGone.
        """
        while (progress := pending()) is not None and time.monotonic() < self.deadline:
            if self.is_gone():
                raise ClientGone
            yield progress
            pause()


def reply_deadline(lambda_context: str | None, timeout: float) -> float:
    """Return the moment ``timeout`` seconds from now, or an earlier one where Lambda ends the request before.

    Lambda's deadline is in milliseconds since the epoch; an unreadable one is ignored.
    """
    left = timeout
    try:
        context = json.loads(lambda_context or "{}")
        if isinstance(context, dict) and (until := context.get("deadline")) is not None:
            left = min(left, float(until) / 1000 - time.time() - LAMBDA_MARGIN_SECONDS)
    except (TypeError, ValueError):
        pass
    return time.monotonic() + max(0.0, left)


def _timeval(seconds: float) -> bytes:
    """Return C's struct timeval."""
    return struct.pack("@ll", int(seconds), int(seconds % 1 * 1e6))
