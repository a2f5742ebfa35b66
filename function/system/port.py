"""Port to serve on: checked before the server starts, whose own attempts take seconds and several lines."""

import errno
import socket

from function.errors import SettingsError

REASONS = {
    errno.EADDRINUSE: "is in use by another program. Stop that program, or set another PORT",
    errno.EACCES: "may not be opened by this user. Set a PORT above 1023",
}


def require_port(host: str, port: int) -> None:
    """Check that a server can listen on ``port``. Raises SettingsError if it is in use or not allowed."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as gunicorn does: closed connections do not count
        try:
            probe.bind((host, port))
        except OSError as e:
            if e.errno in REASONS:
                raise SettingsError(f"PORT={port} {REASONS[e.errno]}.", param="PORT", value=port) from e
