"""Header of a model during its fetch: fetches that start over meanwhile."""

import threading
from pathlib import Path
from typing import Any

from function.fetch import Progress
from function.lifecycle.early_header import await_header
from function.observability.timings import PhaseTimings
from tools.models import write_model
from tools.shapes import SHAPES


class WatchedPath(type(Path())):  # type: ignore[misc]
    """Path of a file whose first ``open`` is followed by ``then``."""

    def open(self, *args: Any, **options: Any) -> Any:
        file = super().open(*args, **options)
        self.then()
        return file


def test_header_of_a_fetch_that_starts_over_is_that_of_the_new_file(tmp_path: Path) -> None:
    first, second = (
        write_model(tmp_path / f"{name}.gguf", SHAPES["tiny"], name=name) for name in ("the first", "the second")
    )
    progress = Progress()
    watched = WatchedPath(first)
    watched.then = lambda: progress.fill(second, second.stat().st_size)
    progress.fill(watched, first.stat().st_size)
    found = await_header(progress, threading.Event(), PhaseTimings())
    assert found is not None
    assert found[0].name == "the second"


class RestartedProgress(Progress):
    """Progress of a fetch that starts over when its file is opened, and ends with the next wait for it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._whole = path.read_bytes()
        self._path, self._restarted = WatchedPath(path), False
        path.write_bytes(self._whole[:100] + bytes(len(self._whole) - 100))
        self._path.then = self._restart
        self.fill(self._path, len(self._whole))

    def await_prefix(self, wanted: int, timeout: float) -> bool:
        if self._restarted:
            self._path.write_bytes(self._whole)
            self.fill(self._path, len(self._whole))
        return super().await_prefix(wanted, timeout)

    def _restart(self) -> None:
        if not self._restarted:
            self._restarted = True
            self.fill(self._path, 0)


def test_header_of_a_file_that_is_filled_again_is_read_again(tmp_path: Path) -> None:
    path = write_model(tmp_path / "model.gguf", SHAPES["tiny"], name="whole")
    found = await_header(RestartedProgress(path), threading.Event(), PhaseTimings())
    assert found is not None
    assert found[0].name == "whole"
