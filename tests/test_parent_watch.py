"""Notice of the parent's end: earlier signal handlers, and the workers, in real processes."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROGRAM = """
import os, signal, sys, time
from function.system.parent_watch import ParentWatch
number = signal.Signals[sys.argv[1]]
earlier = {"handled": lambda *_: print("handled", flush=True), "ignored": signal.SIG_IGN}[sys.argv[2]]
signal.signal(number, earlier)
watch = ParentWatch()
assert not watch.enter_worker(), "no handler is installed"
watch.install_handlers()
watch.install_handlers()
read_end, write_end = os.pipe()
worker = os.fork()
if not worker:
    assert watch.enter_worker()
    watch.watch(lambda: os.write(write_end, b"ended"))
    time.sleep(60)
os.kill(os.getpid(), number)
print(os.read(read_end, 10).decode(), flush=True)
os.kill(os.getpid(), number)
os.kill(worker, signal.SIGKILL)
os.waitpid(worker, 0)
"""


@pytest.mark.parametrize("signal", ["SIGTERM", "SIGINT", "SIGQUIT"])
@pytest.mark.parametrize(("earlier", "printed"), [("handled", "handled\nended\nhandled\n"), ("ignored", "ended\n")])
def test_signal_reaches_the_earlier_handler_and_the_workers(signal: str, earlier: str, printed: str) -> None:
    command = [sys.executable, "-c", PROGRAM, signal, earlier]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, printed), done.stderr
