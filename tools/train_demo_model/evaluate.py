"""What the finished GGUF answers to questions that training never saw: exact answers, by category."""

from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tools.train_demo_model.batches import fingerprint
from tools.train_demo_model.dialogues import Message, question
from tools.train_demo_model.export import restore
from tools.train_demo_model.generate import greedy
from tools.train_demo_model.skills import SKILLS
from tools.train_demo_model.tokenizer import END, render

HOLDS_NOTHING_BACK = ("telling a name", "remembering a name")  # the name is what is new, not the question


@dataclass
class Score:
    """One category's right answers, and its mistakes as (question, wanted, said)."""

    asked: int = 0
    right: int = 0
    mistakes: list[tuple[str, str, str]] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.right / max(1, self.asked):.1%}"


def questions(seen: set[int], each: int, seed: int, *, careless: bool) -> dict[str, list[tuple[list[Message], str]]]:
    """``each`` held-out questions a category, none of which ever stood in a training dialogue."""
    rng = Random(f"{seed}:evaluation")
    found: dict[str, list[tuple[list[Message], str]]] = {}
    for skill in SKILLS:
        found[skill] = []
        for _ in range(each * 20):
            messages, wanted = question(rng, skill, careless=careless)
            if fingerprint(messages[-1]["content"]) not in seen or skill in HOLDS_NOTHING_BACK:
                found[skill].append((messages, wanted))
            if len(found[skill]) == each:
                break
    return found


def evaluate(
    path: Path, seen: set[int], *, each: int = 200, seed: int = 20, careless: bool = False
) -> dict[str, Score]:
    """The scores of the GGUF at ``path``, by category; ``careless``: asked with slips of the finger."""
    model, tokenizer = restore(path)
    scores: dict[str, Score] = {}
    for skill, asked in questions(seen, each, seed, careless=careless).items():
        prompts = [tokenizer.encode(render(messages, ask=True)).ids for messages, _ in asked]
        score = scores[skill] = Score(asked=len(asked))
        for (messages, wanted), reply in zip(asked, greedy(model, prompts, tokenizer.token_to_id(END)), strict=True):
            said = tokenizer.decode(reply)
            if said == wanted:
                score.right += 1
            else:
                score.mistakes.append((messages[-1]["content"], wanted, said))
        print(f"{skill:20} {score.right}/{score.asked} = {score}", flush=True)
    return scores


def table(clean: dict[str, Score], careless: dict[str, Score]) -> str:
    """The scores as a Markdown table."""
    lines = ["| Held out | Questions | Right | With slips |", "| --- | ---: | ---: | ---: |"]
    lines += [f"| {skill} | {score.asked} | {score} | {careless[skill]} |" for skill, score in clean.items()]
    return "\n".join(lines)
