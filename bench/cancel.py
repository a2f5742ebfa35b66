"""Time until a cancelled request frees the engine, and correctness of the next reply.

    python -m bench.cancel [--rounds 20] [--shape 135M]

Each round submits a long prompt, cancels it at a random moment of its prefill or decode, and measures the time until
the engine's Finished event. Then a request with a seed must get the same text as at the beginning.
"""

import argparse
import random
import statistics
import time
from typing import Literal

from bench.shapes import model, prompt_text
from function.engine import Engine, Finished, Job, LoadOptions, PrefillProgress, Sampling, TextPiece
from function.system.limits import cpus

Phase = Literal["prefill", "decode"]
MODELS: tuple[tuple[str, Literal["Q8_0", "Q4_0"]], ...] = (("135M", "Q8_0"), ("0.5B", "Q4_0"))
EVENT_TIMEOUT_SECONDS = 600.0
LONG_PROMPT_TOKENS = 3500
"""Length of a prompt that takes seconds to read."""


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--shape", choices=[shape for shape, _ in MODELS])
    parser.add_argument("--threads", type=int, default=cpus())
    arguments = parser.parse_args()
    print(f"{arguments.threads} threads, {arguments.rounds} rounds; milliseconds from cancel to free\n")
    print("| model | phase | median | 90 % | worst | next answer |")
    print("|---|---|---|---|---|---|")
    for shape, quant in MODELS:
        if arguments.shape in (None, shape):
            engine = Engine.load(model(shape, quant), LoadOptions(n_ctx=4096, n_threads=arguments.threads))
            try:
                _measure(engine, f"{shape} {quant}", arguments.rounds)
            finally:
                engine.close()


def _measure(engine: Engine, name: str, rounds: int) -> None:
    chance = random.Random(1)
    expected = _answer(engine)
    phases: tuple[Phase, ...] = ("prefill", "decode")
    for phase in phases:
        times, right = [], 0
        for number in range(rounds):
            times.append(1000 * _cancelled(engine, phase, number, chance))
            right += _answer(engine) == expected
        times.sort()
        ninth = times[min(rounds - 1, round(0.9 * rounds))]
        print(
            f"| {name} | {phase} | {statistics.median(times):.1f} | {ninth:.1f} | {times[-1]:.1f} "
            f"| {right}/{rounds} right |",
            flush=True,
        )


def _cancelled(engine: Engine, phase: Phase, number: int, chance: random.Random) -> float:
    """Return the seconds from the cancellation to the free engine."""
    text = f"round {number} of {phase}: " + (prompt_text(800) if phase == "prefill" else "hello")
    prompt = engine.tokenize_chat([{"role": "user", "content": text}])[:LONG_PROMPT_TOKENS]
    job = Job(prompt=prompt, sampling=Sampling(ignore_eos=True))
    generation = engine.submit(job)
    while not (
        isinstance(event := generation.next_event(EVENT_TIMEOUT_SECONDS), TextPiece)
        or (phase == "prefill" and isinstance(event, PrefillProgress) and event.done)
    ):
        pass
    time.sleep(chance.uniform(0.0, 0.3))
    began = time.perf_counter()
    generation.cancel()
    while not isinstance(event := generation.next_event(EVENT_TIMEOUT_SECONDS), Finished):
        pass
    took = time.perf_counter() - began
    assert event.reason == "cancelled", event.reason
    assert phase == "decode" or event.usage.completion_tokens == 0, "the prefill ended before the cancellation"
    return took


def _answer(engine: Engine) -> str:
    prompt = engine.tokenize_chat([{"role": "user", "content": prompt_text(50)}])
    events = engine.submit(Job(prompt=prompt, max_tokens=16, sampling=Sampling(seed=1)))
    return "".join(event.text for event in events if isinstance(event, TextPiece))


if __name__ == "__main__":
    main()
