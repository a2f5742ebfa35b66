"""Soak test: thousands of requests of every kind against one running function, each one accounted for.

    python -m bench.soak [--requests 2000] [--write docs/reliability.md]

Parallel clients send requests of every kind in random order, more at a time than the queue holds. In between, and at
the end, the clients pause: then the queue must be empty, and the memory, descriptors and threads of the serving
process are read. The speed of a reply is measured before and after. The command fails if a request gets a wrong
response, if the queue stays occupied, if memory grows by 2 % or more, or if there are more descriptors or threads
than at the first sample.
"""

import argparse
import collections
import contextlib
import json
import os
import random
import socket
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from bench.mixture import KINDS, REJECTED_AS_BUSY, RequestMixture, WrongResponse
from bench.record import write
from tests.servers.descendants import descendants
from tests.servers.doors import ServedFunction, serving

CLIENTS = 6
MAX_ATTEMPTS = 50  # of a request that is rejected as busy; it retries earlier than Retry-After
WARM_UP_REQUESTS = 600
MAX_GROWTH = 0.02
CONVERSATIONS, CONVERSATION_WORDS = 6, 300
"""More conversations, with more words, than the cache keeps."""
MALLOC = {
    "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0:glibc.malloc.arena_max=1:glibc.malloc.trim_threshold=131072",
    "PYTHONMALLOC": "malloc",
}
"""Settings that return freed memory at once. glibc keeps freed memory per thread, and Python keeps whole megabytes:
up to 4 % of the process's memory, different in each sample, in which a leak could hide."""
BURST_CONNECTIONS = 16
"""Connections that stall together at the beginning, so that no later moment needs more threads."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """Resources of the serving process: bytes of memory, open files, threads."""

    memory: int
    descriptors: int
    threads: int


@dataclass(slots=True)
class SoakResult:
    """Result of a soak. ``ended`` counts requests by kind and ending, ``busy`` those that were rejected as busy."""

    ended: collections.Counter[tuple[str, str]] = field(default_factory=collections.Counter)
    wrong: list[str] = field(default_factory=list)
    busy: int = 0
    sizes: list[Sizes] = field(default_factory=list)
    speeds: tuple[float, float] = (0.0, 0.0)
    seconds: float = 0.0

    @property
    def growth(self) -> float:
        """Return the growth of the memory since the first sample, as a share."""
        return self.sizes[-1].memory / self.sizes[0].memory - 1

    def complaints(self, growth: float = MAX_GROWTH) -> list[str]:
        """Return the violated rules as sentences."""
        first, last = self.sizes[0], self.sizes[-1]
        found = list(self.wrong)
        if self.growth >= growth:
            found.append(f"memory grew by {self.growth:.1%}, from {first.memory} to {last.memory} bytes")
        for name in ("descriptors", "threads"):
            if getattr(last, name) > getattr(first, name):
                found.append(f"{name} grew from {getattr(first, name)} to {getattr(last, name)}")
        return found


def soak(function: ServedFunction, requests: int, *, warm_up: int, seed: int = 1, samples: int = 8) -> SoakResult:
    """Send ``requests`` requests after ``warm_up`` others, which follow the same rules except for the memory."""
    mixture = RequestMixture(urlsplit(function.url).port or 0)
    result, began = SoakResult(), time.monotonic()
    _burst(function)
    mixture.learn()
    _round(mixture, result, warm_up, seed)
    result.sizes.append(_quiet(function))
    before = _speed(function)
    for sample in range(samples):
        _round(mixture, result, requests * (sample + 1) // samples - requests * sample // samples, seed + sample + 1)
        result.sizes.append(_quiet(function))
    result.speeds = before, _speed(function)
    result.seconds = time.monotonic() - began
    return result


def _burst(function: ServedFunction) -> None:
    address = urlsplit(function.url)
    with contextlib.ExitStack() as stack:
        for _ in range(BURST_CONNECTIONS):
            client = stack.enter_context(socket.create_connection((address.hostname or "", address.port or 0)))
            client.sendall(b"GET / HT")
        function.get("/health/live")


def _round(mixture: RequestMixture, result: SoakResult, requests: int, seed: int) -> None:
    """Send ``requests`` requests, CLIENTS at a time."""
    chance = random.Random(seed)
    kinds = [list(KINDS)[number % len(KINDS)] for number in range(requests)]
    chance.shuffle(kinds)
    lock = threading.Lock()

    def send(number: int) -> None:
        kind, mine = kinds[number], random.Random(f"{seed} {number}")
        try:
            for _ in range(MAX_ATTEMPTS):
                if (ended := mixture.send(kind, mine)) != REJECTED_AS_BUSY:
                    break
                with lock:
                    result.busy += 1
                time.sleep(mine.uniform(0.1, 0.5))
        except WrongResponse as e:
            ended = "wrong"
            result.wrong.append(f"{kind}: {e}")
        except Exception as e:
            ended = "lost"
            result.wrong.append(f"{kind}: {type(e).__name__}: {e}")
        with lock:
            result.ended[kind, ended] += 1

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(send, range(requests)))


def _quiet(function: ServedFunction) -> Sizes:
    """Wait until the function is idle; return the resources of its process.

    The cached conversations are the same in each sample: the last ones are always those of this function. Random ones
    would differ by more than the growth to be found.
    """
    function.idle()
    for number in range(CONVERSATIONS):
        function.ask("/chat", {"prompt": f"{number} " * CONVERSATION_WORDS, "seed": 1, "max_tokens": 1})
    [process] = descendants(function.process.pid)[:1]
    folder = Path(f"/proc/{process}")
    fewest = len(list((folder / "fd").iterdir()))
    for _ in range(40):  # connections whose clients have left are closed within seconds
        time.sleep(0.1)
        fewest = min(fewest, len(list((folder / "fd").iterdir())))
    status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
    return Sizes(int(status["VmRSS"].split()[0]) * 1024, fewest, int(status["Threads"]))


def _speed(function: ServedFunction) -> float:
    """Return the tokens/s of an undisturbed reply, the best of five: other programs can only slow it down."""
    speeds = []
    for _ in range(5):
        began = time.monotonic()
        function.ask("/chat", {"prompt": "hi", "seed": 1, "max_tokens": 400, "ignore_eos": True})
        speeds.append(400 / (time.monotonic() - began))
    return max(speeds)


def report(result: SoakResult) -> str:
    """Return the result as Markdown."""
    endings = sorted({ended for _, ended in result.ended})
    first, last = result.sizes[0], result.sizes[-1]
    total = sum(result.ended.values())
    lines = [
        f"{total} requests in {result.seconds:.0f} s, {CLIENTS} clients at a time on a queue of 2 "
        f"({time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores): {len(result.wrong)} got a wrong response. "
        f"{result.busy} times a request was rejected as busy, and retried.",
        "",
        "| request | " + " | ".join(endings) + " |",
        "|---|" + "---|" * len(endings),
    ]
    for kind in KINDS:
        counts = (str(result.ended[kind, ended] or "") for ended in endings)
        lines.append(f"| {kind.replace('_', ' ')} | " + " | ".join(counts) + " |")
    lines += [
        "",
        f"From the sample after the warm-up to the last of {len(result.sizes)}: memory {first.memory / 1e6:.1f} → "
        f"{last.memory / 1e6:.1f} MB ({result.growth:+.1%}), descriptors {first.descriptors} → {last.descriptors}, "
        f"threads {first.threads} → {last.threads}, tokens/s {result.speeds[0]:.0f} → {result.speeds[1]:.0f}.",
    ]
    return "\n".join(lines)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--write", type=Path, metavar="PAGE", help="record the result in this page")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), CLIENT_TIMEOUT="2", **MALLOC) as function:
        function.wait("ready")
        result = soak(function, arguments.requests - WARM_UP_REQUESTS, warm_up=WARM_UP_REQUESTS)
    text = report(result)
    print(text)
    print(json.dumps([(size.memory, size.descriptors, size.threads) for size in result.sizes]))
    if arguments.write:
        write(arguments.write, "soak", f"`python -m bench.soak --requests {arguments.requests}`\n\n{text}")
    sys.exit("\n".join(complaints) if (complaints := result.complaints()) else 0)


if __name__ == "__main__":
    main()
