"""Build and run of the image, by the commands that the environment names, or by docker.

IMAGE_BUILD          `… TAG DIR [OPTIONS]`: builds DIR/Dockerfile
IMAGE_BUILD_OPTIONS  further options of that command
IMAGE_RUN            `… TAG [K=V ...]`: becomes the image's entrypoint, as its user, on this machine's network. With
                     AWS_LAMBDA_RUNTIME_API in the environment it behaves like Lambda: Lambda's user, a read-only root
                     except /tmp, and the image's extensions running
"""

import contextlib
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.doors import ROOT, WAIT_SECONDS, ServedFunction
from tests.servers.process import free_port

TAG = "localhost/gguf-chat-function-test"


def build(*options: str, tag: str = TAG) -> str:
    """Build the image, which takes minutes without a cache; return its tag."""
    named = shlex.split(os.environ.get("IMAGE_BUILD", ""))
    if named:
        command = [*named, tag, str(ROOT), *shlex.split(os.environ.get("IMAGE_BUILD_OPTIONS", "")), *options]
    elif shutil.which("docker"):
        command = ["docker", "build", "--tag", tag, *options, str(ROOT)]
    else:
        pytest.skip("IMAGE_BUILD is not set, and there is no docker")
    done = subprocess.run(["nice", *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return tag


def entrypoint(tag: str, **settings: str) -> list[str]:
    """Return the command that becomes the image's entrypoint."""
    pairs = [f"{key}={value}" for key, value in settings.items()]
    named = shlex.split(os.environ.get("IMAGE_RUN", ""))
    if named:
        return [*named, tag, *pairs]
    variables = [word for pair in pairs for word in ("--env", pair)]
    return ["docker", "run", "--rm", "--read-only", "--tmpfs=/tmp", "--network=host", *variables, tag]


@contextlib.contextmanager
def running(tag: str, tmp: Path, **settings: str) -> Iterator[ServedFunction]:
    """Run a container and yield it once it answers; a test that stops it must wait for ``process`` itself."""
    port, log = free_port(), tmp / "log"
    command = entrypoint(tag, PORT=str(port), **settings)
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out) as process:
        function = ServedFunction(f"http://127.0.0.1:{port}", log, process)
        try:
            deadline = time.monotonic() + WAIT_SECONDS
            while not _answers(function):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
            yield function
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(30)


def _answers(function: ServedFunction) -> bool:
    try:
        return function.get("/health/live")[0] == 200
    except OSError:
        return False
