"""Limits of thoughts through a real door: budgets, their names, and the tokens that they are counted in."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from function.dialect.reply_parts import ReplyReader
from function.dialect.reply_watch import ReplyWatch, ThoughtLimit
from function.dialect.syntax import Dialect
from tests.dialect_cases import reader_of
from tests.scripted_model import write_scripted_model
from tests.servers.doors import ServedFunction, serving
from tools.vocabulary import CHATML

PATH = "/v1/chat/completions"
USER = {"role": "user", "content": "Is it sunny?"}
THOUGHTS = ["one", "two", "three", "four", "five", "six"]
WHOLE = len(THOUGHTS) + 1
"""Tokens of the whole thought: the last one is a space and the closing mark."""
NATURAL, FORCED = "It is.", "No idea."
SCRIPT = {"\n": f"<think> {' '.join(THOUGHTS)} </think> {NATURAL}", ">": FORCED}
CALLS = {"\n": SCRIPT["\n"], ">": '<tool_call>\n{"name": "look", "arguments": {"at": "sky"}}\n</tool_call>'}
TOOL = {
    "type": "function",
    "function": {
        "name": "look",
        "parameters": {"type": "object", "properties": {"at": {"enum": ["sky", "sea"]}}, "required": ["at"]},
    },
}
COLOUR = '{"colour": "red "}'
CLOSING = len("</think>")
"""Tokens of the mark that closes a thought: the scripted vocabulary has it as bytes."""


@contextlib.contextmanager
def scripted(tmp: Path, replies: dict[str, str], **settings: str) -> Iterator[ServedFunction]:
    """Serve a model that thinks first."""
    model = write_scripted_model(tmp / "model.gguf", replies, template="{{ colour }}" + CHATML + "{#- </think> #}")
    with serving(tmp, MODEL_URI=str(model), **settings) as function:
        function.wait("ready")
        yield function


@pytest.fixture(scope="module")
def thinker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedFunction]:
    with scripted(tmp_path_factory.mktemp("thinker"), SCRIPT) as function:
        yield function


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedFunction]:
    """A model with a limit of the operator's, that calls a tool when its thought is closed."""
    tmp = tmp_path_factory.mktemp("limited")
    operators = {"THINKING_BUDGET": "2", "THINKING_BUDGET_MESSAGE": " Enough.", "CHAT_TEMPLATE_KWARGS": COLOUR}
    with scripted(tmp, CALLS, **operators) as function:
        yield function


def ask(function: ServedFunction, **fields: Any) -> dict[str, Any]:
    """Return the body of a greedy reply."""
    status, body = function.ask(PATH, {"messages": [USER], "temperature": 0, "max_tokens": 100} | fields)
    assert status == 200, body
    found: dict[str, Any] = body
    return found


def parts(body: dict[str, Any]) -> tuple[str | None, str | None, int]:
    """Return thought, answer and the number of the thought's tokens."""
    message = body["choices"][0]["message"]
    tokens = body["usage"]["completion_tokens_details"]["reasoning_tokens"]
    return message.get("reasoning_content"), message["content"], tokens


def test_thoughts_are_unlimited_by_default(thinker: ServedFunction) -> None:
    body = ask(thinker)
    assert parts(body) == (" ".join(THOUGHTS), NATURAL, WHOLE)
    pieces = len(SCRIPT["\n"].split(" "))
    assert body["usage"]["completion_tokens"] == pieces + 1  # and the token that ends the reply


@pytest.mark.parametrize("budget", [1, 3, 5])
def test_budget_closes_the_thought(thinker: ServedFunction, budget: int) -> None:
    body = ask(thinker, thinking_budget_tokens=budget)
    assert parts(body) == (" ".join(THOUGHTS[:budget]), FORCED, budget)
    assert body["choices"][0]["finish_reason"] == "stop"
    assert body["usage"]["completion_tokens"] == 1 + budget + CLOSING + len(FORCED.split(" ")) + 1


@pytest.mark.parametrize("budget", [-1, WHOLE, 1000])
def test_thought_within_its_budget_closes_itself(thinker: ServedFunction, budget: int) -> None:
    assert parts(ask(thinker, thinking_budget_tokens=budget)) == (" ".join(THOUGHTS), NATURAL, WHOLE)


