"""Decode speed in tokens per second: over HTTP, in the engine alone, and with llama.cpp's own programs.

    python -m bench.decode [--rounds 5] [--tokens 200] [--threads N] [--without-reference]

All run the same file, a 135M shape with random weights, one after the other in each round, so that other work of the
machine affects all of them alike; the results are medians. Speed is measured from the first token to the last. The
reference programs are built once (bench.reference), which takes minutes.
"""

import argparse
import contextlib
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.reference import llama_bench, llama_server
from bench.shapes import model
from function.engine import Engine, Finished, Job, LoadOptions, Sampling
from function.engine.llama.library import library
from function.system.limits import cpus

ROOT = Path(__file__).parent.parent
N_CTX = 4096
REPLY_TIMEOUT_SECONDS = 600.0
REST_SECONDS = 1.0
"""Pause between two runs: ggml's threads spin for a while before they sleep, which must not disturb the next run."""
MESSAGES = [{"role": "user", "content": "Tell me a long story."}]

Contender = Callable[[int], float]
"""Function that generates a number of tokens and returns its tokens per second."""


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--threads", type=int, default=cpus())
    parser.add_argument("--without-reference", action="store_true", help="omit llama.cpp's programs")
    arguments = parser.parse_args()
    path = model("135M", "Q8_0")
    with contextlib.ExitStack() as stack:
        contenders: dict[str, Contender] = {
            "engine loop": stack.enter_context(_engine(path, arguments.threads)),
            "bare C API loop": _bare(path, arguments.threads),
            "function over SSE": stack.enter_context(_function(path, arguments.threads)),
        }
        if not arguments.without_reference:
            contenders["llama-server over SSE"] = stack.enter_context(_server(path, arguments.threads))
            contenders["llama-bench"] = _bench(path, arguments.threads)
        speeds: dict[str, list[float]] = {name: [] for name in contenders}
        for number in range(arguments.rounds + 1):
            for name, run in contenders.items():
                time.sleep(REST_SECONDS)
                speed = run(arguments.tokens)
                if number:  # the first round warms up
                    speeds[name].append(speed)
    print(f"135M Q8_0, {arguments.threads} threads, {arguments.rounds} rounds of {arguments.tokens} tokens\n")
    print("| | tokens/s, median | of the engine loop, median of the rounds | lowest … highest |")
    print("|---|---|---|---|")
    for name, each in speeds.items():
        ratio = statistics.median(a / b for a, b in zip(each, speeds["engine loop"], strict=True))
        print(f"| {name} | {statistics.median(each):.1f} | {ratio:.0%} | {min(each):.1f} … {max(each):.1f} |")


@contextlib.contextmanager
def _engine(path: Path, threads: int) -> Iterator[Contender]:
    """Run the engine as the function does: its thread, events, text."""
    engine = Engine.load(path, LoadOptions(n_ctx=N_CTX, n_threads=threads))
    prompt = engine.tokenize_chat(MESSAGES)

    def run(tokens: int) -> float:
        generation = engine.submit(Job(prompt=prompt, max_tokens=tokens, sampling=Sampling(ignore_eos=True)))
        while not isinstance(generation.next_event(REPLY_TIMEOUT_SECONDS), Finished):
            pass
        assert generation.tokens_per_second is not None
        return generation.tokens_per_second

    yield run
    engine.close()


