"""Rate, CPU and memory of the fetcher, s5cmd, boto3 and google-cloud-storage, from nginx on loopback.

    python -m bench.fetch [--size BYTES] [--rounds N] [--only fetch-s3,s5cmd] [--kinds plain,tls,plain-limited,…]

Tools take turns within each round, so that a busy moment of the machine affects all of them. The results are medians,
also of the ratios to the last tool. ``fetch-…-in-python`` does without the native receiver.
Files are written to ``--dir``, by default in memory, as on a serverless platform.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.servers.nginx import Nginx, nginx

CONNECTIONS = 16  # for every tool with such an option
PART_MIB = 16
BOTO3 = """
import sys, boto3
from boto3.s3.transfer import TransferConfig
config = TransferConfig(max_concurrency=int(sys.argv[1]), multipart_chunksize=int(sys.argv[2]) << 20)
boto3.client("s3").download_file("bucket", sys.argv[3], sys.argv[4], Config=config)
"""
GCS = """
import sys
from google.cloud import storage
storage.Client().bucket("bucket").blob(sys.argv[3]).download_to_filename(sys.argv[4])
"""
GCS_PARTS = """
import sys
from google.cloud import storage
from google.cloud.storage import transfer_manager
blob = storage.Client().bucket("bucket").blob(sys.argv[3])
transfer_manager.download_chunks_concurrently(
    blob, sys.argv[4], chunk_size=int(sys.argv[2]) << 20, max_workers=int(sys.argv[1]),
    worker_type=transfer_manager.THREAD, crc32c_checksum=True)
"""
IN_PYTHON = """
import sys
from pathlib import Path
from function.fetch import fetch
from function.fetch.policy import Policy
fetch(sys.argv[1], cache=Path(sys.argv[2]), policy=Policy(native=False))
"""
KINDS = {"plain": (False, False), "tls": (True, False), "plain-limited": (False, True), "tls-limited": (True, True)}


@dataclass(frozen=True)
class FetchRun:
    """One download: bytes per second, CPU seconds per GB, peak memory in MB."""

    rate: float
    cpu: float
    memory: float


def commands(name: str, url: str, target: Path, python: str = sys.executable) -> dict[str, list[str]]:
    """Return each tool's command for the object."""
    s5cmd = shutil.which("s5cmd") or str(Path(python).parent / "s5cmd")
    numbers = [str(CONNECTIONS), str(PART_MIB), name, str(target)]
    fetch = [python, "-m", "function", "fetch"]
    return {
        "fetch-s3": [*fetch, f"s3://bucket/{name}", "--cache-dir", str(target), "--json"],
        "fetch-gs": [*fetch, f"gs://bucket/{name}", "--cache-dir", str(target), "--json"],
        "fetch-s3-in-python": [python, "-c", IN_PYTHON, f"s3://bucket/{name}", str(target)],
        "fetch-gs-in-python": [python, "-c", IN_PYTHON, f"gs://bucket/{name}", str(target)],
        "s5cmd": [
            s5cmd, "--endpoint-url", url, "--no-verify-ssl", "cp", "--concurrency", str(CONNECTIONS),
            "--part-size", str(PART_MIB), f"s3://bucket/{name}", str(target),
        ],
        "boto3": [python, "-c", BOTO3, *numbers],
        "gcs": [python, "-c", GCS, *numbers],
        "gcs-parts": [python, "-c", GCS_PARTS, *numbers],
    }  # fmt: skip


def measure(command: list[str], env: Mapping[str, str], size: int) -> FetchRun:
    """Run a tool to its end; return its figures."""
    began = time.monotonic()
    process = subprocess.Popen(command, env=dict(env), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    seconds = time.monotonic() - began
    if process.returncode:
        raise RuntimeError(f"{command[:4]} failed:\n{output.decode(errors='replace')[-2000:]}")
    return FetchRun(size / seconds, (usage.ru_utime + usage.ru_stime) / (size / 1e9), usage.ru_maxrss * 1024 / 1e6)


def environment(server: Nginx, url: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "STORAGE_EMULATOR_HOST": url,
        "SSL_CERT_FILE": str(server.authority),
        "AWS_CA_BUNDLE": str(server.authority),
        "REQUESTS_CA_BUNDLE": str(server.authority),
    }


def compare(
    source: Path, work: Path, kinds: list[str], tools: list[str], rounds: int
) -> dict[str, dict[str, list[FetchRun]]]:
    """Return all runs, by kind and tool."""
    runs: dict[str, dict[str, list[FetchRun]]] = {kind: {tool: [] for tool in tools} for kind in kinds}
    home = Path(tempfile.mkdtemp(prefix="nginx-"))
    size = source.stat().st_size
    with nginx(source, home) as server:
        for _ in range(rounds):
            for kind in kinds:
                url = server.urls[KINDS[kind]]
                for tool in tools:
                    target = work / "target"
                    command = commands(source.name, url, target)[tool]
                    run = measure(command, environment(server, url), size)
                    runs[kind][tool].append(run)
                    print(
                        f"{kind:14} {tool:18} {run.rate / 1e6:7.0f} MB/s {run.cpu:5.2f} s/GB {run.memory:5.0f} MB",
                        file=sys.stderr,
                    )
                    shutil.rmtree(target) if target.is_dir() else target.unlink()
    shutil.rmtree(home)
    return runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=2_000_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dir", type=Path, default=Path("/dev/shm"))
    parser.add_argument("--only", default="fetch-s3,s5cmd,boto3,fetch-gs,gcs,gcs-parts")
    parser.add_argument("--kinds", default=",".join(KINDS))
    args = parser.parse_args()
    tools, kinds = args.only.split(","), args.kinds.split(",")
    work = Path(tempfile.mkdtemp(prefix="bench-fetch-", dir=args.dir))
    try:
        source = work / "source" / "model.gguf"
        source.parent.mkdir()
        block = os.urandom(1 << 20)
        with source.open("wb") as file:
            for start in range(0, args.size, len(block)):
                file.write(block[: args.size - start])
        runs = compare(source, work, kinds, tools, args.rounds)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print(f"| | | MB/s | CPU s/GB | MB | wall × {tools[-1]} | CPU × {tools[-1]} |\n|---|---|---:|---:|---:|---:|---:|")
    for kind in kinds:
        last = runs[kind][tools[-1]]
        for tool in tools:
            found = runs[kind][tool]
            rate, cpu, memory = (
                statistics.median(getattr(run, name) for run in found) for name in ("rate", "cpu", "memory")
            )
            wall = statistics.median(other.rate / run.rate for run, other in zip(found, last, strict=True))
            cpus = statistics.median(run.cpu / other.cpu for run, other in zip(found, last, strict=True))
            print(f"| {kind} | {tool} | {rate / 1e6:.0f} | {cpu:.2f} | {memory:.0f} | {wall:.2f} | {cpus:.2f} |")


if __name__ == "__main__":
    main()
