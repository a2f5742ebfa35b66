"""Terminal of a person: its width, colours, and a status line that is replaced by the next one."""

import os
import sys
from typing import Literal, TextIO

from function.settings import Terminal

DEFAULT_COLUMNS = 80
CODES = {"red": 31, "green": 32, "yellow": 33, "grey": 90}
"""ANSI codes of the colours."""

Colour = Literal["red", "green", "yellow", "grey"]


def columns(stream: TextIO) -> int:
    """Return the width of a terminal in characters; 80 if it is unknown, or if ``stream`` is no terminal."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or DEFAULT_COLUMNS
    except (OSError, ValueError):  # no terminal, or no file at all
        return DEFAULT_COLUMNS


def paint(text: str, colour: Colour, stream: TextIO) -> str:
    """Return ``text`` in ``colour``; unchanged unless ``stream`` is a terminal with colours, or if NO_COLOR is set."""
    if not stream.isatty() or not Terminal.from_env().has_colours:
        return text
    return f"\x1b[{CODES[colour]}m{text}\x1b[0m"


def show_status(text: str) -> None:
    """Replace the status line on the error stream; an empty text removes it. Does nothing unless it is a terminal."""
    if sys.stderr.isatty():
        shown = shorten(f"… {text}", columns(sys.stderr) - 1) if text else ""
        sys.stderr.write(f"\r\x1b[K{paint(shown, 'grey', sys.stderr) if shown else ''}")
        sys.stderr.flush()


def shorten(text: str, width: int) -> str:
    """Return ``text`` in at most ``width`` characters: its middle is replaced by an ellipsis."""
    if len(text) <= width:
        return text
    if width < 2:
        return text[:width]
    end = (width - 1) // 2
    return f"{text[: width - 1 - end]}…{text[len(text) - end :]}"
