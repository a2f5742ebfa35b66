"""Crashes of a served function's worker, and the requests that tests send around them."""

import http.client
import os
import signal
import time
from typing import Any

from tests.servers.descendants import descendants
from tests.servers.doors import WAIT_SECONDS, ServedFunction

SEEDED: dict[str, Any] = {"prompt": "hi", "seed": 7, "max_tokens": 12}
ENDLESS: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}], "ignore_eos": True, "stream": True}
CONNECTION_ERRORS = (OSError, http.client.HTTPException)


def await_worker(function: ServedFunction) -> int:
    """Wait for the process that serves; return its id."""
    until = time.monotonic() + WAIT_SECONDS
    while not (children := descendants(function.process.pid)):
        assert time.monotonic() < until, function.log.read_text()
        time.sleep(0.02)
    return children[0]


def kill_worker(function: ServedFunction, number: signal.Signals = signal.SIGKILL) -> None:
    """Kill the worker, and wait until it is gone."""
    process = await_worker(function)
    os.kill(process, number)
    until = time.monotonic() + WAIT_SECONDS
    while process in descendants(function.process.pid):
        assert time.monotonic() < until
        time.sleep(0.02)