def _bare(path: Path, threads: int) -> Contender:
    """Decode and sample with the minimum of calls: no text, no events, no abort."""
    lib = library()
    params = lib.llama_model_default_params()
    params.use_extra_bufts = False
    loaded = lib.llama_model_load_from_file(str(path).encode(), params)
    context_params = lib.llama_context_default_params()
    context_params.n_ctx, context_params.n_batch, context_params.n_ubatch = N_CTX, 64, 64
    context_params.n_threads = context_params.n_threads_batch = threads
    context = lib.llama_init_from_model(loaded, context_params)
    chain = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
    for sampler in (
        lib.llama_sampler_init_top_k(40),
        lib.llama_sampler_init_top_p(0.95, 1),
        lib.llama_sampler_init_min_p(0.05, 1),
        lib.llama_sampler_init_temp(0.8),
        lib.llama_sampler_init_dist(1),
    ):
        lib.llama_sampler_chain_add(chain, sampler)
    one = (lib.llama_token * 1)()
    batch = lib.llama_batch_get_one(one, 1)

    def run(tokens: int) -> float:
        lib.llama_memory_clear(lib.llama_get_memory(context), False)
        one[0] = 1
        for _ in range(20):
            lib.llama_decode(context, batch)
        began = time.monotonic()
        for _ in range(tokens):
            one[0] = lib.llama_sampler_sample(chain, context, -1)
            lib.llama_decode(context, batch)
        return tokens / (time.monotonic() - began)

    return run


@contextlib.contextmanager
def _function(path: Path, threads: int) -> Iterator[Contender]:
    """Run the function under gunicorn."""
    settings = {"MODEL_URI": str(path), "N_CTX": str(N_CTX), "N_THREADS": str(threads)}
    command = [str(Path(sys.executable).parent / "gunicorn"), "-c", "python:function.server.gunicorn_conf"]
    with _running(command, settings, "/health/ready") as port:
        yield lambda tokens: _streamed(port, tokens)


@contextlib.contextmanager
def _server(path: Path, threads: int) -> Iterator[Contender]:
    """Run llama-server with one slot and otherwise default options."""
    port = str(_free_port())
    command = [str(llama_server()), "-m", str(path), "-t", str(threads), "-c", str(N_CTX), "-np", "1", "--port", port]
    with _running(command, {"PORT": port}, "/health"):
        yield lambda tokens: _streamed(int(port), tokens)


def _bench(path: Path, threads: int) -> Contender:
    """Run llama-bench: decode only, without sampling."""
    command = [str(llama_bench()), "-m", str(path), "-t", str(threads), "-p", "0", "-r", "1", "-o", "json", "-n"]

    def run(tokens: int) -> float:
        done = subprocess.run([*command, str(tokens)], check=True, capture_output=True)
        return float(json.loads(done.stdout)[0]["avg_ts"])

    return run


@contextlib.contextmanager
def _running(command: list[str], settings: dict[str, str], ready: str) -> Iterator[int]:
    """Run a server until the block ends; yield its port. ``ready`` is the path that returns 200 once it serves."""
    port = int(settings.setdefault("PORT", str(_free_port())))
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, cwd=ROOT, env=os.environ | settings, stdout=log, stderr=log)
        try:
            end = time.monotonic() + REPLY_TIMEOUT_SECONDS
            while not _is_ready(port, ready):
                if process.poll() is not None or time.monotonic() > end:
                    log.seek(0)
                    sys.exit(f"{command[0]} did not start:\n{log.read().decode(errors='replace')}")
                time.sleep(0.1)
            yield port
        finally:
            process.terminate()
            process.wait()


def _is_ready(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _streamed(port: int, tokens: int) -> float:
    """Return the tokens per second of a stream, as seen by a client that only reads."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=REPLY_TIMEOUT_SECONDS)
    body = {"messages": MESSAGES, "stream": True, "max_tokens": tokens, "ignore_eos": True}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
    response = connection.getresponse()
    assert response.status == 200, response.read()
    first = last = None
    data = 0
    while part := response.read1(1 << 16):
        now = time.monotonic()
        count = part.count(b'"content"')
        data += count
        if count and first is None:
            first = now
        if count:
            last = now
    connection.close()
    # A token may be half a character, without text; far fewer pieces than tokens mean that the stream was buffered.
    assert first is not None and last is not None and data > tokens / 2, f"{data} pieces of {tokens} tokens"
    return (tokens - 1) / (last - first)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
