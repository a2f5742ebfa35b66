"""From exec to the first streamed token: the function beside s5cmd and llama-server, the seed guide, and the wire.

    python -m bench.cold_start [--rounds 7] [--full] [--tokens 100] [--only function,s5cmd,…]

Models of real shapes with random weights, 0.5B in Q4_0 and with ``--full`` Llama-2-7B in Q8_0 (7.16 GB), come from
nginx on loopback, limited to 80 MB/s per connection, into a memory-backed directory. The contenders take turns in each
round; what counts is the median of the rounds' ratios. Each finds memory that was written to a moment before: the first
touch of a virtual machine's memory can cost seconds a GB, comes and goes, and would go to whoever comes first.
``bench.trace`` draws the phases of one start. With ``--tokens`` what is timed is a reply so long, not its first token.
"""

import argparse
import functools
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.fetch import environment
from bench.reference import llama_server
from bench.shapes import model
from bench.start import StartRun, start
from function.system.limits import cpus
from tests.servers.nginx import nginx
from tests.servers.process import free_port
from tools.models import Quant

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
N_CTX = 2048
TOUCHED = 13_000_000_000  # bytes written before each start, at most: what is left beside the file in the page cache
CONNECTIONS, PART = "16", "16"  # of s5cmd; the function begins with as many
SEED = """
import os, sys
import boto3
from llama_cpp import Llama
from starlette.applications import Starlette
from starlette.responses import StreamingResponse
from starlette.routing import Route

path = sys.argv[1]
if not os.path.exists(path):
    boto3.client("s3").download_file("bucket", sys.argv[2], path)
llama = Llama(path, verbose=False)

async def chat(request):
    body = await request.json()
    def chunks():
        for chunk in llama.create_chat_completion(body["messages"], stream=True, max_tokens=4):
            yield "data: " + chunk["choices"][0]["delta"].get("content", "") + "\\n\\n"
    return StreamingResponse(chunks(), media_type="text/event-stream")

import uvicorn
uvicorn.run(Starlette(routes=[Route("/v1/chat/completions", chat, methods=["POST"])]), port=int(sys.argv[3]),
            log_level="error")
"""


Contender = Callable[[], StartRun]


@dataclass(frozen=True)
class CacheSite:
    """Where one model is to be had, and to be put."""

    name: str
    url: str
    work: Path
    env: Mapping[str, str]
    size: int
    tokens: int

    @property
    def file(self) -> Path:
        return self.work / self.name

    def clear(self) -> None:
        """Begin with an empty directory, and with memory that is there."""
        shutil.rmtree(self.work)
        self.work.mkdir()
        touched = self.work / "touched"
        zeros = bytes(1 << 20)
        with touched.open("wb", buffering=0) as file:
            for _ in range(0, min(2 * self.size, TOUCHED), len(zeros)):
                file.write(zeros)
        touched.unlink()


def function(place: CacheSite, *, fetched: bool, watch: bool = False, **settings: str) -> StartRun:
    """This program under gunicorn, as the container runs it."""
    port = free_port()
    uri = str(place.file) if fetched else f"s3://bucket/{place.name}"
    env = {**place.env, "PORT": str(port), "MODEL_URI": uri, "MODEL_CACHE_DIR": str(place.work / "cache"),
           "N_CTX": str(N_CTX), **settings}  # fmt: skip
    log = place.work / "log"
    command = [str(BIN / "gunicorn"), "-c", "infra/gunicorn.conf.py"]
    return start([command], port, env, log, place.tokens, place.work if watch else None)


def llama(place: CacheSite, *, fetched: bool, watch: bool = False) -> StartRun:
    """s5cmd to its end, then llama-server on the file."""
    port = free_port()
    serve = [str(llama_server()), "-m", str(place.file), "-c", str(N_CTX), "-np", "1", "-t", str(cpus()),
             "--port", str(port)]  # fmt: skip
    stages = [serve] if fetched else [s5cmd_command(place), serve]
    return start(stages, port, place.env, place.work / "log", place.tokens, place.work if watch else None)


def seed(place: CacheSite, *, fetched: bool, watch: bool = False) -> StartRun:
    """The guide's steps: boto3's download, then the high-level class, then a server."""
    port = free_port()
    command = [sys.executable, "-c", SEED, str(place.file), place.name, str(port)]
    return start([command], port, place.env, place.work / "log", place.tokens, place.work if watch else None)


def s5cmd_command(place: CacheSite) -> list[str]:
    program = shutil.which("s5cmd") or str(BIN / "s5cmd")
    return [program, "--endpoint-url", place.url, "cp", "--concurrency", CONNECTIONS, "--part-size", PART,
            f"s3://bucket/{place.name}", str(place.file)]  # fmt: skip


