"""Decode speed with speculative decoding and without it, of replies that copy and of replies that do not.

    python -m bench.speculation [--rounds 5] [--tokens 200] [--threads N]

Two engines with the same file take turns, and so does their order. The default model copies, its reply begun with the
first words, and writes freely. The 0.5B shape has random weights, which copy nothing: a bias makes it repeat one token,
which shows the speed of drafts that are all accepted, and no more. A ratio is the median of the rounds' ratios;
``same`` compares the tokens of greedy replies.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.shapes import model
from function import default_model
from function.engine import Engine, Finished, Job, LoadOptions, Sampling, TextPiece
from function.system.limits import cpus

N_CTX = 2048
REST_SECONDS = 0.5
GREEDY = Sampling(temperature=0)
CODE = """\
class Account:
    def __init__(self, owner, balance):
        self.owner = owner
        self.balance = balance

    def deposit(self, amount):
        if amount <= 0:
            raise ValueError("The amount must be positive.")
        self.balance += amount
        return self.balance

    def withdraw(self, amount):
        if amount > self.balance:
            raise ValueError("The balance is too low.")
        self.balance -= amount
        return self.balance
"""
CODE_BEGIN = "```python\n" + CODE.partition(" deposit")[0]
TEXT = (
    "The lighthouse keeper climbed the stairs twice a day, once to light the lamp and once to put it out. In forty "
    "years he had missed a single evening, when snow had blocked the door until midnight. A ship from Bergen had found "
    "its way without him, but he never spoke of that night without lowering his voice. His daughter kept a diary of "
    "the weather, and his son counted the ships that passed."
)
PEOPLE = (
    ("Ann Miller", 34, "Boston"), ("Bob Carter", 27, "Denver"), ("Cleo Hart", 45, "Austin"),
    ("Dan Weiss", 31, "Seattle"), ("Eva Lund", 52, "Chicago"), ("Finn Berg", 23, "Portland"),
)  # fmt: skip
RECORDS = "\n".join(f'{{"name": "{name}", "age": {age}, "city": "{city}"}}' for name, age, city in PEOPLE)
LIST = "\n".join(f"- {name} is {age} years old and lives in {city}." for name, age, city in PEOPLE)


@dataclass(frozen=True, slots=True)
class Case:
    """Request, the beginning of its reply, and its sampling."""

    request: str
    begin: str = ""
    sampling: Sampling = GREEDY


COPIES = {
    "code": Case(f"Repeat this code:\n\n```python\n{CODE}```", CODE_BEGIN),
    "edited code": Case(
        f"Write this code again, with the class renamed to Wallet:\n\n```python\n{CODE}```",
        CODE_BEGIN.replace("Account", "Wallet"),
    ),
    "quote": Case(f"Repeat this text word for word:\n\n{TEXT}", "The"),
    "list": Case(f"Write this list again:\n\n{LIST}", LIST.partition("\n")[0] + "\n-"),
    "JSON": Case(f"Copy these records:\n\n{RECORDS}", RECORDS.partition("\n")[0] + '\n{"'),
}
FREE = {
    "story": Case("Tell me a long story about a sailor."),
    "explanation": Case("Explain how rain forms, and why it falls more often near mountains."),
    "sampled story": Case("Tell me a long story about a sailor.", sampling=Sampling(temperature=0.8)),
}
SYNTHETIC = {
    "one token": Case("Tell me.", sampling=Sampling(temperature=0, logit_bias={100: 100})),
    "greedy": Case("Tell me.", sampling=Sampling(temperature=0, ignore_eos=True)),
    "sampled": Case("Tell me.", sampling=Sampling(temperature=1, ignore_eos=True)),
}
"""Replies of random weights, which copy nothing: one that a bias makes repeat a token, and two as they come."""


@dataclass(frozen=True, slots=True)
class MeasuredReply:
    """Tokens of a reply, their number a second, CPU seconds for 100 of them, and its last event."""

    tokens: tuple[int, ...]
    speed: float
    cpu_seconds: float
    end: Finished


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--threads", type=int, default=cpus())
    parser.add_argument("--repack", action="store_true", help="copy the weights into the faster layout")
    arguments = parser.parse_args()
    path = default_model.find()
    if path is None:
        sys.exit("The default model is not installed: make install")
    print(f"{arguments.rounds} rounds of up to {arguments.tokens} tokens, {arguments.threads} threads\n")
    print("| | tokens/s without | with | ratio, median | lowest … highest | CPU, ratio | drafted | accepted | same |")
    print("|---|---:|---:|---:|---|---:|---:|---:|---|")
    _compare(f"{default_model.NAME} Q4_1", path, COPIES | FREE, arguments)
    _compare("0.5B Q4_0", model("0.5B", "Q4_0"), SYNTHETIC, arguments)


def _compare(title: str, path: Path, cases: Mapping[str, Case], arguments: argparse.Namespace) -> None:
    engines = [
        Engine.load(
            path,
            LoadOptions(n_ctx=N_CTX, n_threads=arguments.threads, repack=arguments.repack, speculates=speculates),
        )
        for speculates in (False, True)
    ]
    for name, case in cases.items():
        rounds = []
        for number in range(arguments.rounds + 1):
            order = (0, 1) if number % 2 else (1, 0)
            replies = {index: _run(engines[index], case, arguments.tokens) for index in order}
            if number:  # the first round warms up, and fills the prefix cache
                rounds.append((replies[0], replies[1]))
        ratios = [speculated.speed / plain.speed for plain, speculated in rounds]
        cpu = statistics.median(speculated.cpu_seconds / plain.cpu_seconds for plain, speculated in rounds)
        usage = rounds[-1][1].end.usage
        same = "" if case.sampling.temperature else all(plain.tokens == each.tokens for plain, each in rounds)
        print(
            f"| {title}, {name} | {statistics.median(plain.speed for plain, _ in rounds):.1f} "
            f"| {statistics.median(each.speed for _, each in rounds):.1f} | {statistics.median(ratios):.2f} "
            f"| {min(ratios):.2f} … {max(ratios):.2f} | {cpu:.2f} | {usage.drafted_tokens} | {usage.accepted_tokens} "
            f"| {same} |",
            flush=True,
        )
    for engine in engines:
        engine.close()


def _run(engine: Engine, case: Case, tokens: int) -> MeasuredReply:
    time.sleep(REST_SECONDS)  # ggml's threads spin for a while after the last token
    prompt = engine.tokenize_prompt(engine.render([{"role": "user", "content": case.request}]) + case.begin)
    generation = engine.submit(Job(prompt=prompt, max_tokens=tokens, sampling=case.sampling))
    written: list[int] = []
    began: float | None = None
    while not isinstance(event := generation.next_event(600), Finished):
        if isinstance(event, TextPiece):
            began = began or time.process_time()
            written += event.token_ids
    assert began is not None and generation.tokens_per_second is not None, event
    cpu_seconds = (time.process_time() - began) * 100 / len(written)
    return MeasuredReply(tuple(written), generation.tokens_per_second, cpu_seconds, event)


if __name__ == "__main__":
    main()
