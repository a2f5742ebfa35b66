"""``python -m function chat``, with a model in its process and with a running function."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from function.command.chat import format_receipt
from function.command.output import replace_control_characters
from tests.command_line import END_OF_INPUT, INTERRUPT, function, function_on_terminal
from tests.scripted_model import write_scripted_model
from tests.servers.doors import ServedFunction, serving

FIRST, LATER = "Nice to meet you.", "Your name is Ann."
TEMPLATE = "{% for message in messages %}{{ message.content }}\n{% endfor %}{{ 1 if messages | length == 1 else 2 }}"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that replies FIRST to the first message of a conversation, and LATER to those that follow."""
    path = tmp_path_factory.mktemp("scripted") / "scripted.gguf"
    return write_scripted_model(path, {"1": FIRST, "2": LATER}, template=TEMPLATE)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Iterator[ServedFunction]:
    with serving(tmp_path_factory.mktemp("chat"), MODEL_URI=str(model), API_KEY="k") as served:
        yield served


def test_chat_with_a_model_keeps_the_conversation_and_prints_the_cold_start(model: Path) -> None:
    outcome = function("chat", model, typed="My name is Ann.\nWhat is my name?\n")
    assert outcome.stdout.splitlines() == [FIRST, LATER]
    cold, warm = outcome.stderr.splitlines()
    assert cold.startswith("(cold: ")
    assert all(f" {phase} " in cold for phase in ("fetch", "header", "load"))
    assert warm.startswith("(warm; first token ")
    assert "from the cache" in warm


def test_new_starts_an_empty_conversation(running: ServedFunction) -> None:
    typed = "My name is Ann.\n/new\nWhat is my name?\n"
    outcome = function("chat", running.url, typed=typed, env={"API_KEY": "k"})
    assert outcome.stdout.splitlines() == [FIRST, FIRST]


def test_chat_prints_one_reply_as_json(running: ServedFunction) -> None:
    outcome = function("chat", running.url, "--prompt", "Hello!", "--max-tokens", "3", "--json", "-H", "x-api-key: k")
    report = json.loads(outcome.stdout)
    assert report["reply"]
    assert report["receipt"]["tokens"]["completion"] == 3


@pytest.mark.parametrize(
    ("where", "message"),
    [("{url}", "answered 401: Send the key"), ("http://127.0.0.1:1", "Is the function running there?")],
)
def test_failed_request_is_an_error_message(running: ServedFunction, where: str, message: str) -> None:
    outcome = function("chat", where.format(url=running.url), "--prompt", "hi")
    assert outcome.returncode == 1
    assert message in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_terminal_gets_a_banner_and_help(running: ServedFunction) -> None:
    steps = [("> ", "/help\n"), ("Ctrl-C", ""), ("> ", "/nwe\n"), ("> ", END_OF_INPUT)]
    status, shown = function_on_terminal("chat", running.url, steps=steps, env={"API_KEY": "k"})
    assert status == 0
    assert shown.startswith(f"Chat with {running.url}. /help lists the commands, Ctrl-D exits.\r\n")
    assert "/new    start a new conversation" in shown
    assert "There is no command /nwe." in shown


def test_earlier_question_is_edited_and_asked_again(running: ServedFunction) -> None:
    up = "\x1b[A"
    steps = [("> ", "My name is Ann.\n"), ("(", ""), ("> ", f"{up} Again!\n"), ("(warm", ""), ("> ", "/exit\n")]
    status, shown = function_on_terminal("chat", running.url, steps=steps, env={"API_KEY": "k"})
    assert status == 0
    assert "> My name is Ann. Again!" in shown


def test_interrupt_at_the_prompt_gives_a_hint_and_a_second_one_exits(running: ServedFunction) -> None:
    steps = [("> ", INTERRUPT), ("so does Ctrl-C again", INTERRUPT)]
    status, shown = function_on_terminal("chat", running.url, steps=steps, env={"API_KEY": "k"})
    assert status == 130
    assert shown.rstrip().endswith("Stopped.")


def test_interrupt_stops_a_reply_and_the_conversation_continues(running: ServedFunction) -> None:
    name = "Count to a hundred, slowly."
    steps = [("> ", f"{name}\n"), (f"{name}\r\n", INTERRUPT), ("> ", "Hello!\n"), ("(", ""), ("> ", END_OF_INPUT)]
    status, _ = function_on_terminal("chat", running.url, steps=steps, env={"API_KEY": "k"})
    assert status == 0


def test_rejected_question_does_not_end_the_conversation(model: Path) -> None:
    long = "word " * 300
    steps = [("> ", f"{long}\n"), ("tokens", ""), ("> ", "Hello!\n"), ("(", ""), ("> ", END_OF_INPUT)]
    status, shown = function_on_terminal("chat", model, steps=steps, env={"N_CTX": "256", "TERM": "dumb"})
    assert status == 0
    assert "127.0.0.1" not in shown


def test_model_that_cannot_be_loaded_is_reported_once(tmp_path: Path) -> None:
    path = tmp_path / "none.gguf"
    outcome = function("chat", path, "--prompt", "hi")
    assert outcome.stderr.splitlines() == [f"{path}: no such file ({path})."]


def test_missing_model_is_an_error_message(tmp_path: Path) -> None:
    outcome = function("chat", tmp_path / "none.gguf", "--prompt", "hi")
    assert outcome.returncode == 1
    assert "no such file" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_reply_is_printed_without_control_characters() -> None:
    assert replace_control_characters("a\x1b[2J\tb\n\x07é", kept="\n\t") == "a[2J\tb\né"


def test_receipt_of_an_empty_reply_is_formatted() -> None:
    tokens = {"prompt": 3, "cached": 0, "completion": 0, "per_second": None}
    assert (
        format_receipt({"cold": False, "seconds": {"total": 0.1}, "tokens": tokens}) == "warm; 0 tokens; 0.100 s in all"
    )
