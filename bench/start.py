"""One start of a server: from exec to a reply, with its CPU time and memory."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent
REPLY_TIMEOUT_SECONDS = 300.0
QUESTION = {
    "messages": [{"role": "user", "content": "Hello! Who are you?"}],
    "stream": True,
    "max_tokens": 4,
    "logit_bias": {},
}


@dataclass
class StartRun:
    """One start: seconds to the reply, CPU seconds until the process ended, peak bytes, logged phases."""

    seconds: float
    cpu: float
    peak: int = 0
    phases: Mapping[str, float] = field(default_factory=dict)


def start(
    stages: Sequence[list[str]], port: int, env: Mapping[str, str], log: Path, tokens: int, watched: Path | None
) -> StartRun:
    """Run all stages but the last to their ends, then the last until it has streamed ``tokens``.

    ``watched``: folder whose files count as the server's memory; None skips the memory measurement.
    """
    began, cpu = time.monotonic(), 0.0
    with log.open("wb") as out:
        for number, command in enumerate(stages):
            process = subprocess.Popen(command, env=dict(env), cwd=ROOT, stdout=out, stderr=out)
            if number < len(stages) - 1:
                _, status, usage = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
                if process.returncode:
                    raise RuntimeError(f"{command[0]} failed: {log.read_text()}")
                cpu += usage.ru_utime + usage.ru_stime
        with contextlib.ExitStack() as stack:
            peak = stack.enter_context(peak_memory(process.pid, watched)) if watched else [0]
            try:
                reply(process, port, tokens)
                seconds = time.monotonic() - began
            except Exception as e:
                raise RuntimeError(f"{stages[-1][0]}: {e}\n{log.read_text()[-2000:]}") from e
            finally:
                process.send_signal(signal.SIGTERM)
                _, status, usage = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
    cpu += usage.ru_utime + usage.ru_stime
    return StartRun(seconds, cpu, peak[0], phases(log))


def reply(process: "subprocess.Popen[bytes]", port: int, tokens: int) -> None:
    """Send the request until ``tokens`` tokens of a reply have arrived."""
    longer = {"max_tokens": tokens, "ignore_eos": True} if tokens > 1 else {}
    body = json.dumps(QUESTION | longer)
    deadline = time.monotonic() + REPLY_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError("the process ended")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=REPLY_TIMEOUT_SECONDS)
        try:
            with contextlib.closing(connection):
                connection.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                if answer.status == 200 and arrives(answer, tokens):
                    return
        except (TimeoutError, ConnectionError):
            pass
        time.sleep(0.005)
    raise TimeoutError("no token arrived")


def arrives(answer: http.client.HTTPResponse, tokens: int) -> bool:
    """Read until the first piece, or the end of a longer reply; random weights may write no text."""
    while line := answer.readline():
        if not line.startswith(b"data: "):
            continue
        try:
            chunk = json.loads(line[6:])
        except ValueError:
            return True  # the seed guide streams bare text; [DONE]
        choices = chunk.get("choices") or [{}]
        if "error" in chunk:
            raise RuntimeError(line.decode())
        if choices[0].get("finish_reason") or (tokens == 1 and choices[0].get("delta", {}).get("content")):
            return True
    return False


@contextlib.contextmanager
def peak_memory(pid: int, folder: Path) -> Iterator[list[int]]:
    """Sample the total bytes of the process, its children and the files under ``folder``; yield the maximum."""
    peak, stop = [0], threading.Event()

    def sample() -> None:
        while not stop.wait(0.01):
            with contextlib.suppress(OSError):
                peak[0] = max(peak[0], sum(anonymous(each) for each in family(pid)) + stored(folder))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield peak
    finally:
        stop.set()
        thread.join()


def family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in family(int(child)))]


def anonymous(pid: int) -> int:
    """Return the bytes of anonymous memory; shared pages count proportionally."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss_Anon:"):
            return int(line.split()[1]) * 1024
    return 0


def stored(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def phases(log: Path) -> dict[str, float]:
    """Return the phases of the cold start from the function's log."""
    for line in log.read_text(errors="replace").splitlines():
        with contextlib.suppress(ValueError):
            entry = json.loads(line)
            if isinstance(entry, dict) and entry.get("event") == "ready":
                return {key: value for key, value in entry.items() if isinstance(value, int | float)}
    return {}
