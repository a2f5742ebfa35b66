"""What threads, flash attention, KV types and chunks do to prefill and decode: the ground of the engine's defaults.

    python -m bench.tuning [--only threads flash kv chunk] [--rounds 5] [--model 135M]

One model stays loaded; each way of computing has a context of its own, filled to its depth once; then they take turns,
round by round, and medians count. Random weights compute like trained ones.
"""

import argparse
import statistics
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bench.bare import BareServer, Way, load
from bench.shapes import model
from function.gguf import KVType, fit, read_header
from function.gguf.memory import KV_BITS
from function.system.limits import cpus
from tools.models import Quant

QUANTS: Mapping[str, Quant] = {"135M": "Q8_0", "0.5B": "Q4_0"}
PREFILL, DECODE = 128, 24  # tokens of one measurement
DEEP = 2000
REST = 0.3  # seconds between measurements: ggml's threads spin for a while after their last token
MIB = 1 << 20
Ways = Mapping[str, Way]


def threads() -> Ways:
    """One, all CPUs, and one more than there are."""
    return {f"{n} threads": Way(n) for n in sorted({1, max(1, cpus() // 2), cpus(), cpus() + 1})}


def flash() -> Ways:
    """Flash attention at the beginning and far into a conversation."""
    way = Way(cpus())
    return {
        f"flash attention {how}, depth {depth:,}": replace(way, flash=how, depth=depth)
        for depth in (0, DEEP)
        for how in ("off", "on", "auto")
    }


def kv() -> Ways:
    """Types of keys and values."""
    way = Way(cpus())
    return {
        f"KV {kind}, depth {depth:,}": replace(way, kv_type=kind, depth=depth)
        for depth in (0, DEEP)
        for kind in ("f16", "q8_0", "q4_0")
    }


def chunk() -> Ways:
    """Tokens that are prefilled at once."""
    return {f"chunk {n}": Way(cpus(), chunk=n) for n in (32, 64, 128, 256)}


SETS = {"threads": threads, "flash": flash, "kv": kv, "chunk": chunk}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", nargs="+", choices=QUANTS, default=list(QUANTS))
    arguments = parser.parse_args()
    for shape in arguments.model:
        path = model(shape, QUANTS[shape])
        loaded = load(path)
        for name in arguments.only:
            ways = SETS[name]()
            print(f"\n| {shape} {QUANTS[shape]} | prefill tokens/s | decode tokens/s |\n|---|---:|---:|", flush=True)
            for title, (prefill, decode) in measure(loaded, ways, arguments.rounds).items():
                print(f"| {title} | {_told(prefill)} | {_told(decode)} |", flush=True)
        if "kv" in arguments.only:
            header = read_header(path)
            kinds: tuple[KVType, ...] = ("f16", "q8_0", "q4_0")
            room = (f"{kind} {fit(header, 4096, kind).kv_cache / MIB:.1f} MiB" for kind in kinds if kind in KV_BITS)
            print(f"\nKeys and values of 4,096 tokens: {', '.join(room)}")


def measure(loaded: Any, ways: Ways, rounds: int) -> dict[str, tuple[list[float], list[float]]]:
    """Tokens per second of prefill and decode in each way, one figure a round."""
    contexts = {title: BareServer(loaded, way) for title, way in ways.items()}
    speeds: dict[str, tuple[list[float], list[float]]] = {title: ([], []) for title in ways}
    for number in range(rounds + 1):
        for title, context in contexts.items():
            time.sleep(REST)
            prefill, decode = context.prefill(PREFILL), context.decode(DECODE)
            if number:  # the first round warms up
                speeds[title][0].append(prefill)
                speeds[title][1].append(decode)
    for context in contexts.values():
        context.free()
    return speeds


def _told(speeds: list[float]) -> str:
    return f"{statistics.median(speeds):.1f} ({min(speeds):.0f} … {max(speeds):.0f})"


if __name__ == "__main__":
    main()
