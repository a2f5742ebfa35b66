"""Progress bar on a terminal, elsewhere a line every few seconds. On the error stream, so that output stays clean."""

import sys
import threading
from types import TracebackType

from function.command.output import format_bytes
from function.fetch import Progress

BAR_CHARACTERS = 30
REDRAW_SECONDS = 0.1
LOG_SECONDS = 5.0


class ProgressBar:
    """Shows a Progress while the ``with`` block runs."""

    def __init__(self, name: str, progress: Progress) -> None:
        self._name, self._progress = name, progress
        self._terminal = sys.stderr.isatty()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bar", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()
        self._show(end="\n")

    def _run(self) -> None:
        while not self._ended.wait(REDRAW_SECONDS if self._terminal else LOG_SECONDS):
            self._show(end="" if self._terminal else "\n")

    def _show(self, end: str) -> None:
        progress = self._progress
        if progress.total is None:
            return
        start = f"\r\x1b[K{draw_bar(progress)} " if self._terminal else ""
        sys.stderr.write(f"{start}{format_progress(self._name, progress)}{end}")
        sys.stderr.flush()


def draw_bar(progress: Progress) -> str:
    """Return the bar alone."""
    full = round(BAR_CHARACTERS * _share(progress))
    return "█" * full + "░" * (BAR_CHARACTERS - full)


def format_progress(name: str, progress: Progress) -> str:
    """Return the progress on one line: ``model.gguf 41% of 7.16 GB, 823 MB/s, 5 s left``."""
    text = f"{name} {_share(progress):.0%} of {format_bytes(progress.total or 0)}, {format_bytes(progress.rate)}/s"
    left = progress.eta is not None and progress.done != progress.total
    return f"{text}, {progress.eta:.0f} s left" if left else text


def _share(progress: Progress) -> float:
    return progress.done / progress.total if progress.total else 1.0
