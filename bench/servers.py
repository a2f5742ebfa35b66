"""Servers for benches: the function under gunicorn, and llama-server, each ready and with its CPU time."""

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.reference import llama_server
from bench.start import family

ROOT = Path(__file__).parent.parent
READY_TIMEOUT_SECONDS = 600.0
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class MeasuredServer:
    """Running server: its port and its first process."""

    port: int
    pid: int

    def cpu_seconds(self) -> float:
        """Return the CPU time of the server's processes so far."""
        return sum(_cpu_seconds(pid) for pid in family(self.pid))


@contextlib.contextmanager
def function_server(*app: str, **settings: str) -> Iterator[MeasuredServer]:
    """Run the function under gunicorn, or another ``app``, until the block ends."""
    command = [str(Path(sys.executable).parent / "gunicorn"), "-c", "python:function.server.gunicorn_conf", *app]
    port = _free_port()
    with _running(command, port, settings | {"PORT": str(port)}, "/health/ready") as server:
        yield server


@contextlib.contextmanager
def reference_server(*options: str) -> Iterator[MeasuredServer]:
    """Run llama-server until the block ends."""
    port = _free_port()
    with _running([str(llama_server()), *options, "--port", str(port)], port, {}, "/health") as server:
        yield server


@contextlib.contextmanager
def _running(command: Sequence[str], port: int, settings: Mapping[str, str], ready: str) -> Iterator[MeasuredServer]:
    """Run a server until the block ends. ``ready`` is the path that returns 200 once it serves."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **settings}, stdout=log, stderr=log)
        try:
            end = time.monotonic() + READY_TIMEOUT_SECONDS
            while not _is_ready(port, ready):
                if process.poll() is not None or time.monotonic() > end:
                    log.seek(0)
                    sys.exit(f"{command[0]} did not start:\n{log.read().decode(errors='replace')}")
                time.sleep(0.1)
            yield MeasuredServer(port, process.pid)
        finally:
            process.terminate()
            process.wait()


def _is_ready(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
