"""Server in a process of its own, on a free port, ended with its test."""

import contextlib
import http.client
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

START_TIMEOUT_SECONDS = 60.0  # until a server must respond; generous, for busy machines


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Server:
    """Started server: its base URL and its process."""

    url: str
    process: subprocess.Popen[bytes]


@contextlib.contextmanager
def running(
    command: list[str], port: int, log: Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Iterator[Server]:
    """Start ``command``, wait until its port responds to HTTP, end it with the context."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=env, cwd=cwd)
        try:
            deadline = time.monotonic() + START_TIMEOUT_SECONDS
            while True:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{command[0]} did not start:\n{log.read_text()}")
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
                try:
                    with contextlib.closing(connection):
                        connection.request("GET", "/")
                        connection.getresponse().close()
                    break
                except OSError:
                    time.sleep(0.05)
            yield Server(f"http://127.0.0.1:{port}", process)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
