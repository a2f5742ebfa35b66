"""Decode speed in tokens per second: over HTTP, in the engine alone, and with llama.cpp's own programs.

    python -m bench.decode [--rounds 5] [--tokens 200] [--depth 0] [--threads N] [--without-reference]

All run the same file, a 135M shape with random weights, one after the other in each round, so that other work of the
machine affects all of them alike; the results are medians. Speed is measured from the first token to the last. With
``--depth`` the prompt has about so many tokens, and only the servers and the engine take part. The reference programs
are built once (bench.reference), which takes minutes.
"""

import argparse
import contextlib
import http.client
import json
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.reference import llama_bench
from bench.servers import MeasuredServer, function_server, reference_server
from bench.shapes import model, prompt_text
from function.engine import Engine, Finished, Job, LoadOptions, Sampling
from function.engine.llama.library import library
from function.system.limits import cpus

N_CTX = 4096
REPLY_TIMEOUT_SECONDS = 600.0
REST_SECONDS = 1.0
"""Pause between two runs: ggml's threads spin for a while before they sleep, which must not disturb the next run."""
WORD_TOKENS = 7
"""Tokens of a word of ``prompt_text`` in the vocabulary of the shape."""
QUESTION = "Tell me a long story."
MESSAGES = [{"role": "user", "content": QUESTION}]


@dataclass(frozen=True, slots=True)
class DecodeSpeed:
    """Tokens per second, and CPU milliseconds per token of the server's processes; None where they are not measured."""

    tokens_per_second: float
    cpu_milliseconds: float | None = None


Messages = list[dict[str, str]]
Contender = Callable[[int], DecodeSpeed]
"""Function that generates a number of tokens."""


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--depth", type=int, default=0, help="tokens of the prompt, about")
    parser.add_argument("--threads", type=int, default=cpus())
    parser.add_argument("--without-reference", action="store_true", help="omit llama.cpp's programs")
    arguments = parser.parse_args()
    path = model("135M", "Q8_0")
    messages = [{"role": "user", "content": f"{prompt_text(arguments.depth // WORD_TOKENS)} {QUESTION}"}]
    with contextlib.ExitStack() as stack:
        contenders: dict[str, Contender] = {
            "engine loop": stack.enter_context(_engine(path, arguments.threads, messages)),
            "function over SSE": stack.enter_context(_function(path, arguments.threads, messages)),
        }
        if not arguments.depth:
            contenders["bare C API loop"] = _bare(path, arguments.threads)
        if not arguments.without_reference:
            contenders["llama-server over SSE"] = stack.enter_context(_server(path, arguments.threads, messages))
            if not arguments.depth:
                contenders["llama-bench"] = _bench(path, arguments.threads)
        speeds: dict[str, list[DecodeSpeed]] = {name: [] for name in contenders}
        for number in range(arguments.rounds + 1):
            for name, run in contenders.items():
                time.sleep(REST_SECONDS)
                speed = run(arguments.tokens)
                if number:  # the first round warms up
                    speeds[name].append(speed)
    rounds = f"{arguments.rounds} rounds of {arguments.tokens} tokens"
    print(f"135M Q8_0, {arguments.threads} threads, {rounds}, depth {arguments.depth}\n")
    print("| | tokens/s, median | of the engine loop, median of the rounds | lowest … highest | CPU ms a token |")
    print("|---|---:|---:|---|---:|")
    loop = [each.tokens_per_second for each in speeds["engine loop"]]
    for name, measured in speeds.items():
        each = [speed.tokens_per_second for speed in measured]
        ratio = statistics.median(a / b for a, b in zip(each, loop, strict=True))
        cpu = [speed.cpu_milliseconds for speed in measured if speed.cpu_milliseconds is not None]
        spread = f"{min(each):.1f} … {max(each):.1f}"
        time_used = f"{statistics.median(cpu):.1f}" if cpu else ""
        print(f"| {name} | {statistics.median(each):.1f} | {ratio:.1%} | {spread} | {time_used} |")
    if "llama-server over SSE" in speeds:
        pairs = zip(speeds["function over SSE"], speeds["llama-server over SSE"], strict=True)
        ratios = [ours.tokens_per_second / theirs.tokens_per_second for ours, theirs in pairs]
        print(f"\nfunction / llama-server, median of the rounds: {statistics.median(ratios):.3f}")


@contextlib.contextmanager
def _engine(path: Path, threads: int, messages: Messages) -> Iterator[Contender]:
    """Run the engine as the function does: its thread, events, text."""
    engine = Engine.load(path, LoadOptions(n_ctx=N_CTX, n_threads=threads))
    prompt = engine.tokenize_chat(messages)

    def run(tokens: int) -> DecodeSpeed:
        began = time.process_time()
        generation = engine.submit(Job(prompt=prompt, max_tokens=tokens, sampling=Sampling(ignore_eos=True)))
        while not isinstance(generation.next_event(REPLY_TIMEOUT_SECONDS), Finished):
            pass
        assert generation.tokens_per_second is not None
        return DecodeSpeed(generation.tokens_per_second, (time.process_time() - began) / tokens * 1000)

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

    def run(tokens: int) -> DecodeSpeed:
        lib.llama_memory_clear(lib.llama_get_memory(context), False)
        one[0] = 1
        for _ in range(20):
            lib.llama_decode(context, batch)
        began, cpu = time.monotonic(), time.process_time()
        for _ in range(tokens):
            one[0] = lib.llama_sampler_sample(chain, context, -1)
            lib.llama_decode(context, batch)
        used = time.process_time() - cpu
        return DecodeSpeed(tokens / (time.monotonic() - began), used / tokens * 1000)

    return run


@contextlib.contextmanager
def _function(path: Path, threads: int, messages: Messages) -> Iterator[Contender]:
    """Run the function under gunicorn."""
    with function_server(MODEL_URI=str(path), N_CTX=str(N_CTX), N_THREADS=str(threads)) as server:
        yield lambda tokens: _streamed(server, messages, tokens)


@contextlib.contextmanager
def _server(path: Path, threads: int, messages: Messages) -> Iterator[Contender]:
    """Run llama-server with one slot and otherwise default options."""
    with reference_server("-m", str(path), "-t", str(threads), "-c", str(N_CTX), "-np", "1") as server:
        yield lambda tokens: _streamed(server, messages, tokens)


def _bench(path: Path, threads: int) -> Contender:
    """Run llama-bench: decode only, without sampling."""
    command = [str(llama_bench()), "-m", str(path), "-t", str(threads), "-p", "0", "-r", "1", "-o", "json", "-n"]

    def run(tokens: int) -> DecodeSpeed:
        done = subprocess.run([*command, str(tokens)], check=True, capture_output=True)
        return DecodeSpeed(json.loads(done.stdout)[0]["avg_ts"])

    return run


def _streamed(server: MeasuredServer, messages: Messages, tokens: int) -> DecodeSpeed:
    """Return the speed of a stream, as seen by a client that only reads; its CPU time includes the prompt's."""
    began = server.cpu_seconds()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=REPLY_TIMEOUT_SECONDS)
    body = {"messages": messages, "stream": True, "max_tokens": tokens, "ignore_eos": True}
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
    return DecodeSpeed((tokens - 1) / (last - first), (server.cpu_seconds() - began) / tokens * 1000)


if __name__ == "__main__":
    main()
