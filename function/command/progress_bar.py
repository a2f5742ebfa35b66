"""A progress bar on a terminal, a line now and then elsewhere; on the error stream, so that output stays clean."""

import sys
import threading
from types import TracebackType

from function.fetch import Progress

WIDTH = 30  # characters of the bar itself
ON_TERMINAL = 0.1  # seconds between redraws
ELSEWHERE = 5.0  # seconds between lines in a log


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
        if self._progress.total is not None:
            self._show(last=True)

    def _run(self) -> None:
        while not self._ended.wait(ON_TERMINAL if self._terminal else ELSEWHERE):
            if self._progress.total is not None:
                self._show(last=False)

    def _show(self, *, last: bool) -> None:
        text = line(self._name, self._progress)
        if self._terminal:
            bar = drawn(self._progress)
            sys.stderr.write(f"\r\x1b[K{bar} {text}" + ("\n" if last else ""))
        else:
            sys.stderr.write(text + "\n")
        sys.stderr.flush()


def drawn(progress: Progress) -> str:
    """The bar itself."""
    full = round(WIDTH * _share(progress))
    return "█" * full + "░" * (WIDTH - full)


def line(name: str, progress: Progress) -> str:
    """``model.gguf 41% of 7.16 GB, 823 MB/s, 5 s left``."""
    parts = [f"{name} {_share(progress):.0%} of {bytes_of(progress.total or 0)}", f"{bytes_of(progress.rate)}/s"]
    if progress.eta is not None and progress.done != progress.total:
        parts.append(f"{progress.eta:.0f} s left")
    return ", ".join(parts)


def bytes_of(count: float) -> str:
    """A number of bytes for people: ``7.16 GB``."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.2f} GB"


def _share(progress: Progress) -> float:
    return progress.done / progress.total if progress.total else 1.0
