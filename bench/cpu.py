"""Speed of llama.cpp's builds: for this CPU, the portable baseline, each level, and the one chosen at the start.

    python -m bench.cpu [--rounds 5]

Each build runs in a process of its own, because a library cannot be loaded twice; the processes take turns. The
portable builds are compiled once (bench.levels), which takes minutes. The results are tokens per second of prefill and
decode, for two models, with mapped and with repacked weights.
"""

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench.bare import BareContext, Configuration, load
from bench.levels import INSTALLED, portable
from bench.shapes import model
from function.engine import CPUVariants, choose_cpu_variant
from function.engine.llama import library
from function.system.limits import cpus
from tools.models import Quant

MODELS: list[tuple[str, Quant, bool]] = [("135M", "Q8_0", False), ("0.5B", "Q4_0", False), ("0.5B", "Q4_0", True)]
PREFILL_TOKENS, DECODE_TOKENS = 128, 24
REST_SECONDS = 0.3

Speeds = dict[str, tuple[float, float]]


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        work(arguments.worker)
        return
    levels = CPUVariants(portable())
    chosen = choose_cpu_variant(levels)
    assert chosen is not None
    builds = {"installed": INSTALLED} | {name: levels.folder(name) for name in levels.needs if _runs(levels, name)}
    print(f"chosen: {chosen.name} ({chosen.reason})\n")
    with contextlib.ExitStack() as stack:
        workers = {name: stack.enter_context(_worker(folder)) for name, folder in builds.items()}
        infos = {name: _line(worker) for name, worker in workers.items()}
        rounds = []
        for _ in range(arguments.rounds + 1):  # the first warms up
            rounds.append({name: _ask(worker) for name, worker in workers.items()})
    for name, info in infos.items():
        print(f"{name}: {info}")
    print("\n| model | build | prefill | decode |\n|---|---|---:|---:|")
    for shape, quant, repack in MODELS:
        title = f"{shape} {quant}{' repacked' if repack else ''}"
        for name in builds:
            prefill, decode = zip(*(each[name][title] for each in rounds[1:]), strict=True)
            print(f"| {title} | {name} | {_summary(prefill)} | {_summary(decode)} |")


def work(folder: Path) -> None:
    """Run as a worker: write one line of JSON for each line of input."""
    library.use_libraries(folder, "")
    print(json.dumps(library.read_system_info()), flush=True)
    contexts = {
        f"{shape} {quant}{' repacked' if repack else ''}": BareContext(
            load(model(shape, quant), repack=repack), Configuration(cpus())
        )
        for shape, quant, repack in MODELS
    }
    for _ in sys.stdin:
        speeds: Speeds = {}
        for title, context in contexts.items():
            time.sleep(REST_SECONDS)
            speeds[title] = (context.prefill(PREFILL_TOKENS), context.decode(DECODE_TOKENS))
        print(json.dumps(speeds), flush=True)


def _runs(levels: CPUVariants, name: str) -> bool:
    return levels.prove(name, 60) is None


@contextlib.contextmanager
def _worker(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "bench.cpu", "--worker", str(folder)]
    with subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield process
        assert process.stdin
        process.stdin.close()


def _ask(worker: "subprocess.Popen[str]") -> Speeds:
    assert worker.stdin
    worker.stdin.write("\n")
    worker.stdin.flush()
    return {title: tuple(pair) for title, pair in json.loads(_line(worker)).items()}


def _line(worker: "subprocess.Popen[str]") -> str:
    assert worker.stdout
    return worker.stdout.readline().strip()


def _summary(speeds: tuple[float, ...]) -> str:
    return f"{statistics.median(speeds):.1f} ({min(speeds):.0f} … {max(speeds):.0f})"


if __name__ == "__main__":
    main()
