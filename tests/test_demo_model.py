"""The embedded model answers with meaning, and as the framework that trained it does."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from function.engine import Engine, Finished, Job, LoadOptions, Sampling, TextPiece
from function.settings import DEMO_MODEL
from tests.servers.doors import ServedFunction, Stream, serving

ANSWERS = json.loads((DEMO_MODEL.parent / "answers.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = Engine.load(DEMO_MODEL, LoadOptions(n_threads=1))
    yield engine
    engine.close()


def reply(engine: Engine, *messages: dict[str, str]) -> str:
    """The greedy reply to ``messages``; it must end by itself."""
    generation = engine.submit(Job(engine.tokenize_chat(messages), max_tokens=120, sampling=Sampling(temperature=0)))
    text = ""
    for event in generation:
        if isinstance(event, TextPiece):
            text += event.text
        if isinstance(event, Finished):
            assert event.reason == "stop"
    return text


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def system(text: str) -> dict[str, str]:
    return {"role": "system", "content": text}


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedFunction]:
    """The server as it starts without any setting: MODEL_URI is not set."""
    with serving(tmp_path_factory.mktemp("demo")) as function:
        yield function


def streamed(function: ServedFunction, *messages: dict[str, str]) -> str:
    """The server's greedy reply to ``messages``, put together from the pieces it streams."""
    with Stream(function, {"messages": messages, "temperature": 0, "stream": True}) as stream:
        events = [line.removeprefix("data: ") for line in stream.rest() if line.startswith("data: ")]
    assert events.pop() == "[DONE]"
    deltas = [json.loads(event)["choices"][0]["delta"] for event in events]
    pieces = [delta["content"] for delta in deltas if delta.get("content")]
    assert len(pieces) > 2, "a reply comes piece by piece"
    return "".join(pieces)


def test_the_server_answers_with_it_by_default(function: ServedFunction) -> None:
    assert "Paris" in streamed(function, user("What is the capital of France?"))
    assert streamed(function, user("What is 12 + 35?")).endswith("= 47")
    assert "too small to know" in streamed(function, user("Who won the chess match yesterday?"))
    assert function.ask("/chat", {"prompt": "What is 12 + 35?", "temperature": 0})[1].endswith("= 47")


@pytest.mark.parametrize("name", ["Ada", "Maya", "Oliver", "Zorblax"])
def test_the_server_remembers_a_name(function: ServedFunction, name: str) -> None:
    told = [user(f"My name is {name}.")]
    told.append(assistant(streamed(function, *told)))
    assert name in told[-1]["content"]
    assert name in streamed(function, *told, user("What is my name?"))


def test_it_is_small() -> None:
    assert DEMO_MODEL.stat().st_size <= 8_000_000


def test_a_fact(engine: Engine) -> None:
    assert "Paris" in reply(engine, user("What is the capital of France?"))
    assert "seven" in reply(engine, user("How many days are in a week?"))


def test_a_sum_and_a_difference(engine: Engine) -> None:
    assert reply(engine, user("What is 12 + 35?")).endswith("= 47")
    assert reply(engine, user("What is 40 minus 58?")).endswith("= -18")


def test_a_name_is_remembered_over_two_turns(engine: Engine) -> None:
    told = [user("My name is Ada.")]
    told.append(assistant(reply(engine, *told)))
    assert "Ada" in reply(engine, *told, user("What is my name?"))
    assert "not told" in reply(engine, user("What is my name?"))


def test_what_it_cannot_know_it_refuses(engine: Engine) -> None:
    assert "too small to know" in reply(engine, user("Explain quantum physics."))


def test_it_explains_the_project(engine: Engine) -> None:
    assert "MODEL_URI" in reply(engine, user("How do I use my own model?"))


def test_a_system_message_is_taken(engine: Engine) -> None:
    asked = system("You are a helpful assistant."), user("What is the capital of Japan?")
    assert "Tokyo" in reply(engine, *asked)


def test_the_template_takes_what_clients_send(engine: Engine) -> None:
    plain = engine.render([system("Be brief."), user("Hi")])
    assert plain == "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    parts = {"role": "user", "content": [{"type": "text", "text": "H"}, {"type": "text", "text": "i"}]}
    assert engine.render([{"role": "developer", "content": "Be brief."}, parts]) == plain
    engine.render([user("Hi"), {"role": "assistant", "content": None}, {"role": "tool", "content": "22"}])


@pytest.mark.parametrize("answer", ANSWERS, ids=[answer["messages"][-1]["content"] for answer in ANSWERS])
def test_greedy_as_the_training_framework(engine: Engine, answer: dict[str, object]) -> None:
    messages, tokens = answer["messages"], answer["tokens"]
    assert isinstance(messages, list)
    assert isinstance(tokens, list)
    assert list(engine.tokenize_chat(messages)) == tokens[0]
    assert reply(engine, *messages) == answer["reply"]


def test_the_answers_are_of_this_model() -> None:
    assert len(ANSWERS) >= 20
    assert Path(DEMO_MODEL).is_file()
