"""``python -m function bench``."""

import json
from pathlib import Path

from tests.command_line import function


def test_bench_measures_the_standard_questions(tiny_model: Path) -> None:
    outcome = function("bench", tiny_model, "--rounds", "1", "--json")
    report = json.loads(outcome.stdout)
    assert report["model"] == "tiny random"
    assert report["cold_start"]["load"] > 0
    questions = {each["question"]: each for each in report["questions"]}
    assert len(questions) == 4
    assert all(each["decode"] > 0 and each["prefill"] > 0 for each in questions.values())
    assert questions["a page to read"]["read"] > questions["a follow-up on it"]["read"]


def test_bench_prints_a_table(tiny_model: Path) -> None:
    lines = function("bench", tiny_model, "--rounds", "1").stdout.splitlines()
    assert lines[0].startswith("tiny random on ")
    assert lines[-1].startswith("a long reply")
