"""Effect of threads, flash attention, KV types and chunks on prefill and decode: the basis of the engine's defaults.

    python -m bench.tuning [--only threads flash kv chunk] [--rounds 5] [--model 135M]

One model stays loaded. Each configuration has a context of its own, filled to its depth once; the contexts take turns
in each round, and the results are medians. Random weights take as long as trained ones.
"""

import argparse
import statistics
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bench.bare import BareContext, Configuration, load
from bench.shapes import model
from function.gguf import KVType, fit, read_header
from function.gguf.memory import KV_BITS
from function.system.limits import cpus
from tools.models import Quant

QUANTS: Mapping[str, Quant] = {"135M": "Q8_0", "0.5B": "Q4_0"}
PREFILL_TOKENS, DECODE_TOKENS = 128, 24  # of one measurement
DEEP_TOKENS = 2000
REST_SECONDS = 0.3  # between measurements: ggml's threads spin for a while after their last token
MIB = 1 << 20
Configurations = Mapping[str, Configuration]


def threads() -> Configurations:
    """Return one thread, all CPUs, and one more than there are."""
    return {f"{n} threads": Configuration(n) for n in sorted({1, max(1, cpus() // 2), cpus(), cpus() + 1})}


def flash() -> Configurations:
    """Return flash attention at the beginning of a conversation and deep into it."""
    base = Configuration(cpus())
    return {
        f"flash attention {how}, depth {depth:,}": replace(base, flash=how, depth=depth)
        for depth in (0, DEEP_TOKENS)
        for how in ("off", "on", "auto")
    }


def kv() -> Configurations:
    """Return the types of keys and values."""
    base = Configuration(cpus())
    return {
        f"KV {kind}, depth {depth:,}": replace(base, kv_type=kind, depth=depth)
        for depth in (0, DEEP_TOKENS)
        for kind in ("f16", "q8_0", "q4_0")
    }


def chunk() -> Configurations:
    """Return the numbers of tokens that are prefilled at once."""
    return {f"chunk {n}": Configuration(cpus(), chunk=n) for n in (32, 64, 128, 256)}


SETS = {"threads": threads, "flash": flash, "kv": kv, "chunk": chunk}


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", nargs="+", choices=QUANTS, default=list(QUANTS))
    arguments = parser.parse_args()
    for shape in arguments.model:
        path = model(shape, QUANTS[shape])
        loaded = load(path)
        for name in arguments.only:
            configurations = SETS[name]()
            print(f"\n| {shape} {QUANTS[shape]} | prefill tokens/s | decode tokens/s |\n|---|---:|---:|", flush=True)
            for title, (prefill, decode) in measure(loaded, configurations, arguments.rounds).items():
                print(f"| {title} | {_summary(prefill)} | {_summary(decode)} |", flush=True)
        if "kv" in arguments.only:
            header = read_header(path)
            kinds: tuple[KVType, ...] = ("f16", "q8_0", "q4_0")
            room = (f"{kind} {fit(header, 4096, kind).kv_cache / MIB:.1f} MiB" for kind in kinds if kind in KV_BITS)
            print(f"\nKeys and values of 4,096 tokens: {', '.join(room)}")


def measure(loaded: Any, configurations: Configurations, rounds: int) -> dict[str, tuple[list[float], list[float]]]:
    """Return the tokens per second of prefill and decode of each configuration, one figure a round."""
    contexts = {title: BareContext(loaded, configuration) for title, configuration in configurations.items()}
    speeds: dict[str, tuple[list[float], list[float]]] = {title: ([], []) for title in configurations}
    for number in range(rounds + 1):
        for title, context in contexts.items():
            time.sleep(REST_SECONDS)
            prefill, decode = context.prefill(PREFILL_TOKENS), context.decode(DECODE_TOKENS)
            if number:  # the first round warms up
                speeds[title][0].append(prefill)
                speeds[title][1].append(decode)
    for context in contexts.values():
        context.free()
    return speeds


def _summary(speeds: list[float]) -> str:
    return f"{statistics.median(speeds):.1f} ({min(speeds):.0f} … {max(speeds):.0f})"


if __name__ == "__main__":
    main()