def wire(place: CacheSite) -> StartRun:
    """s5cmd alone: how long the bytes take with nothing to do for them."""
    began = time.monotonic()
    process = subprocess.Popen(s5cmd_command(place), env=dict(place.env), stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError("s5cmd failed")
    return StartRun(time.monotonic() - began, usage.ru_utime + usage.ru_stime)


def compare(place: CacheSite, contenders: Mapping[str, Contender], rounds: int) -> dict[str, list[StartRun]]:
    """All runs; each begins with an empty directory."""
    runs: dict[str, list[StartRun]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, contender in contenders.items():
            if "cached" not in name:
                place.clear()
            run = contender()
            print(
                f"{place.name:16} {name:28} {run.seconds:6.2f} s  CPU {run.cpu:6.2f} s",
                dict(run.phases),
                file=sys.stderr,
            )
            if number:  # the first round warms the caches
                runs[name].append(run)
    return runs


def table(runs: Mapping[str, list[StartRun]], peaks: Mapping[str, int], beside: str) -> str:
    lines = [
        f"| | s | × {beside} | lowest … highest | CPU s | peak MB |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, each in runs.items():
        ratio = statistics.median(a.seconds / b.seconds for a, b in zip(each, runs[beside], strict=True))
        seconds = [run.seconds for run in each]
        peak = f"{peaks[name] / 1e6:.0f}" if peaks.get(name) else ""
        lines.append(
            f"| {name} | {statistics.median(seconds):.2f} | {ratio:.2f} | {min(seconds):.2f} … {max(seconds):.2f} "
            f"| {statistics.median(run.cpu for run in each):.2f} | {peak} |"
        )
    return "\n".join(lines)


def measure(source: Path, args: argparse.Namespace) -> dict[str, list[StartRun]]:
    home = Path(tempfile.mkdtemp(prefix="nginx-"))
    work = Path(tempfile.mkdtemp(prefix="bench-cold-", dir=args.dir))
    try:
        with nginx(source, home, limit=args.limit) as server:
            url = server.urls[False, True]
            env = {**environment(server, url), "HOME": os.environ["HOME"]}
            place = CacheSite(source.name, url, work, env, source.stat().st_size, args.tokens)
            contenders: dict[str, Callable[..., StartRun]] = {
                "function": functools.partial(function, place, fetched=False),
                "function, mapped": functools.partial(function, place, fetched=False, LOAD_MODE="mapped"),
                "function, repacked": functools.partial(function, place, fetched=False, LOAD_MODE="repacked"),
                "s5cmd, then llama-server": functools.partial(llama, place, fetched=False),
                "the seed guide's steps": functools.partial(seed, place, fetched=False),
                "s5cmd alone": functools.partial(wire, place),
            }
            cached: dict[str, Callable[..., StartRun]] = {
                "function, cached": functools.partial(function, place, fetched=True),
                "function, mapped, cached": functools.partial(function, place, fetched=True, LOAD_MODE="mapped"),
                "function, repacked, cached": functools.partial(function, place, fetched=True, LOAD_MODE="repacked"),
                "llama-server, cached": functools.partial(llama, place, fetched=True),
            }
            wanted = [part for part in args.only.split(",") if part]

            def chosen(all_of: dict[str, Callable[..., StartRun]]) -> dict[str, Callable[..., StartRun]]:
                return {name: run for name, run in all_of.items() if not wanted or any(w in name for w in wanted)}

            runs = compare(place, chosen(contenders), args.rounds)
            peaks = {}
            for name, run in chosen(contenders).items():
                place.clear()
                peaks[name] = run(watch=True).peak if "alone" not in name else 0
            if "function" in peaks:
                print(f"\nmodel {source.stat().st_size / 1e6:.0f} MB", file=sys.stderr)
            place.clear()
            print(f"\n{source.name}, from the bucket:\n")
            print(table(runs, peaks, "s5cmd alone" if "s5cmd alone" in runs else next(iter(runs))))
            if chosen(cached):
                shutil.copy(source, place.file)
                again = compare(place, chosen(cached), args.rounds)
                print(f"\n{source.name}, already there:\n")
                print(table(again, {}, list(again)[-1]))
    finally:
        shutil.rmtree(work, ignore_errors=True)
        shutil.rmtree(home, ignore_errors=True)
    return runs


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--full", action="store_true", help="Llama-2-7B Q8_0 instead, 7.16 GB; 15 GB of memory are needed"
    )
    parser.add_argument("--tokens", type=int, default=1, help="until so many have come")
    parser.add_argument("--quant", choices=("Q4_0", "Q8_0"), help="instead of the model's own")
    parser.add_argument("--limit", default="80m", help="bytes a second and connection, as nginx writes them")
    parser.add_argument("--only", default="", help="the contenders whose names have one of these, separated by commas")
    parser.add_argument("--dir", type=Path, default=Path("/dev/shm"), help="where models are put; memory by default")
    args = parser.parse_args()
    quant: Quant = args.quant or ("Q8_0" if args.full else "Q4_0")
    measure(model("7B" if args.full else "0.5B", quant), args)


if __name__ == "__main__":
    main()
