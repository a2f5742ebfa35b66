"""Progress bars: within the width of the terminal."""

from pathlib import Path

import pytest

from function.command.progress_bar import format_line, format_progress
from function.fetch import Progress
from function.system.terminal import shorten
from tests.command_line import function_on_terminal
from tests.servers.faulty import FaultyStore

NAME = "Meta-Llama-3.1-8B-Instruct-abliterated-Q4_K_M.gguf"


def progress(done: int, total: int = 7_160_000_000) -> Progress:
    made = Progress()
    made.start(total, done)
    return made


@pytest.mark.parametrize("width", [0, 1, 10, 20, 40, 79, 200])
def test_line_fits_the_width(width: int) -> None:
    line = format_line(NAME, progress(3_000_000_000), width)
    assert len(line) <= width
    assert width < 40 or "42% of 7.16 GB" in line


def test_wide_line_has_the_bar_and_the_whole_name() -> None:
    line = format_line(NAME, progress(3_000_000_000), 199)
    assert NAME in line
    assert line.startswith("█")


def test_last_line_has_no_rate() -> None:
    assert format_progress(progress(145_000_000, 145_000_000)) == "100% of 145 MB"


def test_long_text_keeps_its_ends() -> None:
    assert shorten("model-Q4_K_M.gguf", 11) == "model….gguf"
    assert shorten("model", 5) == "model"


def test_bar_stays_on_one_row_of_the_terminal(tmp_path: Path) -> None:
    with FaultyStore(bytes(3_000_000)) as store:
        arguments = ("fetch", store.uri("http", NAME), "--to", str(tmp_path / "m.gguf"))
        status, shown = function_on_terminal(*arguments, columns=60)
    assert status == 0, shown
    rows = shown.split("/m.gguf:")[0].split("\r\x1b[K")
    assert max(len(row.rstrip("\r\n")) for row in rows[:-1]) < 60, rows
    assert "0 B/s" not in shown
