"""Formats that no list contains: invented templates, whose calls and thoughts are learned all the same."""

from collections.abc import Iterator
from typing import Any

import pytest

from function.dialect.learner import learn
from function.dialect.syntax import PLAIN, Dialect
from function.engine.template.template import JinjaTemplate
from tests.dialect_cases import CALLS, Call, accepts, cuts, found, read, reader_of, write

ARGUMENTS = "{{ f.arguments | tojson }}"
VALUE = "{{ v if v is string else v | tojson }}"


def template(
    call: str, *, before: str = "", after: str = "", between: str = "", thought: str = "<think>{}</think>\n"
) -> str:
    """Return a template that writes calls and thoughts in a way of its own."""
    shown = thought.format("{{ m.reasoning_content }}")
    separator = f"{{% if not loop.last %}}{between}{{% endif %}}" if between else ""
    return (
        "{% if tools %}<|system|>{{ tools | tojson }}<|end|>\n{% endif %}{% for m in messages %}"
        "{% if m.role == 'assistant' %}<|assistant|>\n"
        "{% if m.reasoning_content %}" + shown + "{% endif %}{{ m.content or '' }}"
        "{% if m.tool_calls %}" + before + "{% for c in m.tool_calls %}{% set f = c.function %}"
        + call + separator + "{% endfor %}" + after + "{% endif %}<|end|>\n"
        "{% else %}<|{{ m.role }}|>\n{{ m.content }}<|end|>\n{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
    )  # fmt: skip


def loop(item: str, between: str = "") -> str:
    """Return a loop over arguments."""
    separator = f"{{% if not loop.last %}}{between}{{% endif %}}" if between else ""
    return "{% for k, v in f.arguments.items() %}" + item + separator + "{% endfor %}"


FORMATS = {
    "words": template("@@call {{ f.name }} " + ARGUMENTS + " @@end\n"),
    "attributes": template(
        '<action tool="{{ f.name }}">' + loop('<arg k="{{ k }}">' + VALUE + "</arg>") + "</action>",
        before="<actions>",
        after="</actions>",
    ),
    "literals": template("CALL {{ f.name }}(" + loop("{{ k }}: {{ v | tojson }}", ", ") + ")\n"),
    "lines": template(":::tool {{ f.name }}\n" + loop("{{ k }}: " + VALUE + "\n") + ":::\n"),
    "other keys": template('<fn>{"tool": "{{ f.name }}", "input": ' + ARGUMENTS + "}</fn>"),
    "a list": template(
        '{"function": "{{ f.name }}", "args": ' + ARGUMENTS + "}",
        before="<<CALLS>>[",
        after="]<</CALLS>>",
        between=", ",
        thought="<<reason>>{}<</reason>>",
    ),
    "bars": template("[[tool:{{ f.name }}" + loop("|{{ k }}=" + VALUE) + "]]"),
    "numbers": template(
        "<call n={{ loop.index }} name={{ f.name }}>" + ARGUMENTS + "</call>\n", thought="# Thoughts\n{}\n# Answer\n"
    ),
    "two tags": template("<tool>{{ f.name }}</tool><args>" + ARGUMENTS + "</args>"),
    "arguments first": template("<args>" + ARGUMENTS + "</args><tool>{{ f.name }}</tool>"),
    "brackets": template("⟦{{ f.name }}⟧" + ARGUMENTS + "⟦/⟧", thought="⟨{}⟩"),
    "names as tags": template(
        "<{{ f.name }}>" + loop("<{{ k }}>" + VALUE + "</{{ k }}>") + "</{{ f.name }}>", before="<use>", after="</use>"
    ),
    "arguments as text": template(
        '<fn>{"id": "{{ c.id }}", "name": "{{ f.name }}", "arguments": {{ f.arguments | tojson | tojson }}}</fn>'
    ),
    "control tokens": template(
        "<|call|>{{ f.name }}<|with|>" + ARGUMENTS + "<|done|>", thought="<|reason|>{}<|/reason|>"
    ),
    "a code block": template(
        "{{ f.name }}(" + loop("{{ k }}={{ v | tojson }}", ", ") + ")",
        before="```python\n",
        after="\n```",
        between="\n",
    ),
}


@pytest.fixture(params=list(FORMATS.values()), ids=list(FORMATS))
def learned(request: pytest.FixtureRequest) -> Iterator[tuple[JinjaTemplate, Dialect]]:
    made = JinjaTemplate(request.param, bos="<s>", eos="</s>")
    yield made, learn(made.render, request.param)


def message(calls: list[Call]) -> dict[str, Any]:
    """Return a reply that calls, as a history holds it."""
    functions = [{"name": name, "arguments": arguments} for name, arguments in calls]
    sent = [{"id": f"x{number:08d}", "type": "function", "function": each} for number, each in enumerate(functions)]
    return {"role": "assistant", "content": "", "tool_calls": sent}


def replies() -> list[list[Call]]:
    return [*([call] for call in CALLS), list(CALLS)]


def test_invented_calls_are_read_as_the_template_writes_them(learned: tuple[JinjaTemplate, Dialect]) -> None:
    made, dialect = learned
    assert dialect.native
    assert dialect.calls.parallel
    for calls in replies():
        prompt = made.render([{"role": "user", "content": "Q"}, message(calls)], add_generation_prompt=False)
        text = prompt.rpartition("<|assistant|>\n")[2].rpartition("<|end|>")[0]
        for pieces in cuts(text):
            assert found(reader_of(dialect), pieces) == calls


def test_invented_calls_are_written_and_accepted_by_the_grammar(learned: tuple[JinjaTemplate, Dialect]) -> None:
    _, dialect = learned
    for calls in replies():
        text = write(dialect, calls)
        assert found(reader_of(dialect), text) == calls
        for required in (True, False):
            assert accepts(dialect, text, required=required, parallel=len(calls) > 1) == "", text


def test_invented_thoughts_are_read(learned: tuple[JinjaTemplate, Dialect]) -> None:
    made, dialect = learned
    thought = {"role": "assistant", "content": "It is sunny.", "reasoning_content": "Let me see."}
    prompt = made.render([{"role": "user", "content": "Q"}, thought], add_generation_prompt=False)
    text = prompt.rpartition("<|assistant|>\n")[2].rpartition("<|end|>")[0]
    for pieces in cuts(text):
        assert read(reader_of(dialect), pieces) == ("It is sunny.", "Let me see.", [])


def test_text_before_a_call_is_content(learned: tuple[JinjaTemplate, Dialect]) -> None:
    _, dialect = learned
    for pieces in cuts("Let me look.\n" + write(dialect, [CALLS[0]])):
        content, thoughts, calls = read(reader_of(dialect), pieces)
        assert (content, thoughts, len(calls)) == ("Let me look.", "", 1)


def test_a_template_that_fails_on_everything_has_the_plain_dialect() -> None:
    def render(*_: Any, **__: Any) -> str:
        raise ValueError("no")

    dialect = learn(render)
    assert not dialect.native
    assert dialect.calls == PLAIN.calls
    assert dialect.thought is None
