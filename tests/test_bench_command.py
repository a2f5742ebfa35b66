"""``python -m function bench``."""

import json
from pathlib import Path

from tests.command_line import function


def test_the_standard_questions_are_measured(tiny_model: Path) -> None:
    outcome = function("bench", tiny_model, "--rounds", "1", "--json")
    told = json.loads(outcome.stdout)
    assert told["model"] == "tiny random"
    assert told["cold_start"]["load"] > 0
    questions = {each["question"]: each for each in told["questions"]}
    assert len(questions) == 4
    assert all(each["decode"] > 0 and each["prefill"] > 0 for each in questions.values())
    assert questions["a page to read"]["read"] > questions["a follow-up on it"]["read"]


def test_a_person_gets_a_table(tiny_model: Path) -> None:
    lines = function("bench", tiny_model, "--rounds", "1").stdout.splitlines()
    assert lines[0].startswith("tiny random on ")
    assert lines[-1].startswith("a long reply")
