"""``python -m function bench [MODEL]``: measure the speed of a model on this machine, with standard questions.

Each question is asked several times; the results are medians. No round reuses the prompt of another. Only the
follow-up reuses its own conversation.
"""

import argparse
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from function.command.output import format_bytes, print_result
from function.engine import Engine, Finished, Job, Sampling, TextPiece
from function.lifecycle.service import Service
from function.settings import Settings
from function.system.limits import cpus, memory_used
from function.system.terminal import show_status

LOAD_TIMEOUT_SECONDS = 3600.0
STATUS_SECONDS = 0.2
PAGE_WORDS = 400  # about 500 tokens

EXAMPLES = """\
examples:
  python -m function bench
      the model that MODEL_URI names
  python -m function bench model.gguf --rounds 5
      another model, more rounds
  N_THREADS=4 python -m function bench model.gguf --json
      the effect of a setting, for a script
"""


@dataclass(frozen=True, slots=True)
class Question:
    """Prompt of ``words``, reply of ``tokens``. A ``follow_up`` is asked after such a prompt and its reply."""

    name: str
    words: int
    tokens: int
    follow_up: bool = False


QUESTIONS = (
    Question("a greeting", 8, 64),
    Question("a page to read", PAGE_WORDS, 32),
    Question("a follow-up on it", PAGE_WORDS, 32, follow_up=True),
    Question("a long reply", 20, 256),
)


@dataclass(frozen=True, slots=True)
class Measurement:
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
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="number of times each question is asked (3)")


def run(args: argparse.Namespace) -> int:
    settings = Settings.from_env()
    service = Service(replace(settings, model_uri=args.model) if args.model else settings)
    service.start()
    try:
        _await_ready(service)
        results = [_measure(service.engine, question, args.rounds) for question in QUESTIONS]
        report = {
            "model": service.name,
            "cpus": cpus(),
            "threads": settings.n_threads or cpus(),
            "cpu": service.provenance.cpu,
            "build": service.provenance.build,
            "memory": memory_used(),
            "cold_start": service.timings.rounded(),
            "rounds": args.rounds,
            "questions": list(map(asdict, results)),
        }
    finally:
        service.close()
    return print_result(args, report, _as_text(report, results))


def _await_ready(service: Service) -> None:
    """Wait until the model is ready, with its progress on the terminal. Raises the error that prevents it."""
    deadline = time.monotonic() + LOAD_TIMEOUT_SECONDS
    while (status := service.await_ready(STATUS_SECONDS)).state != "ready" and time.monotonic() < deadline:
        show_status(str(status))
        if status.error is not None:
            show_status("")
            raise status.error


def _measure(engine: Engine, question: Question, rounds: int) -> Measurement:
    runs = []
    for number in range(rounds):
        show_status(f"{question.name}: round {number + 1} of {rounds}")
        runs.append(_ask(engine, question, number))
    show_status("")
    names = ("prefill", "first_token", "decode")  # the counts are equal in all rounds
    return replace(runs[0], **{name: statistics.median(getattr(each, name) for each in runs) for name in names})


def _ask(engine: Engine, question: Question, number: int) -> Measurement:
    """Ask once. The prompt starts with the number of the round, so that it is not in the cache."""
    words = min(question.words, engine.n_ctx // 4)
    text = f"{number} {question.name} " + "once upon a time there was a word " * (words // 8 + 1)
    messages = [{"role": "user", "content": text}]
    if question.follow_up:
        reply = _generate(engine, messages, 1)[0]
        messages += [{"role": "assistant", "content": reply}, {"role": "user", "content": "And then?"}]
    _, end, speed = _generate(engine, messages, min(question.tokens, engine.n_ctx // 4))
    usage, timings = end.usage, end.timings
    read = usage.prompt_tokens - usage.cached_tokens
    return Measurement(
        question=question.name,
        prompt=usage.prompt_tokens,
        read=read,
        written=usage.completion_tokens,
        prefill=read / timings.prefill if timings.prefill else 0.0,
        first_token=timings.first_token or timings.total,
        decode=speed or 0.0,
    )


def _generate(engine: Engine, messages: Sequence[Mapping[str, Any]], tokens: int) -> tuple[str, Finished, float | None]:
    """Return the text of the reply, its last event, and the tokens per second of the decode."""
    job = Job(engine.tokenize_chat(messages), max_tokens=tokens, sampling=Sampling(ignore_eos=True))
    generation = engine.submit(job)
    *events, end = generation
    assert isinstance(end, Finished)
    if end.error is not None:
        raise end.error
    return "".join(each.text for each in events if isinstance(each, TextPiece)), end, generation.tokens_per_second


def _as_text(report: Mapping[str, Any], results: Sequence[Measurement]) -> str:
    """Return the results as a table."""
    start = ", ".join(f"{phase} {seconds:.2f} s" for phase, seconds in report["cold_start"].items())
    used = report["memory"]  # None if the kernel does not count it
    memory = [f"memory in use by this container, page cache included: {format_bytes(used)}"] if used else []
    lines = [
        f"{report['model']} on {report['cpus']} CPUs ({report['cpu']}), {report['threads']} threads, {report['build']}",
        f"cold start: {start}",
        *memory,
        "",
        f"{'':20}{'prompt':>8}{'read':>7}{'reads/s':>10}{'first token':>13}{'writes/s':>10}   (tokens)",
    ]
    for each in results:
        numbers = f"{each.prompt:>8}{each.read:>7}{each.prefill:>10.1f}{each.first_token:>11.3f} s{each.decode:>10.1f}"
        lines.append(f"{each.question:20}{numbers}")
    return "\n".join(lines) + "\n"
