"""Cost and gain of checkpoints, on the shape of a hybrid model.

    python -m bench.checkpoints [--shape qwen35-0.8B] [--rounds 3] [--threads 2] [--message 300] [--tokens 60]

First the bytes of one checkpoint, and the time to take and to restore it. Then a conversation of three turns whose
thoughts are dropped from the history, without a prefix cache and with the planned one: seconds to the first token, and
the tokens that were not read again. The results are medians.
"""

import argparse
import statistics
import time

from bench.shapes import model
from function.engine import Engine, Finished, Job, KVContext, LoadOptions, Sampling
from function.engine.kv.context import REPLY_START_TOKENS
from function.gguf import fit, read_header
from function.system.limits import cpus

N_CTX = 4096
REPEATS = 20


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", default="qwen35-0.8B")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=cpus())
    parser.add_argument("--tokens", type=int, default=60, help="tokens of each reply")
    parser.add_argument("--message", type=int, default=300, help="tokens of each message")
    arguments = parser.parse_args()
    path = model(arguments.shape, "Q4_0")
    room = fit(read_header(path), N_CTX).prefix_cache
    engines = {
        name: Engine.load(path, LoadOptions(n_ctx=N_CTX, n_threads=arguments.threads, prefix_cache=prefix_cache))
        for name, prefix_cache in (("without", 0), ("with", room))
    }
    print(f"{arguments.shape}: the prefix cache has {room / 1e6:.0f} MB")
    *_, end = engines["with"].submit(Job(prompt=tuple(range(5, 105)), max_tokens=1))
    assert isinstance(end, Finished)
    print(engines["with"].run_task(_measure), flush=True)
    print("| | turn | s to the first token | cached | prompt | tokens/s of the reply |\n|---|---:|---:|---:|---:|---:|")
    turns = {
        name: [_converse(engine, arguments.message, arguments.tokens) for _ in range(arguments.rounds)]
        for name, engine in engines.items()
    }
    for name, rounds in turns.items():
        for number, ends in enumerate(zip(*rounds, strict=True), 1):
            first = statistics.median(end.timings.first_token or 0.0 for end in ends)
            rate = statistics.median(_rate(end) for end in ends)
            usage = ends[0].usage
            print(f"| {name} | {number} | {first:.2f} | {usage.cached_tokens} | {usage.prompt_tokens} | {rate:.1f} |")
    for engine in engines.values():
        engine.close()


def _converse(engine: Engine, message_tokens: int, reply_tokens: int) -> list[Finished]:
    """Return the ends of three turns; each prompt has the earlier messages and short answers, but no thoughts."""
    engine.run_task(lambda context: context.clear())
    history: tuple[int, ...] = ()
    ends = []
    for turn in range(3):
        message = tuple(5 + (i * i + turn * 997) % 90_000 for i in range(message_tokens))
        history = history[: -REPLY_START_TOKENS // 2] + message
        job = Job(prompt=history, max_tokens=reply_tokens, sampling=Sampling(temperature=0.0, ignore_eos=True))
        *_, end = engine.submit(job)
        assert isinstance(end, Finished)
        ends.append(end)
    return ends


def _rate(end: Finished) -> float:
    return (end.usage.completion_tokens - 1) / (end.timings.total - (end.timings.first_token or 0.0))


def _measure(context: KVContext) -> str:
    """Return the bytes of a checkpoint, and the milliseconds to take and to restore it."""
    states = context.model.states
    size, times = states.checkpoint_size(), []
    for _ in range(REPEATS):
        began = time.perf_counter()
        state = states.save_checkpoint(size)
        taken = time.perf_counter()
        assert state is not None
        assert states.restore_checkpoint(state)
        times.append((taken - began, time.perf_counter() - taken))
    take, restore = (1000 * statistics.median(column) for column in zip(*times, strict=True))
    return f"a checkpoint: {size / 1e6:.1f} MB, {take:.1f} ms to take, {restore:.1f} ms to restore"


if __name__ == "__main__":
    main()
