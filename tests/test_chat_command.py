"""``python -m function chat``, with a model of one's own and with a running function."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from function.command.chat import _printable, line
from tests.command_line import function
from tests.servers.doors import ServedFunction, serving


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedFunction]:
    with serving(tmp_path_factory.mktemp("chat"), API_KEY="k") as served:
        yield served


def test_a_model_is_talked_to_over_several_turns_and_its_cold_start_told() -> None:
    outcome = function("chat", typed="My name is Ann.\nWhat is my name?\n")
    first, second = outcome.stdout.splitlines()
    assert first
    assert "Ann" in second
    cold, warm = outcome.stderr.splitlines()
    assert cold.startswith("(cold: ")
    assert all(f" {phase} " in cold for phase in ("fetch", "header", "load"))
    assert warm.startswith("(warm; first token ")
    assert "from the cache" in warm


def test_a_new_conversation_forgets(running: ServedFunction) -> None:
    typed = "My name is Ann.\n/new\nWhat is my name?\n"
    outcome = function("chat", running.url, typed=typed, env={"API_KEY": "k"})
    assert "Ann" not in outcome.stdout.splitlines()[1]


def test_one_question_as_json(running: ServedFunction) -> None:
    outcome = function("chat", running.url, "--prompt", "Hello!", "--max-tokens", "3", "--json", "-H", "x-api-key: k")
    told = json.loads(outcome.stdout)
    assert told["reply"]
    assert told["receipt"]["tokens"]["completion"] == 3


@pytest.mark.parametrize(
    ("where", "said"),
    [("{url}", "answered 401: Send the key"), ("http://127.0.0.1:1", "Is the function running there?")],
)
def test_what_goes_wrong_is_a_sentence(running: ServedFunction, where: str, said: str) -> None:
    outcome = function("chat", where.format(url=running.url), "--prompt", "hi")
    assert outcome.returncode == 1
    assert said in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_a_model_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    outcome = function("chat", tmp_path / "none.gguf", "--prompt", "hi")
    assert outcome.returncode == 1
    assert "no such file" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_a_reply_cannot_command_the_terminal() -> None:
    assert _printable("a\x1b[2J\tb\n\x07é") == "a[2J\tb\né"


def test_a_receipt_without_a_word_is_told() -> None:
    tokens = {"prompt": 3, "cached": 0, "completion": 0, "per_second": None}
    assert line({"cold": False, "seconds": {"total": 0.1}, "tokens": tokens}) == "warm; 0 tokens; 0.100 s in all"
