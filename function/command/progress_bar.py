"""Progress bar on a terminal, elsewhere a line every few seconds. On the error stream, so that output stays clean."""

import sys
import threading
from types import TracebackType

from function.command.output import format_bytes, replace_control_characters
from function.fetch import Progress
from function.system.terminal import columns, shorten

MAX_BAR_CHARACTERS = 30
MIN_NAME_CHARACTERS = 12
REDRAW_SECONDS = 0.1
LOG_SECONDS = 5.0


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

    def _show(self, summary: str | None, end: str) -> None:
        """Write ``summary``, by default the current progress."""
        text = summary or f"{self._name} {format_progress(self._progress)}"
        if self._terminal:  # the last column stays empty: some terminals start a new line after it
            width = columns(sys.stderr) - 1
            text = shorten(summary, width) if summary else format_line(self._name, self._progress, width)
            text = f"\r\x1b[K{text}"
        sys.stderr.write(f"{text}{end}")
        sys.stderr.flush()


def format_line(name: str, progress: Progress, width: int) -> str:
    """Return a bar, the name and the progress, in at most ``width`` characters."""
    text = format_progress(progress)
    room = width - len(text) - 1  # for the bar and the name, each with a space after it
    bar = max(0, min(MAX_BAR_CHARACTERS, room - min(len(name), max(MIN_NAME_CHARACTERS, room // 2)) - 1))
    parts = [draw_bar(progress, bar), shorten(name, max(0, room - bar - (1 if bar else 0))), text]
    return " ".join(filter(None, parts))[: max(0, width)]


def draw_bar(progress: Progress, width: int) -> str:
    """Return the bar alone."""
    full = round(width * _share(progress))
    return "█" * full + "░" * (width - full)


def format_progress(progress: Progress) -> str:
    """Return the progress: ``41% of 7.16 GB, 823 MB/s, 5 s left``. The rate and the rest are shown while it moves."""
    text = f"{_share(progress):.0%} of {format_bytes(progress.total or 0)}"
    if progress.done == progress.total or not progress.rate:
        return text
    text = f"{text}, {format_bytes(progress.rate)}/s"
    return text if progress.eta is None else f"{text}, {progress.eta:.0f} s left"


def format_summary(name: str, progress: Progress) -> str:
    """Return the end of a fetch on one line: ``model.gguf 100% of 7.16 GB in 8.7 s, 823 MB/s``."""
    text = f"{name} 100% of {format_bytes(progress.total or 0)}"
    if progress.kept == progress.total:
        return f"{text}, nothing to transfer"
    text = f"{text} in {progress.seconds:.1f} s, {format_bytes(progress.mean_rate)}/s"
    return f"{text}, {format_bytes(progress.kept)} kept from before" if progress.kept else text


def _share(progress: Progress) -> float:
    return progress.done / progress.total if progress.total else 1.0