@pytest.mark.parametrize(
    "fields",
    [
        {"reasoning_budget_tokens": 2},
        {"thinking_token_budget": 2},
        {"thinking_budget": 2},
        {"reasoning_budget": 2},
        {"reasoning": {"max_tokens": 2}},
        {"reasoning": {"max_tokens": 2, "summary": "auto"}},
    ],
    ids=str,
)
def test_budget_has_the_names_of_other_servers(thinker: ServedFunction, fields: dict[str, Any]) -> None:
    assert parts(ask(thinker, **fields)) == ("one two", FORCED, 2)


@pytest.mark.parametrize(
    "fields",
    [
        {"thinking_budget_tokens": 0},
        {"reasoning_effort": "none"},
        {"reasoning": {"effort": "none"}},
        {"reasoning": {"enabled": False}},
        {"enable_thinking": False},
        {"chat_template_kwargs": {"enable_thinking": False}},
    ],
    ids=str,
)
def test_thinking_can_be_switched_off(thinker: ServedFunction, fields: dict[str, Any]) -> None:
    status, body = thinker.ask("/apply-template", {"messages": [USER], **fields})
    assert (status, body["prompt"].endswith("<|im_start|>assistant\n<think></think>")) == (200, True)
    assert parts(ask(thinker, **fields)) == (None, FORCED, 0)


def test_message_ends_a_thought_that_is_too_long(thinker: ServedFunction) -> None:
    body = ask(thinker, thinking_budget_tokens=2, reasoning_budget_message=" Stop.")
    assert parts(body) == ("one two Stop.", FORCED, 2 + len(" Stop."))


def test_streamed_reply_equals_the_whole_one(thinker: ServedFunction) -> None:
    with openai.OpenAI(base_url=f"{thinker.url}/v1", api_key="none", max_retries=0) as client:
        chunks = [
            *client.chat.completions.create(
                model="any",
                messages=[{"role": "user", "content": "Is it sunny?"}],
                temperature=0,
                stream=True,
                stream_options={"include_usage": True},
                extra_body={"thinking_budget_tokens": 3},
            )
        ]
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    assert "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas) == "one two three"
    assert "".join(delta.content or "" for delta in deltas) == FORCED
    usage = chunks[-1].usage
    assert usage
    assert usage.completion_tokens_details
    assert usage.completion_tokens_details.reasoning_tokens == 3


def test_logprobs_cover_the_forced_tokens(thinker: ServedFunction) -> None:
    body = ask(thinker, thinking_budget_tokens=2, logprobs=True)
    entries = body["choices"][0]["logprobs"]["content"]
    assert "".join(entry["token"] for entry in entries).startswith(f"<think> one two</think>{FORCED}")


def test_structured_answer_begins_after_the_closed_thought(thinker: ServedFunction) -> None:
    schema = {"type": "object", "properties": {"n": {"enum": [1, 2]}}, "required": ["n"], "additionalProperties": False}
    form = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    for budget, tokens in ((2, 2), (0, 0)):
        body = ask(thinker, thinking_budget_tokens=budget, response_format=form)
        thought, answer, counted = parts(body)
        assert (thought, counted) == (" ".join(THOUGHTS[:tokens]) or None, tokens)
        assert json.loads(answer or "")["n"] in (1, 2)


def test_answer_after_a_closed_thought_has_its_channel(tmp_path: Path, real_templates: dict[str, str]) -> None:
    thought = "<|channel|>analysis<|message|> one two three four <|end|>"
    replies = {"t": f"{thought}<|start|>assistant<|channel|>final<|message|>{NATURAL}", ">": FORCED}
    template = real_templates["openai-gpt-oss-120b"]
    model = write_scripted_model(tmp_path / "model.gguf", replies, template=template)
    schema = {"type": "object", "properties": {"n": {"enum": [1, 2]}}, "required": ["n"], "additionalProperties": False}
    form = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    with serving(tmp_path, MODEL_URI=str(model)) as function:
        function.wait("ready")
        assert parts(ask(function))[:2] == ("one two three four", NATURAL)
        assert parts(ask(function, thinking_budget_tokens=2)) == ("one two", FORCED, 2)
        # Under a schema the grammar writes the marks, and the model's thought is what it writes after one.
        whole, answer, counted = parts(ask(function, thinking_budget_tokens=2, response_format=form))
        assert (whole, counted) == (FORCED, 2)
        assert json.loads(answer or "")["n"] in (1, 2)


