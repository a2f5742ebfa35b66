"""``python -m function bench [MODEL]``: the standard questions, asked on this machine: how fast it reads and writes.

Each question is asked several times and medians are told. Nothing is reused from one time to the next, but in the
follow-up, whose conversation was read before.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from function.command.progress_bar import bytes_of
from function.engine import Engine, Finished, Job, Sampling
from function.lifecycle.service import Service
from function.settings import Settings
from function.system.limits import cpus, memory_used

PATIENCE = 3600.0
PAGE = 400  # words: about 500 tokens

EXAMPLES = """\
examples:
  python -m function bench                                  the model that MODEL_URI names
  python -m function bench model.gguf --rounds 5            another one, more often
  N_THREADS=4 python -m function bench model.gguf --json    what a setting changes, for a script to compare
"""


@dataclass(frozen=True, slots=True)
class Question:
    """``words`` to read, ``tokens`` to write; a ``follow_up`` asks again after what was read and written."""

    name: str
    words: int
    tokens: int
    follow_up: bool = False


QUESTIONS = (
    Question("a greeting", 8, 64),
    Question("a page to read", PAGE, 32),
    Question("a follow-up on it", PAGE, 32, follow_up=True),
    Question("a long reply", 20, 256),
)


@dataclass(frozen=True, slots=True)
class Measured:
    """Medians. ``read`` of ``prompt`` tokens were not in the cache. Speeds in tokens/s, ``first_token`` in seconds."""

    question: str
    prompt: int
    read: int
    written: int
    prefill: float
    first_token: float
    decode: float


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", nargs="?", help="a path or URI; default: MODEL_URI")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="how often each question is asked (3)")
    parser.add_argument("--json", action="store_true", help="tell the results as one JSON object")


def run(args: argparse.Namespace) -> int:
    settings = Settings.from_env()
    service = Service(replace(settings, model_uri=args.model) if args.model else settings)
    service.start()
    try:
        status = service.wait_for("ready", PATIENCE)
        if status.error is not None:
            raise status.error
        results = [_measure(service.engine, question, args.rounds) for question in QUESTIONS]
        machine = {
            "cpus": cpus(),
            "threads": settings.n_threads or cpus(),
            "cpu": service.made.cpu,
            "build": service.made.build,
            "memory": memory_used(),
            "cold_start": service.seconds.rounded(),
        }
        told = {
            "model": service.name,
            **machine,
            "rounds": args.rounds,
            "questions": [asdict(each) for each in results],
        }
        sys.stdout.write(json.dumps(told) + "\n" if args.json else as_text(service.name, machine, results))
    finally:
        service.close()
    return 0


def _measure(engine: Engine, question: Question, rounds: int) -> Measured:
    runs = [_ask(engine, question, number) for number in range(rounds)]
    first = runs[0]
    medians = {
        name: statistics.median(getattr(each, name) for each in runs) for name in ("prefill", "first_token", "decode")
    }
    return replace(first, **medians)  # the counts are alike


def _ask(engine: Engine, question: Question, number: int) -> Measured:
    """Ask once; what is read begins with the round's number, so that no round finds the one before in the cache."""
    words = min(question.words, engine.n_ctx // 4)
    text = f"{number} {question.name} " + "once upon a time there was a word " * (words // 8 + 1)
    messages = [{"role": "user", "content": text}]
    if question.follow_up:
        reply = _generate(engine, messages, 1)[0]
        messages += [{"role": "assistant", "content": reply}, {"role": "user", "content": "And then?"}]
    _, end, speed = _generate(engine, messages, min(question.tokens, engine.n_ctx // 4))
    usage, timings = end.usage, end.timings
    read = usage.prompt_tokens - usage.cached_tokens
    return Measured(
        question=question.name,
        prompt=usage.prompt_tokens,
        read=read,
        written=usage.completion_tokens,
        prefill=read / timings.prefill if timings.prefill else 0.0,
        first_token=timings.first_token or timings.total,
        decode=speed or 0.0,
    )


def _generate(engine: Engine, messages: Sequence[Mapping[str, Any]], tokens: int) -> tuple[str, Finished, float | None]:
    """The reply's text, its end, and the decode's tokens per second."""
    job = Job(engine.tokenize_chat(messages), max_tokens=tokens, sampling=Sampling(ignore_eos=True))
    generation = engine.submit(job)
    pieces: list[str] = []
    for event in generation:
        if isinstance(event, Finished):
            if event.error is not None:
                raise event.error
            return "".join(pieces), event, generation.tokens_per_second
        pieces.append(getattr(event, "text", ""))
    raise AssertionError("events end with Finished")


def as_text(name: str, machine: Mapping[str, Any], results: Sequence[Measured]) -> str:
    """The results for people."""
    start = ", ".join(f"{phase} {seconds:.2f} s" for phase, seconds in machine["cold_start"].items())
    lines = [
        f"{name} on {machine['cpus']} CPUs ({machine['cpu']}), {machine['threads']} threads, {machine['build']}",
        f"cold start: {start}" + (f"; memory in use: {bytes_of(machine['memory'])}" if machine["memory"] else ""),
        "",
        f"{'':20}{'prompt':>8}{'read':>7}{'reads/s':>10}{'first token':>13}{'writes/s':>10}   (tokens)",
    ]
    for each in results:
        numbers = f"{each.prompt:>8}{each.read:>7}{each.prefill:>10.1f}{each.first_token:>11.3f} s{each.decode:>10.1f}"
        lines.append(f"{each.question:20}{numbers}")
    return "\n".join(lines) + "\n"
