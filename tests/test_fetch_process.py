"""Fetch in a child process: its reports to the parent, and the failures of either process."""

import inspect
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from function import errors
from function.errors import FunctionError, SourceError, Unavailable
from function.fetch import Progress
from function.fetch.process import PipeReporter, decode_error, encode_error
from function.fetch.transfer.worker import RangeRejected
from tests.servers.doors import WAIT_SECONDS
from tests.servers.filling import filling_store

PRELUDE = """
import os, resource, signal, sys, threading, time
from pathlib import Path
from function.errors import FunctionError
from function.fetch import FetchJob
from function.fetch.process import FetchProcess
from function.lifecycle.service import Service
from function.settings import Settings

uri, cache = sys.argv[1], Path(sys.argv[2])
killed = []
sys.addaudithook(lambda event, values: killed.append(values) if event == "os.kill" else None)

def alone():
    "Return True if this process has no child, not even a dead one."
    try:
        return os.waitpid(-1, os.WNOHANG) and False
    except ChildProcessError:
        return True

def fetched():
    while not (found := list(cache.glob("*/*.gguf"))):
        time.sleep(0.02)
    return found[0]
"""
"""First lines of a process with one thread, which may fork."""


def run_alone(code: str, uri: str, cache: Path) -> list[str]:
    """Return the lines that ``code`` prints in a process of its own."""
    command = [sys.executable, "-c", PRELUDE + code, uri, str(cache)]
    outcome = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_SECONDS, check=False)
    assert outcome.returncode == 0, outcome.stderr
    assert "Exception in thread" not in outcome.stderr, outcome.stderr
    return outcome.stdout.splitlines()


@pytest.fixture
def uri(tiny_model: Path) -> Iterator[str]:
    with filling_store(tiny_model, 1 << 30) as store:
        yield store.url


def test_close_does_not_kill_an_ended_child(uri: str, tmp_path: Path) -> None:
    code = """
fetch = FetchProcess(FetchJob(uri, cache))
fetch.follow()
fetch.result(threading.Event())
print(alone())
fetch.close()
print(killed)
"""
    assert run_alone(code, uri, tmp_path) == ["True", "[]"]


@pytest.mark.parametrize("follows", [True, False])
def test_closed_fetch_leaves_no_child_and_no_descriptor(follows: bool, tiny_model: Path, tmp_path: Path) -> None:
    code = f"""
files = len(os.listdir("/proc/self/fd"))
fetch, follows = FetchProcess(FetchJob(uri, cache)), {follows}
child = fetch._pid
if follows:
    fetch.follow()
fetch.close()
while threading.active_count() > 1:
    time.sleep(0.02)
print(killed == [(child, signal.SIGKILL)], alone(), len(os.listdir("/proc/self/fd")) - files)
"""
    with filling_store(tiny_model, 1) as store:
        assert run_alone(code, store.url, tmp_path) == ["True True 0"]


def test_missing_lock_fails_the_fetch(uri: str, tmp_path: Path) -> None:
    code = """
fetch = FetchProcess(job := FetchJob(uri, cache))
fetched().with_name(".lock").unlink()
fetch.follow()
try:
    fetch.result(threading.Event())
except FunctionError as e:
    print(e.code, e.permanent, ".lock" in str(e))
print(job.progress.over, alone())
"""
    assert run_alone(code, uri, tmp_path) == ["fetch_failed False True", "True True"]


def test_unexpected_error_of_the_child_is_logged_by_it(tmp_path: Path) -> None:
    code = """
import logging
class FaultyJob(FetchJob):
    def run(self):
        raise RuntimeError("a fault")

logging.basicConfig(stream=sys.stdout, format="%(processName)s %(process)d %(message)s")
running = FetchProcess(FaultyJob(uri, cache))
child = running._pid
running.follow()
try:
    running.result(threading.Event())
except RuntimeError as e:
    print("raised", e)
sys.stdout.flush()
print(f"child was {child}")
"""
    lines = run_alone(code, "https://example.com/model.gguf", tmp_path)
    child = lines[-1].removeprefix("child was ")
    assert f"MainProcess {child} the fetch failed" in lines
    assert "raised a fault" in lines


def test_fetch_uses_a_thread_if_no_process_can_start(uri: str, tmp_path: Path) -> None:
    code = """
service = Service(Settings(model_uri=uri, model_cache_dir=cache))
few, many = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")), many))
service.start()
resource.setrlimit(resource.RLIMIT_NOFILE, (few, many))
for _ in range(5):
    status = service.await_ready(100)
    service.start()
print(status.state, status.error)
service.close()
"""
    assert run_alone(code, uri, tmp_path) == ["ready None"]


@pytest.mark.parametrize("local", [False, True])
def test_next_request_tries_again_if_no_thread_can_start(
    local: bool, uri: str, tiny_model: Path, tmp_path: Path
) -> None:
    code = """
from function.engine import renderer
service = Service(Settings(model_uri=uri, model_cache_dir=cache))
threading.stack_size(1 << 50)
service.start()
error = service.status().error
renderer().close()
print(service.status().state, error.code, error.permanent, "thread" in str(error), alone())
service.start(retry=False)
threading.stack_size(0)
service.start()
print(service.await_ready(100).state)
service.close()
"""
    lines = run_alone(code, str(tiny_model) if local else uri, tmp_path)
    assert lines == ["failed unavailable False True True", "ready"]


def test_progress_reports_bytes_and_the_part(tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    progress = Progress()
    progress.report = PipeReporter(write_end)
    progress.start(10)
    progress.fill(tmp_path, 1)
    progress.add(3)
    os.close(write_end)
    with os.fdopen(read_end) as pipe:
        lines = [json.loads(line) for line in pipe]
    assert {"done": 3} in lines
    assert {"part": str(tmp_path), "prefix": 1} in lines


KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Unavailable)]
"""Errors that a fetch may raise, among others."""


@pytest.mark.parametrize("kind", KINDS)
def test_error_is_the_same_in_the_parent(kind: type[FunctionError]) -> None:
    error = kind("What happened.", param="model", size=3)
    error.permanent = not kind.permanent
    again = decode_error(json.loads(json.dumps(encode_error(error))))
    assert (type(again), again.message, again.param, again.evidence) == (kind, error.message, "model", {"size": 3})
    assert again.permanent == error.permanent


def test_private_error_becomes_its_nearest_public_class() -> None:
    again = decode_error(encode_error(RangeRejected("The whole object.")))
    assert (type(again), again.code) == (SourceError, RangeRejected.code)