def test_operators_budget_holds_unless_the_request_sets_one(limited: ServedFunction) -> None:
    assert parts(ask(limited))[0] == "one two Enough."
    assert parts(ask(limited, thinking_budget_tokens=3))[0] == "one two three Enough."
    assert parts(ask(limited, thinking_budget_tokens=-1))[:2] == (" ".join(THOUGHTS), NATURAL)
    status, text = limited.ask("/chat", {"messages": [USER], "temperature": 0})
    assert (status, text) == (200, CALLS[">"])


def test_operators_variables_hold_unless_the_request_sets_them(limited: ServedFunction) -> None:
    for fields, start in (
        ({}, "red <|im_start|>"),
        ({"chat_template_kwargs": {"colour": "blue "}}, "blue <|im_start|>"),
    ):
        status, body = limited.ask("/apply-template", {"messages": [USER], **fields})
        assert (status, body["prompt"].startswith(start)) == (200, True)


def test_tool_is_called_after_a_closed_thought(limited: ServedFunction) -> None:
    for choice in ("auto", "required"):
        body = ask(limited, tools=[TOOL], tool_choice=choice, parallel_tool_calls=False, max_tokens=300)
        reply = body["choices"][0]
        assert reply["finish_reason"] == "tool_calls"
        assert reply["message"]["reasoning_content"] == "one two Enough."
        (call,) = reply["message"]["tool_calls"]
        assert call["function"]["name"] == "look"
        assert json.loads(call["function"]["arguments"])["at"] in ("sky", "sea")


def test_negative_budgets_other_than_none_are_rejected(thinker: ServedFunction) -> None:
    status, body = thinker.ask(PATH, {"messages": [USER], "thinking_budget_tokens": -2})
    assert (status, body["error"]["param"]) == (400, "thinking_budget_tokens")


@pytest.fixture(scope="module")
def dialects(real_dialects: dict[str, Dialect]) -> dict[str, Dialect]:
    """Return the dialects of real templates that have thoughts."""
    return {name: dialect for name, dialect in real_dialects.items() if dialect.has_thoughts}


def begun(dialect: Dialect) -> tuple[ReplyReader, str, str, str]:
    """Return a reader, the text before a thought, the mark after it, and the text before the answer."""
    if channels := dialect.channels:
        return reader_of(dialect), channels.thought_header, channels.thought_end, channels.content_header
    assert dialect.thought
    opened = not dialect.thought.begin
    return reader_of(dialect, opened=opened), dialect.thought.begin, dialect.thought.end, dialect.thought.gap


def test_tokens_of_thoughts_are_counted_exactly_in_every_dialect(dialects: dict[str, Dialect]) -> None:
    thought, answer = "Let me see.\nIt may rain", "It is sunny."
    for name, dialect in dialects.items():
        for width in (1, 2, 3, 50):
            reader, begin, end, gap = begun(dialect)
            watch = ReplyWatch(reader)
            for text in (begin, thought, end, gap, answer):
                for at in range(0, len(text), width):
                    watch.on_token(text[at : at + width])
            expected = len(range(0, len(thought), width))
            assert watch.count_thought_tokens(cut=False) == expected, (name, width)


def test_thoughts_are_closed_at_their_budget_in_every_dialect(dialects: dict[str, Dialect]) -> None:
    for name, dialect in dialects.items():
        reader, begin, end, gap = begun(dialect)
        watch = ReplyWatch(reader, limit=ThoughtLimit(5, {end: ((1,), (2,))}))
        closed_at = None
        for number, letter in enumerate(begin + "thought without an end"):
            watch.on_token(letter)
            if watch.closing_tokens():
                closed_at = number
                watch.on_closing()
                break
        assert closed_at == len(begin) + 4, name
        for letter in f"{end}{gap}Answer":
            watch.on_token(letter)
            assert watch.closing_tokens() == (), name
        assert watch.count_thought_tokens(cut=False) == 5, name
