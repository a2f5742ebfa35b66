"""Terminal: its width, and its colours."""

import io
import os

import pytest

from function.system.terminal import DEFAULT_COLUMNS, columns, paint


class TerminalText(io.StringIO):
    """Text that a terminal shows."""

    def isatty(self) -> bool:
        return True


def test_text_is_coloured_on_a_terminal_with_colours_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert paint("failed", "red", TerminalText()) == "\x1b[31mfailed\x1b[0m"
    assert paint("failed", "red", io.StringIO()) == "failed"
    monkeypatch.setenv("TERM", "dumb")
    assert paint("failed", "red", TerminalText()) == "failed"
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    assert paint("failed", "red", TerminalText()) == "failed"


def test_width_is_that_of_the_terminal_or_the_default() -> None:
    assert columns(io.StringIO()) == DEFAULT_COLUMNS == 80
    master, slave = os.openpty()
    try:
        with os.fdopen(slave, "w") as stream:
            assert columns(stream) == DEFAULT_COLUMNS, "a new terminal has no width"
            os.system(f"stty columns 132 < {os.ttyname(slave)}")
            assert columns(stream) == 132
    finally:
        os.close(master)
