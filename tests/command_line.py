"""Command line, run as by a user."""

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
HOME = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "N_THREADS": "1"}
WAIT_SECONDS = 240.0
TERMINAL_SECONDS = 90.0
INTERRUPT = "\x03"  # Ctrl-C
END_OF_INPUT = "\x04"  # Ctrl-D


def function(
    *arguments: str | Path, env: Mapping[str, str] | None = None, typed: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``python -m function …`` with the environment ``env`` and the input ``typed``."""
    command = [sys.executable, "-m", "function", *map(str, arguments)]
    return subprocess.run(
        command, env=HOME | dict(env or {}), input=typed, capture_output=True, text=True, timeout=WAIT_SECONDS, cwd=ROOT
    )


def on_terminal(
    command: Sequence[str | Path],
    steps: Sequence[tuple[str, str]] = (),
    *,
    env: Mapping[str, str] | None = None,
    columns: int = 80,
) -> tuple[int, str]:
    """Run ``command`` on a terminal of ``columns``; return its exit status and everything it showed.

    ``steps``: a text to wait for, and the keys to type then. Ctrl-C is typed again if nothing happens: a program
    that has just printed its prompt may miss it.
    """
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = HOME | {"TERM": "xterm"} | dict(env or {})
    shown, seen, typed, idle = "", 0, "", 0
    with subprocess.Popen(
        list(map(str, command)),
        stdin=slave, stdout=slave, stderr=slave, env=environment, cwd=ROOT, preexec_fn=_take_terminal,
    ) as process:  # fmt: skip
        os.close(slave)
        deadline = time.monotonic() + TERMINAL_SECONDS
        waiting = list(steps)
        while time.monotonic() < deadline:
            if not select.select([master], [], [], 0.1)[0]:
                if process.poll() is not None:
                    break
                idle += 1
                if typed == INTERRUPT and idle % 20 == 0:
                    os.write(master, typed.encode())
                continue
            idle = 0
            with contextlib.suppress(OSError):  # Linux reports the end of the other side as an error
                if chunk := os.read(master, 65_536):
                    shown += chunk.decode(errors="replace")
                    while waiting and (found := shown.find(waiting[0][0], seen)) >= 0:
                        seen = found + len(waiting[0][0])
                        typed = waiting.pop(0)[1]
                        os.write(master, typed.encode())
                    continue
            break
        else:
            process.kill()
            raise AssertionError(f"{waiting or 'the end'} did not come:\n{shown}")
        status = process.wait(WAIT_SECONDS)
    os.close(master)
    assert not waiting, f"{waiting[0][0]!r} did not come:\n{shown}"
    return status, shown


def _take_terminal() -> None:
    """Let the standard input be the controlling terminal of the process, so that Ctrl-C reaches it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs ignore it, and so do their children
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def function_on_terminal(
    *arguments: str | Path,
    steps: Sequence[tuple[str, str]] = (),
    env: Mapping[str, str] | None = None,
    columns: int = 80,
) -> tuple[int, str]:
    """Run ``python -m function …`` on a terminal: see ``on_terminal``."""
    return on_terminal([sys.executable, "-m", "function", *arguments], steps, env=env, columns=columns)
