"""Cold start with a system prompt of about 1,000 tokens, with and without its snapshot.

    python -m bench.snapshot [--rounds N] [--full]

Model and snapshot come from nginx on loopback at 80 MB/s per connection, into an empty cache in memory. There are two
figures for the first token of the first reply: from the loaded model, and from the server's exec if the request is
already waiting. The two variants take turns; the results are medians. ``--full`` uses Llama-2-7B's shape, 7.16 GB.
"""

import argparse
import http.client
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

from bench.shapes import model, prompt_text
from tests.servers.doors import serving
from tests.servers.nginx import Nginx, nginx

PROMPT_WORDS = {"0.5B": 140, "7B": 140}
MEMORY = Path("/dev/shm")  # as on a platform whose disk is memory
QUESTION = {
    "messages": [{"role": "user", "content": "Who are you?"}],
    "stream": True, "seed": 1, "ignore_eos": True, "max_tokens": 8,
}  # fmt: skip
REPLY_TIMEOUT_SECONDS = 600.0


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--words", type=int, default=None, help="words of the system prompt, about seven tokens each")
    arguments = parser.parse_args()
    shape, path = ("7B", model("7B", "Q8_0")) if arguments.full else ("0.5B", model("0.5B", "Q4_0"))
    prompt = prompt_text(arguments.words or PROMPT_WORDS[shape])
    with tempfile.TemporaryDirectory(dir=MEMORY) as home, nginx(path, Path(home)) as store:
        folder = Path(home)
        served = path.parent / f"{path.name}.bench.snapshot"
        env = _environment(path, prompt, store, served.name)
        try:
            stored = _make(env | {"SNAPSHOT_URI": str(served), "MODEL_CACHE_DIR": f"{folder}/made"})
            shutil.rmtree(folder / "made")
            print(f"{shape}: a prefix of {stored['tokens']} tokens, a snapshot of {stored['size'] / 1e6:.1f} MB")
            without = env | {"SNAPSHOT_URI": str(folder / "none")}
            loaded: dict[bool, list[float]] = {False: [], True: []}
            cold: dict[bool, list[float]] = {False: [], True: []}
            for number in range(arguments.rounds):
                for snapshot in (False, True):
                    settings = env if snapshot else without
                    loaded[snapshot].append(_first_token(folder / f"{number}{snapshot}l", settings, ready=True))
                    cold[snapshot].append(_first_token(folder / f"{number}{snapshot}c", settings, ready=False))
                    print(
                        f"{number}, snapshot {snapshot}: {loaded[snapshot][-1]:.2f} s, {cold[snapshot][-1]:.2f} s",
                        flush=True,
                    )
        finally:
            served.unlink(missing_ok=True)
    print("| | without | with | ratio |\n|---|---:|---:|---:|")
    for name, figures in (("model loaded to first token", loaded), ("exec to first token", cold)):
        before, after = (statistics.median(figures[kind]) for kind in (False, True))
        print(f"| {name} | {before:.2f} s | {after:.2f} s | {after / before:.3f} |")
    print(json.dumps({"loaded": loaded, "cold": cold}))


def _environment(path: Path, prompt: str, store: Nginx, snapshot: str) -> dict[str, str]:
    url = store.urls[False, True]
    return {
        "MODEL_URI": f"s3://bucket/{path.name}",
        "SNAPSHOT_URI": f"{url}/bucket/{snapshot}",
        "SYSTEM_PROMPT": prompt,
        "N_CTX": "2048",
        "N_THREADS": str(os.cpu_count()),
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
    }


def _make(env: dict[str, str]) -> dict[str, int]:
    command = [sys.executable, "-m", "function", "snapshot", "--json"]
    done = subprocess.run(command, env=os.environ | env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    report: dict[str, int] = json.loads(done.stdout)
    return report


def _first_token(folder: Path, env: dict[str, str], *, ready: bool) -> float:
    """Return the seconds to the first piece of the reply, from the exec or, with ``ready``, from the loaded model."""
    folder.mkdir()
    began = time.monotonic()
    with serving(folder, **env) as function:
        if ready:
            function.wait("ready")
            began = time.monotonic()
        connection = http.client.HTTPConnection(urlsplit(function.url).netloc, timeout=REPLY_TIMEOUT_SECONDS)
        connection.request("POST", "/v1/chat/completions", json.dumps(QUESTION), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        for line in answer:
            if line.startswith(b"data: {") and (json.loads(line[6:])["choices"] or [{}])[0].get("delta", {}).get(
                "content"
            ):
                seconds = time.monotonic() - began
                break
        else:
            raise AssertionError(function.log.read_text())
        connection.close()
    shutil.rmtree(folder)
    return seconds


if __name__ == "__main__":
    main()
