"""Port that the server cannot open: one sentence, before anything is loaded."""

import os
import socket
import subprocess
from pathlib import Path

from tests.command_line import ROOT, on_terminal
from tests.servers.doors import DOORS, WAIT_SECONDS
from tests.servers.process import free_port


def test_port_in_use_is_one_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = taken.getsockname()[1]
        outcome = subprocess.run(
            DOORS["gunicorn"],
            cwd=ROOT, env={"PATH": "", "PORT": str(port)}, capture_output=True, text=True, timeout=WAIT_SECONDS,
        )  # fmt: skip
    assert outcome.returncode == 1
    assert outcome.stdout == ""
    assert outcome.stderr == (
        f"error: PORT={port} is in use by another program. Stop that program, or set another PORT.\n"
    )


def test_log_of_a_server_on_a_terminal_is_text_with_colours(tiny_model: Path) -> None:
    env = {"PORT": str(free_port()), "PATH": os.environ["PATH"], "MODEL_URI": str(tiny_model)}
    _, shown = on_terminal(DOORS["gunicorn"], [("ready: tiny random", "\x03")], env=env)
    lines = [line for line in shown.splitlines() if "ready: tiny random" in line]
    assert lines[0].startswith("\x1b[90m")
    assert "{" not in lines[0]
