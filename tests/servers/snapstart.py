"""Lambda's SnapStart and its web adapter, as the documentation of both describes them, around one served function.

The steps of a copy: the adapter waits for a readiness path, requests a path before the copy, and Lambda stops the
virtual machine. Much later a copy of it continues, and the adapter requests another path before it passes requests on.
Here the processes are stopped and continued, so there is one copy.
"""

import contextlib
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from function.web.routes.snapstart import AFTER, BEFORE, LOADED
from tests.servers.descendants import descendants
from tests.servers.doors import WAIT_SECONDS, ServedFunction, serving

ENVIRONMENT = {
    "AWS_LAMBDA_FUNCTION_NAME": "chat",
    "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start",
    "AWS_LWA_SNAPSTART_AFTER_RESTORE_PATH": AFTER,
    "MODEL_CACHE": "memory",
}


@dataclass(frozen=True, slots=True)
class OriginalInstance:
    """Instance that a version is published from."""

    function: ServedFunction

    def publish(self) -> tuple[int, Any]:
        """Do all steps up to the copy; return the status and the body of the last one."""
        deadline = time.monotonic() + WAIT_SECONDS
        while self.function.get(LOADED)[0] != 200:
            assert time.monotonic() < deadline, self.function.log.read_text()
            time.sleep(0.05)
        return self.function.ask(BEFORE, b"")

    def restore(self) -> tuple[int, Any]:
        """Continue as a copy; return the status and the body of the adapter's request."""
        status, body = self.function.ask(AFTER, b"")
        return status, body if status != 200 else self.function.get(LOADED)[1]

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Stop all processes for the block."""
        master = self.function.process.pid
        processes = [master, *descendants(master)]
        for number in processes:
            os.kill(number, signal.SIGSTOP)
        try:
            yield
        finally:
            for number in reversed(processes):
                os.kill(number, signal.SIGCONT)

    def connections_to(self, port: int) -> list[int]:
        """Return the processes of this instance that have a connection to ``port`` of this machine."""
        master = self.function.process.pid
        lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        inodes = {words[9] for words in lines if int(words[2].partition(":")[2], 16) == port and words[3] == "01"}
        found = []
        for number in [master, *descendants(master)]:
            links = [str(path.readlink()) for path in Path(f"/proc/{number}/fd").iterdir()]
            if any(f"socket:[{inode}]" in links for inode in inodes):
                found.append(number)
        return found


@contextlib.contextmanager
def original_instance(
    tmp: Path, environment: Mapping[str, str] | None = None, *, before: Sequence[str] = (), **settings: str
) -> Iterator[OriginalInstance]:
    """Serve with SnapStart's environment, ``environment`` and ``settings``. ``before``: see ``serving``."""
    with serving(tmp, before=before, **ENVIRONMENT | dict(environment or {}) | settings) as function:
        yield OriginalInstance(function)
