"""The capacity simulation beside real instances: ``python -m bench.capacity``.

A small dispatcher does what a platform does: it starts a gunicorn instance if none is free, gives each one request at a
time and ends idle ones. Each instance has a CPU of its own, as on a platform. The same arrivals then go through the
simulation, with the speeds that were measured. ``--theory`` prints the simulation beside the formulas of queueing
theory instead.
"""

import argparse
import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from queue import Queue

import numpy as np

from bench.shapes import model
from function.capacity.lengths import ConstantLengths
from function.capacity.platforms import Platform
from function.capacity.simulation import Scaling, Speeds, simulate
from function.capacity.traffic import RecordedArrivals
from tests.queueing_theory import (
    compare_bounded_queue,
    compare_erlang_b,
    compare_erlang_c,
    compare_pollaczek_khinchine,
)
from tests.servers.process import free_port

ROOT = Path(__file__).parent.parent
START_TIMEOUT_SECONDS = 120.0
IDLE_SECONDS = 8.0
CPUS = tuple(os.sched_getaffinity(0))
REPLY_TOKENS = 400
PATIENT = Platform("bench", 1e9, 0.0, bound=False, billing_step_seconds=0.0)


class Instance:
    """A gunicorn with one worker on a free port and one CPU."""

    def __init__(self, path: Path, folder: Path, cpu: int) -> None:
        self.cpu = cpu
        self._port = free_port()
        env = dict(os.environ, MODEL_URI=str(path), PORT=str(self._port), N_THREADS="1", LOG_LEVEL="ERROR")
        command = [
            "taskset",
            "-c",
            str(cpu),
            sys.executable,
            "-m",
            "gunicorn",
            "-c",
            "python:function.server.gunicorn_conf",
        ]
        self._log = (folder / f"{self._port}.log").open("wb")
        self._process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=self._log, stderr=self._log)

    def ask(self, tokens: int) -> tuple[float, float]:
        """Return the seconds to the first token and to the end; a refused connection is tried again."""
        began = time.monotonic()
        body = json.dumps({"prompt": "hi", "max_tokens": tokens, "ignore_eos": True, "seed": 1, "stream": True})
        while True:
            with contextlib.suppress(ConnectionError):
                connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=START_TIMEOUT_SECONDS)
                with contextlib.closing(connection):
                    connection.request("POST", "/v1/completions", body, {"Content-Type": "application/json"})
                    response = connection.getresponse()
                    line = b""
                    while not line.startswith(b"data: "):
                        line = response.readline()
                    first = time.monotonic() - began
                    response.read()
                    return first, time.monotonic() - began
            if time.monotonic() - began > START_TIMEOUT_SECONDS:
                raise TimeoutError("the instance does not answer")
            time.sleep(0.005)

    def close(self) -> None:
        """End the instance."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait()
        self._log.close()


class InstanceDispatcher:
    """Platform of real instances: starts, assigns and ends them by the simulation's rules."""

    def __init__(self, path: Path, folder: Path) -> None:
        self._path, self._folder = path, folder
        self._lock = threading.Lock()
        self._idle: deque[tuple[float, Instance]] = deque()
        self._waiting: deque[Queue[Instance]] = deque()
        self._free_cpus = list(CPUS)
        self._starting = 0
        self.starts = 0
        self.first_tokens: list[float] = []

    def ask(self) -> None:
        """Ask like a client, and record the seconds from arrival to the first token."""
        began = time.monotonic()
        instance = self._take().get(timeout=START_TIMEOUT_SECONDS)
        waited = time.monotonic() - began
        first, _ = instance.ask(REPLY_TOKENS)
        self._release(instance)
        self.first_tokens.append(waited + first)

    def close(self) -> None:
        """End all instances."""
        for _, instance in self._idle:
            instance.close()

    def _take(self) -> "Queue[Instance]":
        """Return a place in which an instance appears."""
        place: Queue[Instance] = Queue()
        with self._lock:
            while self._idle and self._idle[0][0] + IDLE_SECONDS <= time.monotonic():
                expired = self._idle.popleft()[1]
                threading.Thread(target=expired.close).start()
                self._free_cpus.append(expired.cpu)
            if self._idle:
                place.put(self._idle.pop()[1])
                return place
            self._waiting.append(place)
            if self._free_cpus and self._starting < len(self._waiting):
                self._starting, self.starts = self._starting + 1, self.starts + 1
                threading.Thread(target=self._start, args=(self._free_cpus.pop(),)).start()
        return place

    def _start(self, cpu: int) -> None:
        instance = Instance(self._path, self._folder, cpu)
        instance.ask(1)
        with self._lock:
            self._starting -= 1
        self._release(instance)

    def _release(self, instance: Instance) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().put(instance)
            else:
                self._idle.append((time.monotonic(), instance))


