"""Prefill speed: the function's, llama-server's, and that of llama.cpp's C API with and without flash attention.

    python -m bench.prefill [--rounds 5] [--lengths 512 2048] [--model 0.5B] [--threads N]

All run the same file in the same minutes and take turns, with mapped and with repacked weights. A prompt is a list of
random tokens, a new one for each run. The servers report the time of the prompt themselves (``timings``). Aim: at least
llama-server's rate.
"""

import argparse
import contextlib
import http.client
import json
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from bench.bare import BareContext, Configuration, load
from bench.servers import MeasuredServer, function_server, reference_server
from bench.shapes import model
from function.gguf import read_header
from function.system.limits import cpus
from tools.models import Quant

QUANTS: dict[str, Quant] = {"135M": "Q4_0", "0.5B": "Q4_0"}
SPARE_TOKENS = 64
REPLY_TIMEOUT_SECONDS = 600.0
REST_SECONDS = 0.5
"""Pause between two runs: ggml's threads spin for a while before they sleep, which must not disturb the next run."""
FUNCTION, PEER = "function", "llama-server"


@dataclass(frozen=True, slots=True)
class PrefillSpeed:
    """Tokens per second, and CPU milliseconds per token."""

    tokens_per_second: float
    cpu_milliseconds: float


Contender = Callable[[Sequence[int]], PrefillSpeed]
"""Function that computes a prompt."""


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--lengths", nargs="+", type=int, default=[512, 2048])
    parser.add_argument("--model", choices=QUANTS, default="0.5B")
    parser.add_argument("--threads", type=int, default=cpus())
    arguments = parser.parse_args()
    path = model(arguments.model, QUANTS[arguments.model])
    n_vocab, n_ctx = read_header(path).vocabulary_size, max(arguments.lengths) + SPARE_TOKENS
    random = Random(0)
    print(f"{path.stem}, {arguments.threads} threads, {arguments.rounds} rounds\n")
    print(f"| weights | prompt | | tokens/s, median | × {PEER} | lowest … highest | CPU ms a token |")
    print("|---|---:|---|---:|---:|---|---:|")
    for repack in (False, True):
        with contextlib.ExitStack() as stack:
            contenders = {
                name: stack.enter_context(context)
                for name, context in _contenders(path, n_ctx, arguments.threads, repack=repack).items()
            }
            for length in arguments.lengths:
                speeds: dict[str, list[PrefillSpeed]] = {name: [] for name in contenders}
                for number in range(arguments.rounds + 1):
                    for name, run in contenders.items():
                        time.sleep(REST_SECONDS)
                        speed = run(random.choices(range(n_vocab), k=length))
                        if number:  # the first round warms up
                            speeds[name].append(speed)
                _report("repacked" if repack else "mapped", length, speeds)


def _contenders(
    path: Path, n_ctx: int, threads: int, *, repack: bool
) -> dict[str, contextlib.AbstractContextManager[Contender]]:
    options = ("-m", str(path), "-t", str(threads), "-c", str(n_ctx), "-np", "1", "--repack" if repack else "-nr")
    mode = "repacked" if repack else "mapped"
    function = function_server(MODEL_URI=str(path), N_CTX=str(n_ctx), N_THREADS=str(threads), LOAD_MODE=mode)
    return {
        FUNCTION: _served(function),
        "C API, flash attention": _bare(path, n_ctx, threads, repack=repack, flash="on"),
        "C API, without": _bare(path, n_ctx, threads, repack=repack, flash="off"),
        f"{PEER}, flash attention": _served(reference_server(*options, "-fa", "on")),
        f"{PEER}, without": _served(reference_server(*options, "-fa", "off")),
    }


@contextlib.contextmanager
def _bare(path: Path, n_ctx: int, threads: int, *, repack: bool, flash: str) -> Iterator[Contender]:
    """Compute in this process, in the chunks that the engine computes."""
    configuration = Configuration(threads, flash=flash, room=n_ctx, limit_seconds=REPLY_TIMEOUT_SECONDS)
    context = BareContext(load(path, repack=repack), configuration)

    def run(prompt: Sequence[int]) -> PrefillSpeed:
        began = time.process_time()
        speed = context.prefill(len(prompt))
        return PrefillSpeed(speed, (time.process_time() - began) / len(prompt) * 1000)

    yield run
    context.free()


@contextlib.contextmanager
def _served(running: contextlib.AbstractContextManager[MeasuredServer]) -> Iterator[Contender]:
    with running as server:
        yield lambda prompt: _measure(server, prompt)


def _measure(server: MeasuredServer, prompt: Sequence[int]) -> PrefillSpeed:
    """Return the speed that the server reports."""
    began = server.cpu_seconds()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=REPLY_TIMEOUT_SECONDS)
    with contextlib.closing(connection):
        body = {"prompt": prompt, "n_predict": 1, "cache_prompt": False}
        connection.request("POST", "/completion", json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        reply = json.loads(response.read())
    assert response.status == 200, reply
    timings = reply["timings"]
    assert timings["prompt_n"] == len(prompt), timings  # nothing was cached
    cpu = server.cpu_seconds() - began
    return PrefillSpeed(len(prompt) / timings["prompt_ms"] * 1000, cpu / len(prompt) * 1000)


def _report(mode: str, length: int, speeds: dict[str, list[PrefillSpeed]]) -> None:
    """Print a row for each contender; its ratio is the median of the rounds', to each one's faster llama-server."""
    peers = zip(*(rounds for name, rounds in speeds.items() if name.startswith(PEER)), strict=True)
    best = [max(speed.tokens_per_second for speed in each) for each in peers]
    for name, rounds in speeds.items():
        each = [speed.tokens_per_second for speed in rounds]
        ratio = statistics.median(a / b for a, b in zip(each, best, strict=True))
        cpu = statistics.median(speed.cpu_milliseconds for speed in rounds)
        spread = f"{min(each):.0f} … {max(each):.0f}"
        median = statistics.median(each)
        print(f"| {mode} | {length} | {name} | {median:.1f} | {ratio:.2f} | {spread} | {cpu:.2f} |", flush=True)


if __name__ == "__main__":
    main()
