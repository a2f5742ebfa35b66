"""A download in small steps, and helpers that compare engines and servers."""

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from function.engine import Engine, Event, Finished, Job, LoadOptions, PlaceholderFile, TextPiece
from function.fetch import Progress
from function.gguf import read_header
from tests.servers.doors import WAIT_SECONDS, ServedFunction, serving
from tools.shapes import Shape

SEEDED = {"prompt": "Tell me more", "max_tokens": 12, "seed": 7}
MAPPED = {"N_CTX": "512", "LOAD_MODE": "mapped"}
"""Settings of a server that sets the model up before its weights; with AMX it would copy those of a small model."""
WIDE = Shape("wide", 8, 512, 8, 2, 1408, 1024, 1 << 24)
"""Model with several blocks of a fetch, and a context that needs more memory than any machine has."""
FIRST = 10 << 20
"""Bytes of it that include the header, but not the last block."""


class Drip(Progress):
    """A download of ``source`` into ``part`` that brings a few bytes with each wait for it."""

    def __init__(self, source: Path, part: Path, fails_at: int | None = None) -> None:
        super().__init__()
        self._data, self._fails_at = source.read_bytes(), fails_at
        start = read_header(source).data_offset
        part.write_bytes(self._data[:start])
        os.truncate(part, len(self._data))
        self.fill(part, start)

    def await_prefix(self, wanted: int, timeout: float) -> bool:
        assert self.part is not None
        if self._fails_at is not None and self.prefix > self._fails_at:
            self.end()
        elif not self.over and wanted <= len(self._data):
            more = self._data[self.prefix : max(wanted, self.prefix + (64 << 10))]
            with self.part.open("r+b") as file:
                file.seek(self.prefix)
                file.write(more)
            self.fill(self.part, self.prefix + len(more))
        return super().await_prefix(wanted, timeout)

    def whole(self) -> Path:
        """Complete the download and return its file."""
        assert self.part is not None
        self.await_prefix(len(self._data), 0)
        self.end()
        return self.part


def placeholder(path: Path, whole: Callable[[], Path], filling: Progress | None = None) -> PlaceholderFile:
    """Return a placeholder of the model at ``path``."""
    header = read_header(path)
    ends = {tensor.name: tensor.offset + tensor.size for tensor in header.tensors}
    return PlaceholderFile(path.read_bytes()[: header.data_offset], header.file_size, whole, filling, ends)


@contextmanager
def engines(
    source: PlaceholderFile,
    path: Path,
    options: LoadOptions,
    late_options: LoadOptions | None = None,
) -> Iterator[tuple[Engine, Engine]]:
    """Yield an engine loaded from ``source`` and one loaded from the whole file at ``path``."""
    with ExitStack() as stack:
        early = Engine.load(source, options)
        stack.callback(early.close)
        source.close()
        late = Engine.load(path, late_options or options)
        stack.callback(late.close)
        yield early, late


def from_a_file(model: Path, folder: Path, **settings: str) -> tuple[int, Any]:
    """Return the reply to SEEDED from a server with a local model."""
    folder.mkdir()
    with serving(folder, MODEL_URI=str(model), **MAPPED | settings) as function:
        return function.ask("/chat", SEEDED)


def numbers(engine: Engine, job: Job) -> tuple[list[Event], Finished]:
    """Return the texts of a reply, with the logprobs of its tokens, and its last event."""
    *events, last = engine.submit(job)
    assert isinstance(last, Finished)
    return [event for event in events if isinstance(event, TextPiece)], last


def until(function: ServedFunction, line: str) -> None:
    """Wait for a line in the function's log."""
    deadline = time.monotonic() + WAIT_SECONDS
    while line not in function.log.read_text():
        assert time.monotonic() < deadline, function.log.read_text()
        time.sleep(0.02)


def children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def worker(function: ServedFunction) -> int:
    """Return the pid of gunicorn's worker."""
    (process,) = children(function.process.pid)
    return process


def fetch_process(serving_process: int) -> int:
    """Return the pid of a worker's fetch: the second child, because the renderer of templates is forked first."""
    _, fetching = sorted(children(serving_process))
    return fetching


def filling_is_mapped(function: ServedFunction) -> bool:
    """Return true if gunicorn's worker has mapped the file that its child fills, and so reads weights early."""
    try:
        serving_process = worker(function)
        fetching = fetch_process(serving_process)
        files = list(Path(f"/proc/{fetching}/fd").iterdir())
        model = {file.stat().st_ino for file in files if re.search(r"memfd:|\.part$", str(file.readlink()))}
    except (OSError, ValueError):  # a file or a process has gone
        return False
    mapped = Path(f"/proc/{serving_process}/maps").read_text().splitlines()
    return any(int(line.split()[4]) in model for line in mapped)
