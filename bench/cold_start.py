"""Time from exec to the first streamed token: the function, s5cmd with llama-server, the seed guide, s5cmd alone.

    python -m bench.cold_start [--rounds 7] [--full] [--tls] [--tokens 100] [--only function,s5cmd,…]

Models of real shapes with random weights, 0.5B in Q4_0 and with ``--full`` Llama-2-7B in Q8_0 (7.16 GB), come from
nginx on loopback, limited to 80 MB/s per connection, into a memory-backed directory. The contenders take turns in
each round; the result is the median of the rounds' ratios. Memory is written to just before each start: the first
touch of a virtual machine's memory can cost seconds a GB, varies, and would be charged to the first contender.
``bench.trace`` draws the phases of one start. With ``--tokens`` the whole reply of that length is timed, not its
first token.
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
MAX_TOUCHED_BYTES = 13_000_000_000  # written before each start: the memory left beside the file in the page cache
CONNECTIONS, PART_MIB = "16", "16"  # of s5cmd; the function also begins with 16 connections
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
    """One model: its URL, and the directory that receives it."""

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
        """Empty the directory, and touch memory."""
        shutil.rmtree(self.work)
        self.work.mkdir()
        touched = self.work / "touched"
        zeros = bytes(1 << 20)
        with touched.open("wb", buffering=0) as file:
            for _ in range(0, min(2 * self.size, MAX_TOUCHED_BYTES), len(zeros)):
                file.write(zeros)
        touched.unlink()


def function(site: CacheSite, *, fetched: bool, watch: bool = False, **settings: str) -> StartRun:
    """Start this program under gunicorn, as the container does."""
    port = free_port()
    uri = str(site.file) if fetched else f"s3://bucket/{site.name}"
    env = {**site.env, "PORT": str(port), "MODEL_URI": uri, "MODEL_CACHE_DIR": str(site.work / "cache"),
           "N_CTX": str(N_CTX), **settings}  # fmt: skip
    log = site.work / "log"
    command = [str(BIN / "gunicorn"), "-c", "python:function.server.gunicorn_conf"]
    return start([command], port, env, log, site.tokens, site.work if watch else None)


def llama(site: CacheSite, *, fetched: bool, watch: bool = False) -> StartRun:
    """Run s5cmd, then start llama-server on the file."""
    port = free_port()
    serve = [str(llama_server()), "-m", str(site.file), "-c", str(N_CTX), "-np", "1", "-t", str(cpus()),
             "--port", str(port)]  # fmt: skip
    stages = [serve] if fetched else [s5cmd_command(site), serve]
    return start(stages, port, site.env, site.work / "log", site.tokens, site.work if watch else None)


def seed(site: CacheSite, *, fetched: bool, watch: bool = False) -> StartRun:
    """Start the guide's program: boto3's download, then the high-level class, then a server."""
    port = free_port()
    command = [sys.executable, "-c", SEED, str(site.file), site.name, str(port)]
    return start([command], port, site.env, site.work / "log", site.tokens, site.work if watch else None)


def s5cmd_command(site: CacheSite) -> list[str]:
    program = shutil.which("s5cmd") or str(BIN / "s5cmd")
    return [program, "--endpoint-url", site.url, "--no-verify-ssl", "cp", "--concurrency", CONNECTIONS,
            "--part-size", PART_MIB, f"s3://bucket/{site.name}", str(site.file)]  # fmt: skip


def s5cmd_alone(site: CacheSite) -> StartRun:
    """Run s5cmd alone: the time of the bytes without any further work."""
    began = time.monotonic()
    process = subprocess.Popen(s5cmd_command(site), env=dict(site.env), stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError("s5cmd failed")
    return StartRun(time.monotonic() - began, usage.ru_utime + usage.ru_stime)


def compare(site: CacheSite, contenders: Mapping[str, Contender], rounds: int) -> dict[str, list[StartRun]]:
    """Return all runs; each begins with an empty directory."""
    runs: dict[str, list[StartRun]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, contender in contenders.items():
            if "cached" not in name:
                site.clear()
            run = contender()
            print(
                f"{site.name:16} {name:28} {run.seconds:6.2f} s  CPU {run.cpu:6.2f} s",
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
            url = server.urls[args.tls, True]
            env = {**environment(server, url), "HOME": os.environ["HOME"]}
            site = CacheSite(source.name, url, work, env, source.stat().st_size, args.tokens)
            contenders: dict[str, Callable[..., StartRun]] = {
                "function": functools.partial(function, site, fetched=False),
                "function, mapped": functools.partial(function, site, fetched=False, LOAD_MODE="mapped"),
                "function, repacked": functools.partial(function, site, fetched=False, LOAD_MODE="repacked"),
                "s5cmd, then llama-server": functools.partial(llama, site, fetched=False),
                "the seed guide's steps": functools.partial(seed, site, fetched=False),
                "s5cmd alone": functools.partial(s5cmd_alone, site),
            }
            cached: dict[str, Callable[..., StartRun]] = {
                "function, cached": functools.partial(function, site, fetched=True),
                "function, mapped, cached": functools.partial(function, site, fetched=True, LOAD_MODE="mapped"),
                "function, repacked, cached": functools.partial(function, site, fetched=True, LOAD_MODE="repacked"),
                "llama-server, cached": functools.partial(llama, site, fetched=True),
            }
            wanted = [part for part in args.only.split(",") if part]

            def chosen(contenders_of: dict[str, Callable[..., StartRun]]) -> dict[str, Callable[..., StartRun]]:
                return {
                    name: run for name, run in contenders_of.items() if not wanted or any(w in name for w in wanted)
                }

            runs = compare(site, chosen(contenders), args.rounds)
            peaks = {}
            for name, run in chosen(contenders).items():
                site.clear()
                peaks[name] = run(watch=True).peak if "alone" not in name else 0
            if "function" in peaks:
                print(f"\nmodel {source.stat().st_size / 1e6:.0f} MB", file=sys.stderr)
            site.clear()
            print(f"\n{source.name}, from the bucket:\n")
            print(table(runs, peaks, "s5cmd alone" if "s5cmd alone" in runs else next(iter(runs))))
            if chosen(cached):
                shutil.copy(source, site.file)
                again = compare(site, chosen(cached), args.rounds)
                print(f"\n{source.name}, already there:\n")
                print(table(again, {}, list(again)[-1]))
    finally:
        shutil.rmtree(work, ignore_errors=True)
        shutil.rmtree(home, ignore_errors=True)
    return runs


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--full", action="store_true", help="use Llama-2-7B Q8_0, 7.16 GB; needs 15 GB of memory")
    parser.add_argument("--tls", action="store_true", help="fetch over TLS")
    parser.add_argument("--tokens", type=int, default=1, help="number of tokens to wait for")
    parser.add_argument("--quant", choices=("Q4_0", "Q8_0"), help="quantisation, instead of the model's own")
    parser.add_argument("--limit", default="80m", help="bytes per second and connection, in nginx's notation")
    parser.add_argument(
        "--only", default="", help="contenders whose names contain one of these words, separated by commas"
    )
    parser.add_argument("--dir", type=Path, default=Path("/dev/shm"), help="directory for models; by default in memory")
    args = parser.parse_args()
    quant: Quant = args.quant or ("Q8_0" if args.full else "Q4_0")
    measure(model("7B" if args.full else "0.5B", quant), args)


if __name__ == "__main__":
    main()
