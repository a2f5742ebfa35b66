"""Progress bar on a terminal, elsewhere a line every few seconds. On the error stream, so that output stays clean."""

import os
import sys
import threading
from types import TracebackType

from function.command.output import format_bytes, replace_control_characters
from function.fetch import Progress

BAR_CHARACTERS = 30
REDRAW_SECONDS = 0.1
LOG_SECONDS = 5.0
DEFAULT_COLUMNS = 80


class ProgressBar:
    """Shows a Progress while the ``with`` block runs."""

    def __init__(self, name: str, progress: Progress) -> None:
        self._name, self._progress = replace_control_characters(name, "?"), progress
        self._terminal = sys.stderr.isatty()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bar", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()
        if self._progress.total is not None:
            whole = error is None and self._progress.done == self._progress.total
            self._show(format_summary(self._name, self._progress) if whole else None, end="\n")

    def _run(self) -> None:
        while not self._ended.wait(REDRAW_SECONDS if self._terminal else LOG_SECONDS):
            if self._progress.total is not None:
                self._show(None, end="" if self._terminal else "\n")

    def _show(self, text: str | None, end: str) -> None:
        """Write ``text``, by default the current progress."""
        text = text or format_progress(self._name, self._progress)
        if self._terminal:
            text = f"\r\x1b[K{fit_line(self._progress, text, _columns())}"
        sys.stderr.write(f"{text}{end}")
        sys.stderr.flush()


def fit_line(progress: Progress, text: str, columns: int) -> str:
    """Return bar and text on one line: the bar is shortened first, then the start of the text, which is a name."""
    if len(text) >= columns:
        return f"…{text[len(text) - columns + 2 :]}" if columns > 1 else ""
    size = min(BAR_CHARACTERS, columns - len(text) - 2)
    return f"{draw_bar(progress, size)} {text}" if size > 0 else text


def draw_bar(progress: Progress, size: int = BAR_CHARACTERS) -> str:
    """Return the bar alone."""
    full = round(size * _share(progress))
    return "█" * full + "░" * (size - full)


def format_progress(name: str, progress: Progress) -> str:
    """Return the progress on one line: ``model.gguf 41% of 7.16 GB, 823 MB/s, 5 s left``."""
    text = f"{name} {_share(progress):.0%} of {format_bytes(progress.total or 0)}, {format_bytes(progress.rate)}/s"
    left = progress.eta is not None and progress.done != progress.total
    return f"{text}, {progress.eta:.0f} s left" if left else text


def format_summary(name: str, progress: Progress) -> str:
    """Return the end of a fetch on one line: ``model.gguf 100% of 7.16 GB in 8.7 s, 823 MB/s``."""
    text = f"{name} 100% of {format_bytes(progress.total or 0)}"
    if progress.kept == progress.total:
        return f"{text}, nothing to transfer"
    text = f"{text} in {progress.seconds:.1f} s, {format_bytes(progress.mean_rate)}/s"
    return f"{text}, {format_bytes(progress.kept)} kept from before" if progress.kept else text


def _columns() -> int:
    """Return the width of the terminal."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or DEFAULT_COLUMNS
    except OSError:
        return DEFAULT_COLUMNS


def _share(progress: Progress) -> float:
    return progress.done / progress.total if progress.total else 1.0
