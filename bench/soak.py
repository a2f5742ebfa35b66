"""Thousands of requests of every sort against one running function, every one accounted for.

    python -m bench.soak [--requests 2000] [--write docs/reliability.md]

Clients in parallel make requests of every kind in random order, more at a time than the queue holds. In between, and at
the end, nobody asks: then the queue must be empty, and memory, descriptors and threads of the process that serves are
read. The speed of a reply is measured before and after. The command fails when a request gets what it must not, when
the queue stays taken, when memory grew by 2 % or more, or when there are more descriptors or threads than at first.
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

from bench.mixture import BUSY, KINDS, Mixture, Wrong
from bench.record import write
from tests.servers.descendants import descendants
from tests.servers.doors import ServedFunction, serving

CLIENTS = 6
TRIES = 50  # of a request that is told to come back; it does so sooner than it should
WARM_UP = 600
GROWTH = 0.02
CONVERSATIONS, LENGTH = 6, 300
"""More, and of more words, than are kept."""
MALLOC = {
    "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0:glibc.malloc.arena_max=1:glibc.malloc.trim_threshold=131072",
    "PYTHONMALLOC": "malloc",
}
"""glibc keeps freed memory for each thread that freed it, and Python by the megabyte: up to 4 % of what the process
holds, more or less from look to look, in which a leak could hide. Without that it holds what is in use."""
BURST = 16
"""Connections that stall together at first, so that no later moment needs more threads."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """What the serving process holds: bytes of memory, open files, threads."""

    memory: int
    descriptors: int
    threads: int


@dataclass(slots=True)
class Outcome:
    """What a soak saw. ``ended`` counts requests by kind and how they ended, ``busy`` those told to come back."""

    ended: collections.Counter[tuple[str, str]] = field(default_factory=collections.Counter)
    wrong: list[str] = field(default_factory=list)
    busy: int = 0
    sizes: list[Sizes] = field(default_factory=list)
    speeds: tuple[float, float] = (0.0, 0.0)
    seconds: float = 0.0

    @property
    def growth(self) -> float:
        """By which share the memory grew after the first look."""
        return self.sizes[-1].memory / self.sizes[0].memory - 1

    def complaints(self, growth: float = GROWTH) -> list[str]:
        """What must not be, in sentences."""
        first, last = self.sizes[0], self.sizes[-1]
        found = list(self.wrong)
        if self.growth >= growth:
            found.append(f"memory grew by {self.growth:.1%}, from {first.memory} to {last.memory} bytes")
        for name in ("descriptors", "threads"):
            if getattr(last, name) > getattr(first, name):
                found.append(f"{name} grew from {getattr(first, name)} to {getattr(last, name)}")
        return found


def soak(function: ServedFunction, requests: int, *, warm_up: int, seed: int = 1, looks: int = 8) -> Outcome:
    """Make ``requests`` requests after ``warm_up`` others; those are held to the same rules, but not the memory."""
    mixture = Mixture(urlsplit(function.url).port or 0)
    outcome, began = Outcome(), time.monotonic()
    _burst(function)
    mixture.learn()
    _round(mixture, outcome, warm_up, seed)
    outcome.sizes.append(_quiet(function))
    before = _speed(function)
    for look in range(looks):
        _round(mixture, outcome, requests * (look + 1) // looks - requests * look // looks, seed + look + 1)
        outcome.sizes.append(_quiet(function))
    outcome.speeds = before, _speed(function)
    outcome.seconds = time.monotonic() - began
    return outcome


def _burst(function: ServedFunction) -> None:
    address = urlsplit(function.url)
    with contextlib.ExitStack() as stack:
        for _ in range(BURST):
            client = stack.enter_context(socket.create_connection((address.hostname or "", address.port or 0)))
            client.sendall(b"GET / HT")
        function.get("/health/live")


def _round(mixture: Mixture, outcome: Outcome, requests: int, seed: int) -> None:
    """``requests`` requests, CLIENTS at a time."""
    chance = random.Random(seed)
    kinds = [list(KINDS)[number % len(KINDS)] for number in range(requests)]
    chance.shuffle(kinds)
    lock = threading.Lock()

    def make(number: int) -> None:
        kind, mine = kinds[number], random.Random(f"{seed} {number}")
        try:
            for _ in range(TRIES):
                if (ended := mixture.one(kind, mine)) != BUSY:
                    break
                with lock:
                    outcome.busy += 1
                time.sleep(mine.uniform(0.1, 0.5))
        except Wrong as e:
            ended = "wrong"
            outcome.wrong.append(f"{kind}: {e}")
        except Exception as e:
            ended = "lost"
            outcome.wrong.append(f"{kind}: {type(e).__name__}: {e}")
        with lock:
            outcome.ended[kind, ended] += 1

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(make, range(requests)))


def _quiet(function: ServedFunction) -> Sizes:
    """Wait until nobody is served; what the process holds then.

    What it keeps of earlier conversations is the same at each look: the last that were had are always these. Otherwise
    it would be whatever came by, which differs by more than what is looked for.
    """
    function.idle()
    for number in range(CONVERSATIONS):
        function.ask("/chat", {"prompt": f"{number} " * LENGTH, "seed": 1, "max_tokens": 1})
    [process] = descendants(function.process.pid)[:1]
    folder = Path(f"/proc/{process}")
    fewest = len(list((folder / "fd").iterdir()))
    for _ in range(40):  # connections whose clients have left are closed within seconds
        time.sleep(0.1)
        fewest = min(fewest, len(list((folder / "fd").iterdir())))
    status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
    return Sizes(int(status["VmRSS"].split()[0]) * 1024, fewest, int(status["Threads"]))


def _speed(function: ServedFunction) -> float:
    """Tokens/s of a reply that nobody disturbs, the best of five: other programs only ever slow it down."""
    speeds = []
    for _ in range(5):
        began = time.monotonic()
        function.ask("/chat", {"prompt": "hi", "seed": 1, "max_tokens": 400, "ignore_eos": True})
        speeds.append(400 / (time.monotonic() - began))
    return max(speeds)


def report(outcome: Outcome) -> str:
    """The outcome as Markdown."""
    endings = sorted({ended for _, ended in outcome.ended})
    first, last = outcome.sizes[0], outcome.sizes[-1]
    total = sum(outcome.ended.values())
    lines = [
        f"{total} requests in {outcome.seconds:.0f} s, {CLIENTS} clients at a time on a queue of 2 "
        f"({time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores): {len(outcome.wrong)} got what they must not. "
        f"{outcome.busy} times one was told to come back, and did.",
        "",
        "| request | " + " | ".join(endings) + " |",
        "|---|" + "---|" * len(endings),
    ]
    for kind in KINDS:
        counts = (str(outcome.ended[kind, ended] or "") for ended in endings)
        lines.append(f"| {kind.replace('_', ' ')} | " + " | ".join(counts) + " |")
    lines += [
        "",
        f"From the look after the warm-up to the last of {len(outcome.sizes)}: memory {first.memory / 1e6:.1f} → "
        f"{last.memory / 1e6:.1f} MB ({outcome.growth:+.1%}), descriptors {first.descriptors} → {last.descriptors}, "
        f"threads {first.threads} → {last.threads}, tokens/s {outcome.speeds[0]:.0f} → {outcome.speeds[1]:.0f}.",
    ]
    return "\n".join(lines)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--write", type=Path, metavar="PAGE", help="record the outcome in this page")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), CLIENT_TIMEOUT="2", **MALLOC) as function:
        function.wait("ready")
        outcome = soak(function, arguments.requests - WARM_UP, warm_up=WARM_UP)
    text = report(outcome)
    print(text)
    print(json.dumps([(size.memory, size.descriptors, size.threads) for size in outcome.sizes]))
    if arguments.write:
        write(arguments.write, "soak", f"`python -m bench.soak --requests {arguments.requests}`\n\n{text}")
    sys.exit("\n".join(complaints) if (complaints := outcome.complaints()) else 0)


if __name__ == "__main__":
    main()
