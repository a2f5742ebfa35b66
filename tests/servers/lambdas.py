"""Lambda behind a Function URL, by the commands that the environment names.

LAMBDA_EMULATOR  `… --port N [--timeout S] [--freeze] -- COMMAND...`: prints `function URL: http://HOST:PORT/ …`, starts
                 COMMAND with a Runtime API for the first request (`{port}` in it is a free port), and turns HTTP
                 into Function URL events; the body of a POST to INVOKE is the event.
LAMBDA_ADAPTER   `… COMMAND...`: runs COMMAND as the Lambda Web Adapter does in an image.
"""

import contextlib
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.doors import BIN, ROOT, ServedFunction

INVOKE = "/2015-03-31/functions/function/invocations"
SCHEDULED = {"source": "scheduler", "name": "chat"}
"""Event that terraform/aws/warmup.tf sends."""


def command_from(variable: str, emulated: str) -> list[str]:
    """Return the command that an environment variable names; skip the test if it is not set."""
    command = shlex.split(os.environ.get(variable, ""))
    if not command:
        pytest.skip(f"{variable} is not set, and there is no other {emulated}")
    return command


def adapter_settings() -> dict[str, str]:
    """Return the settings of the Lambda Web Adapter in the image."""
    return dict(re.findall(r"\b(AWS_LWA_\w+)=(\S+)", (ROOT / "Dockerfile").read_text()))


def adapted(before: str = "") -> list[str]:
    """Return a command that runs this source behind the adapter. ``before``: shell commands to run first."""
    adapter = command_from("LAMBDA_ADAPTER", "Lambda Web Adapter")
    serve = shlex.join([str(BIN / "gunicorn"), "-c", "python:function.server.gunicorn_conf"])
    return ["sh", "-c", f'PORT={{port}} exec "$@" sh -c "{before}exec {serve}"', "sh", *adapter]


@contextlib.contextmanager
def emulated(tmp: Path, command: list[str], *options: str, **settings: str) -> Iterator[ServedFunction]:
    """Run Lambda with ``command`` as its function, which starts with the first request."""
    emulator = command_from("LAMBDA_EMULATOR", "Lambda")
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "XDG_CACHE_HOME") if key in os.environ}
    environment = kept | adapter_settings() | {"MODEL_CACHE_DIR": str(tmp / "cache")} | settings
    log = tmp / "log"
    with (
        log.open("wb") as out,
        subprocess.Popen(
            [*emulator, "--port", "0", *options, "--", *command],
            cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=out, text=True,
        ) as process,
    ):  # fmt: skip
        try:
            assert process.stdout is not None
            url = re.search(r"http://[\w.]+:\d+", process.stdout.readline())
            assert url is not None, log.read_text()
            yield ServedFunction(url[0], log, process)
        finally:
            process.terminate()
            process.wait(30)
