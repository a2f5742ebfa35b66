"""Served functions: each entry point as a process of its own."""

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.models import write_tiny_model
from tests.servers.process import free_port, running

ROOT = Path(__file__).parent.parent.parent
BIN = Path(sys.executable).parent
COVERAGE_CONFIG = "COVERAGE_PROCESS_CONFIG"  # by which coverage measures servers too
WAIT_SECONDS = 120.0  # timeout of waits in tests; generous, because machines are busy

DOORS: Mapping[str, tuple[str, ...]] = {
    "gunicorn": (str(BIN / "gunicorn"), "-c", "python:function.server.gunicorn_conf"),
    "functions-framework": (str(BIN / "functions-framework"), "--target", "chat"),
    "functions-framework --debug": (str(BIN / "functions-framework"), "--target", "chat", "--debug"),
    "flask": (str(BIN / "flask"), "--app", "function.main:app", "run", "--port", "{port}"),
}


@dataclass(frozen=True, slots=True)
class ServedFunction:
    """Running function: its URL, log file and process."""

    url: str
    log: Path
    process: subprocess.Popen[Any]

    def get(self, path: str) -> tuple[int, Any]:
        """Send a GET; return status and JSON."""
        return self.ask(path, None)

    def ask(self, path: str, body: Any, headers: Mapping[str, str] | None = None) -> tuple[int, Any]:
        """Send a request; return status and body, parsed if it is JSON. ``body=None`` is a GET."""
        status, _, text = self.exchange(path, body, headers)
        try:
            return status, json.loads(text)
        except json.JSONDecodeError:
            return status, text

    def exchange(
        self, path: str, body: Any, headers: Mapping[str, str] | None = None, method: str | None = None
    ) -> tuple[int, Mapping[str, str], str]:
        """Send a request; return status, headers (lower case) and text."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, dict(headers or {}), method=method)
        if data is not None and "Content-Type" not in (headers or {}):
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=WAIT_SECONDS) as response:
                return response.status, lower(response.headers), response.read().decode()
        except urllib.error.HTTPError as e:
            with e:
                return e.code, lower(e.headers), e.read().decode()

    def wait(self, state: str) -> Any:
        """Wait until /health/ready reports ``state``; return its JSON."""
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            _, report = self.get("/health/ready")
            if report["state"] == state:
                return report
            assert time.monotonic() < deadline, f"{report}\n{self.log.read_text()}"
            time.sleep(0.05)

    def arrived(self, count: int = 1) -> None:
        """Wait until ``count`` requests are in the queue, the running one included."""
        deadline = time.monotonic() + WAIT_SECONDS
        while self.get("/health/ready")[1].get("requests", 0) < count:
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)

    def idle(self) -> None:
        """Wait until the queue is empty."""
        deadline = time.monotonic() + WAIT_SECONDS
        while self.get("/events")[1]["busy"]:
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)


class Stream:
    """Streamed request whose lines are read one at a time, and that can be closed early."""

    def __init__(
        self,
        function: ServedFunction,
        body: dict[str, Any],
        path: str = "/v1/chat/completions",
        *,
        headers: Mapping[str, str] | None = None,
        half_close: bool = False,
    ) -> None:
        address = urlsplit(function.url)
        self.socket = socket.create_connection((address.hostname or "", address.port or 0), timeout=WAIT_SECONDS)
        data = json.dumps(body).encode()
        self.socket.sendall(
            f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n".encode()
            + "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items()).encode()
            + f"Content-Length: {len(data)}\r\n\r\n".encode()
            + data
        )
        if half_close:
            self.socket.shutdown(socket.SHUT_WR)
        self.response = http.client.HTTPResponse(self.socket)
        self.response.begin()

    def until(self, start: str) -> str:
        """Read up to the line that starts with ``start``; return it."""
        while line := self.response.readline():
            if line.decode().startswith(start):
                return line.decode().strip()
        raise AssertionError(f"the stream ended before {start!r}")

    def rest(self) -> list[str]:
        """Return all further lines."""
        lines = self.response.read().decode().splitlines()
        self.close()
        return [line for line in lines if line]

    def close(self) -> None:
        self.response.close()
        self.socket.close()

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def lower(headers: Message) -> dict[str, str]:
    return {key.lower(): value for key, value in headers.items()}


@contextlib.contextmanager
def serving(
    tmp: Path, door: str = "gunicorn", *, before: Sequence[str] = (), after: Sequence[str] = (), **settings: str
) -> Iterator[ServedFunction]:
    """Serve with ``settings`` as environment variables; the tests' own environment is not inherited.

    The model is a tiny one of random weights unless MODEL_URI is among them; where it is empty, it is the default one.
    ``before`` and ``after`` extend the command line: a program that runs it, further arguments.
    """
    port = free_port()
    kept = {
        key: os.environ[key]
        for key in ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", COVERAGE_CONFIG)
        if key in os.environ
    }
    env = kept | {"PORT": str(port), "MODEL_CACHE_DIR": str(tmp / "cache"), "PYTHONUNBUFFERED": "1"}
    env |= {} if "MODEL_URI" in settings else {"MODEL_URI": str(write_tiny_model())}
    # One thread: two threads that synchronise at every step are very slow on a busy machine.
    env |= {"N_THREADS": "1"} | settings
    command = [*before, *(part.format(port=port) for part in DOORS[door]), *after]
    log = tmp / "log"
    with running(command, port, log, env, cwd=ROOT) as server:
        yield ServedFunction(server.url, log, server.process)