def measure(path: Path, folder: Path) -> Speeds:
    """Return the speeds of one instance alone: medians of three starts and nine replies."""
    starts, firsts, totals = [], [], []
    for _ in range(3):
        began = time.monotonic()
        instance = Instance(path, folder, CPUS[0])
        instance.ask(1)
        starts.append(time.monotonic() - began)
        for _ in range(3):
            first, total = instance.ask(REPLY_TOKENS)
            firsts.append(first)
            totals.append(total)
        instance.close()
    first = float(np.median(firsts))
    decode = (REPLY_TOKENS - 1) / (float(np.median(totals)) - first)
    return Speeds(float(np.median(starts)), 1 / max(first - 1 / decode, 1e-6), decode)


def main() -> None:
    """Replay one Poisson stream at each rate, really and simulated, and print both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=60)
    parser.add_argument("--theory", action="store_true", help="compare with queueing theory, without instances")
    parser.add_argument("--per-minute", type=float, nargs="+", default=[10.0, 30.0, 90.0])
    arguments = parser.parse_args()
    if arguments.theory:
        show_theory()
        return
    path = model("tiny", "Q8_0")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        speeds = measure(path, folder)
        print(f"one instance: start {speeds.cold_start_seconds:.2f} s, decode {speeds.decode_per_second:.0f} tokens/s")
        print(f"{'per minute':>10}{'':>12}{'starts':>8}{'mean':>9}{'p50':>9}{'p95':>9}   (seconds to the first token)")
        for rate in arguments.per_minute:
            gaps = np.random.default_rng(1).exponential(60 / rate, arguments.requests)
            times = np.cumsum(gaps)
            dispatcher = InstanceDispatcher(path, folder)
            replay(dispatcher, times.tolist())
            real = np.array(dispatcher.first_tokens)
            show(rate, "real", dispatcher.starts, real.mean(), np.quantile(real, 0.5), np.quantile(real, 0.95))
            outcome = simulate(
                RecordedArrivals(times, float(times[-1]) + 60),
                ConstantLengths(1),
                ConstantLengths(REPLY_TOKENS),
                speeds,
                PATIENT,
                Scaling(len(CPUS), idle_seconds=IDLE_SECONDS),
            )
            simulated = outcome.first_token
            quantiles = (simulated.quantile(0.5), simulated.quantile(0.95))
            show(rate, "simulated", outcome.starts, simulated.mean, *quantiles)


def show_theory() -> None:
    """Print the simulation beside the systems with a known answer, as rows of a table."""
    print("| system | | simulated | formula | difference |")
    print("|---|---|---:|---:|---:|")
    for comparisons in (
        compare_erlang_c(1, 0.5, 8),
        compare_erlang_c(3, 0.6, 8),
        compare_erlang_c(10, 0.8, 40),
        compare_erlang_b(1, 0.7, 8),
        compare_erlang_b(3, 0.9, 8),
        compare_bounded_queue(1, 0.8, 2, 8),
        compare_bounded_queue(3, 1.1, 2, 8),
        compare_pollaczek_khinchine(0.6, 0.0, 8),
        compare_pollaczek_khinchine(0.6, 0.5, 8),
        compare_pollaczek_khinchine(0.6, 2.0, 8),
    ):
        for each in comparisons:
            difference = each.simulated / each.formula - 1
            print(
                f"| {each.system} | {each.quantity} | {each.simulated:.4f} | {each.formula:.4f} | {difference:+.2%} |"
            )


def replay(dispatcher: InstanceDispatcher, times: Sequence[float]) -> None:
    """Let requests arrive at ``times``, and wait for all replies."""
    began, threads = time.monotonic(), []
    for at in times:
        time.sleep(max(0.0, began + at - time.monotonic()))
        threads.append(threading.Thread(target=dispatcher.ask))
        threads[-1].start()
    for thread in threads:
        thread.join()
    dispatcher.close()


def show(rate: float, kind: str, starts: int, *seconds: float) -> None:
    """Print one row."""
    print(f"{rate:>10g}{kind:>12}{starts:>8}" + "".join(f"{each:>9.3f}" for each in seconds), flush=True)


if __name__ == "__main__":
    main()
