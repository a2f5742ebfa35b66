"""Thoughts and tool calls in a reply's text, however it is split."""

import json
from collections.abc import Iterable

import pytest

from function.dialect.reply_parts import (
    ArgumentsPiece,
    CallsOnlyReader,
    CallStart,
    ContentPiece,
    Part,
    ReplyReader,
    StopReader,
    ThoughtPiece,
)
from function.dialect.reply_reader import ReplyTextReader
from function.dialect.syntax import ARGUMENTS, NAME, PLAIN, CallSyntax, Dialect, JsonArguments, ThoughtSyntax

TOOLS: dict[str, dict[str, object]] = {"get_weather": {}, "add": {}}
HERMES = PLAIN
LLAMA = Dialect(
    CallSyntax(
        call=f'{{"name": "{NAME}", "parameters": {ARGUMENTS}}}',
        arguments=JsonArguments(),
        is_object=True,
        further_begins=("<|python_tag|>",),
    )
)
MISTRAL = Dialect(
    CallSyntax(
        call=f'{{"name": "{NAME}", "arguments": {ARGUMENTS}}}',
        arguments=JsonArguments(),
        section_begin="[TOOL_CALLS][",
        section_end="]",
        separator=", ",
        is_object=True,
        parallel=True,
    )
)
MISTRAL_ARGS = Dialect(
    CallSyntax(call=f"[TOOL_CALLS]{NAME}[ARGS]{ARGUMENTS}", arguments=JsonArguments(), parallel=True)
)
THINKING = Dialect(PLAIN.calls, thought=ThoughtSyntax("<think>", "</think>"))

CITY = '{"city": "Köln \\"{}\\""}'
WEATHER = f'{{"name": "get_weather", "arguments": {CITY}}}'
ADD = '{"name": "add", "arguments": {"a": [1, {"b": "}"}]}}'
ADDED = '{"a": [1, {"b": "}"}]}'


def joined(parts: Iterable[Part]) -> list[Part]:
    """Neighbours of a kind as one."""
    whole: list[Part] = []
    for part in parts:
        last = whole[-1] if whole else None
        if isinstance(part, ContentPiece) and isinstance(last, ContentPiece):
            whole[-1] = ContentPiece(last.text + part.text)
        elif isinstance(part, ArgumentsPiece) and isinstance(last, ArgumentsPiece):
            whole[-1] = ArgumentsPiece(last.text + part.text)
        elif isinstance(part, ThoughtPiece) and isinstance(last, ThoughtPiece):
            whole[-1] = ThoughtPiece(last.text + part.text)
        else:
            whole.append(part)
    return whole


def read(reader: ReplyReader, *texts: str) -> list[Part]:
    parts = [part for text in texts for part in reader.feed(text)]
    return joined([*parts, *reader.finish()])


CALLS: list[tuple[str, Dialect, str, list[Part]]] = [
    ("text", HERMES, "Just text.\n", [ContentPiece("Just text.\n")]),
    ("nothing", HERMES, "", []),
    ("one call", HERMES, f"<tool_call>\n{WEATHER}\n</tool_call>", [CallStart("get_weather"), ArgumentsPiece(CITY)]),
    (
        "text and two calls",
        HERMES,
        f"Let me see.\n<tool_call>\n{WEATHER}\n</tool_call>\n<tool_call>{ADD}</tool_call>\n",
        [
            ContentPiece("Let me see."),
            CallStart("get_weather"),
            ArgumentsPiece(CITY),
            CallStart("add"),
            ArgumentsPiece(ADDED),
        ],
    ),
    (
        "text after a call",
        HERMES,
        f"<tool_call>{ADD}</tool_call> Done.",
        [CallStart("add"), ArgumentsPiece(ADDED), ContentPiece(" Done.")],
    ),
    ("no end", HERMES, f"<tool_call>{ADD}", [CallStart("add"), ArgumentsPiece(ADDED)]),
    ("an unknown tool", HERMES, '<tool_call>{"name": "rm", "arguments": {}}</tool_call>', []),
    ("prose about the tag", HERMES, "Write <tool_call> and then JSON.", []),
    ("half a tag", HERMES, "a <tool_ca", [ContentPiece("a")]),
    ("the beginning of any tag", HERMES, "a <to", []),
    ("a whole tag", HERMES, "a\n<tool_call>\n", [ContentPiece("a")]),
    ("no JSON", HERMES, "<tool_call>\nget_weather(Paris)\n</tool_call>", []),
    ("another object", HERMES, '<tool_call>{"city": "Paris"}</tool_call>', []),
    ("cut before the arguments", HERMES, 'Hm. <tool_call>{"name": "add", "argu', [ContentPiece("Hm.")]),
    ("cut in the name", HERMES, 'Hm. <tool_call>\n{"name": "ad', [ContentPiece("Hm.")]),
    (
        "cut in the arguments",
        HERMES,
        '<tool_call>{"name": "add", "arguments": {"a": 1',
        [CallStart("add"), ArgumentsPiece('{"a": 1')],
    ),
    (
        "a tag in a string",
        HERMES,
        '<tool_call>{"name": "add", "arguments": {"a": "</tool_call>"}}</tool_call>',
        [CallStart("add"), ArgumentsPiece('{"a": "</tool_call>"}')],
    ),
    (
        "arguments first",
        HERMES,
        '<tool_call>{"arguments": {"a": 1}, "name": "add"}</tool_call>',
        [CallStart("add"), ArgumentsPiece('{"a": 1}')],
    ),
    (
        "arguments as text",
        HERMES,
        '<tool_call>{"name": "add", "arguments": "{\\"a\\": 1}"}</tool_call>',
        [CallStart("add"), ArgumentsPiece('{"a": 1}')],
    ),
    ("no arguments", HERMES, '<tool_call>{"name": "add"}</tool_call>', [CallStart("add"), ArgumentsPiece("{}")]),
    ("a list as arguments", HERMES, '<tool_call>{"name": "add", "arguments": [1]}</tool_call>', []),
    (
        "an object like OpenAI's",
        HERMES,
        f'<tool_call>{{"type": "function", "function": {ADD}}}</tool_call>',
        [CallStart("add"), ArgumentsPiece(ADDED)],
    ),
    (
        "a false one before a true one",
        HERMES,
        f"<tool_call><tool_call>{ADD}</tool_call>",
        [ContentPiece("<tool_call>"), CallStart("add"), ArgumentsPiece(ADDED)],
    ),
    ("llama", LLAMA, '{"name": "add", "parameters": {"a": 1}}', [CallStart("add"), ArgumentsPiece('{"a": 1}')]),
    (
        "llama with space",
        LLAMA,
        ' \n{"name": "add", "parameters": {"a": 1}}\n',
        [CallStart("add"), ArgumentsPiece('{"a": 1}')],
    ),
    (
        "llama with a type",
        LLAMA,
        '{"type": "function", "name": "add", "parameters": {"a": 1}}',
        [CallStart("add"), ArgumentsPiece('{"a": 1}')],
    ),
    (
        "llama with a tag",
        LLAMA,
        'I see. <|python_tag|>{"name": "add", "parameters": {}}',
        [ContentPiece("I see."), CallStart("add"), ArgumentsPiece("{}")],
    ),
    (
        "llama twice",
        LLAMA,
        '{"name": "add", "parameters": {}}; {"name": "add", "parameters": {"b": 2}}',
        [CallStart("add"), ArgumentsPiece("{}"), CallStart("add"), ArgumentsPiece('{"b": 2}')],
    ),
    ("llama's code", LLAMA, "<|python_tag|>print(1)", []),
    ("an answer in JSON", LLAMA, '{"answer": 42}', []),
    ("an answer in JSON that has a name", LLAMA, '{"name": "Ann", "age": 7}', []),
    ("an answer that is not JSON", LLAMA, "{x} is a set", []),
    ("a call in the middle of text", LLAMA, 'Like so: {"name": "add", "parameters": {}}', []),
    (
        "mistral",
        MISTRAL,
        f"[TOOL_CALLS][{WEATHER}, {ADD}]",
        [CallStart("get_weather"), ArgumentsPiece(CITY), CallStart("add"), ArgumentsPiece(ADDED)],
    ),
    (
        "mistral with an id",
        MISTRAL,
        '[TOOL_CALLS] [{"name": "add", "arguments": {"a": 1}, "id": "abc}def12"}]',
        [CallStart("add"), ArgumentsPiece('{"a": 1}')],
    ),
    ("mistral without a list", MISTRAL, f"[TOOL_CALLS]{ADD}", [CallStart("add"), ArgumentsPiece(ADDED)]),
    ("mistral's prose", MISTRAL, "[TOOL_CALLS] is a token.", []),
    ("a list", MISTRAL, "[1, 2]", []),
    (
        "mistral's newer style",
        MISTRAL_ARGS,
        f"Hm.[TOOL_CALLS]add[ARGS]{ADDED}[TOOL_CALLS]add[CALL_ID]a1b2c3d4e[ARGS]{{}}",
        [ContentPiece("Hm."), CallStart("add"), ArgumentsPiece(ADDED), CallStart("add"), ArgumentsPiece("{}")],
    ),
    ("an unknown tool in the newer style", MISTRAL_ARGS, "[TOOL_CALLS]rm[ARGS]{}", []),
    ("prose in the newer style", MISTRAL_ARGS, "[TOOL_CALLS] is a token.", []),
]


@pytest.mark.parametrize(("dialect", "text", "parts"), [case[1:] for case in CALLS], ids=[case[0] for case in CALLS])
def test_calls_are_found_however_the_text_is_split(dialect: Dialect, text: str, parts: list[Part]) -> None:
    parts = parts or ([ContentPiece(text)] if text else [])
    assert read(ReplyTextReader(dialect, TOOLS), text) == parts
    assert read(ReplyTextReader(dialect, TOOLS), *text) == parts
    for at in range(len(text)):
        assert read(ReplyTextReader(dialect, TOOLS), text[:at], text[at:]) == parts, (text[:at], text[at:])
    for width in (2, 3, 5, 7):
        assert (
            read(ReplyTextReader(dialect, TOOLS), *(text[i : i + width] for i in range(0, len(text), width))) == parts
        )


def test_arguments_are_told_as_they_come() -> None:
    reader = ReplyTextReader(HERMES, TOOLS)
    assert list(reader.feed('<tool_call>\n{"name": "add", "arguments": ')) == []
    assert list(reader.feed('{"a"')) == [CallStart("add"), ArgumentsPiece('{"a"')]
    assert list(reader.feed(": 1")) == [ArgumentsPiece(": 1")]
    assert list(reader.feed("}}\n</tool_call>")) == [ArgumentsPiece("}")]


def test_text_is_not_held_back_longer_than_it_may_begin_a_call() -> None:
    reader = ReplyTextReader(HERMES, TOOLS)
    assert list(reader.feed("Hello")) == [ContentPiece("Hello")]
    assert list(reader.feed(" <tool")) == []
    assert list(reader.feed("s> x")) == [ContentPiece(" <tools> x")]


THOUGHTS: list[tuple[str, bool, str, list[Part]]] = [
    ("none", False, "Hi <think>not</think>", []),
    ("one", False, "<think>\nHm.\n\nSo.\n</think>\n\nHi", [ThoughtPiece("Hm.\n\nSo."), ContentPiece("Hi")]),
    ("with space before", False, "\n<think>Hm.</think>Hi", [ThoughtPiece("Hm."), ContentPiece("Hi")]),
    ("opened", True, "Hm.\n</think>\n\nHi </think>", [ThoughtPiece("Hm."), ContentPiece("Hi </think>")]),
    ("opened and never closed", True, "Hm. </thin", [ThoughtPiece("Hm. </thin")]),
    ("empty", False, "<think>\n\n</think>\n\nHi", [ContentPiece("Hi")]),
    ("nothing after it", False, "<think>Hm.</think>\n", [ThoughtPiece("Hm.")]),
    ("half a tag", False, "<thin", []),
    ("only space", False, " \n", []),
]


@pytest.mark.parametrize(
    ("opened", "text", "parts"), [case[1:] for case in THOUGHTS], ids=[case[0] for case in THOUGHTS]
)
def test_thoughts_are_told_from_content(opened: bool, text: str, parts: list[Part]) -> None:
    parts = parts or ([ContentPiece(text)] if text else [])

    def reader() -> ReplyTextReader:
        return ReplyTextReader(THINKING, {}, opened=opened)

    assert read(reader(), text) == parts
    assert read(reader(), *text) == parts
    for at in range(len(text)):
        assert read(reader(), text[:at], text[at:]) == parts


def test_a_call_inside_a_thought_is_a_thought() -> None:
    call = f"<tool_call>{ADD}</tool_call>"
    text = f"<think>maybe {call}</think>\n{call}"
    expected = [ThoughtPiece(f"maybe {call}"), CallStart("add"), ArgumentsPiece(ADDED)]
    for texts in ((text,), tuple(text)):
        reader = ReplyTextReader(THINKING, TOOLS)
        assert read(reader, *texts) == expected
    assert json.loads(ADDED)


def test_stop_strings_end_the_answer_only() -> None:
    text = f"<think>one STOP two</think>\nAnswer <tool_call>{ADD}</tool_call> more STOP never"
    expected = [
        ThoughtPiece("one STOP two"),
        ContentPiece("Answer"),
        CallStart("add"),
        ArgumentsPiece(ADDED),
        ContentPiece(" more "),
    ]
    for texts in ((text,), tuple(text)):
        reader = StopReader(ReplyTextReader(THINKING, TOOLS), ("STOP", "[1"))
        assert read(reader, *texts) == expected
        assert reader.stopped


def test_the_beginning_of_a_stop_string_is_held_back_until_it_is_none() -> None:
    reader = StopReader(ReplyTextReader(THINKING, {}), ("STOP",))
    assert list(reader.feed("a ST")) == [ContentPiece("a ")]
    assert list(reader.feed("AR")) == [ContentPiece("STAR")]
    assert list(reader.feed("ST")) == []
    assert list(reader.finish()) == [ContentPiece("ST")]
    assert not reader.stopped


def test_a_call_in_a_thought_that_is_never_closed_is_a_call() -> None:
    call = f"<tool_call>{ADD}</tool_call>"
    for texts in ((f"Hm.\n{call}",), tuple(f"Hm.\n{call}")):
        reader = ReplyTextReader(THINKING, TOOLS, opened=True)
        assert read(reader, *texts) == [ThoughtPiece("Hm."), CallStart("add"), ArgumentsPiece(ADDED)]


def test_arguments_that_the_model_left_open_are_completed() -> None:
    text = '<tool_call>{"name": "add", "arguments": {"a": [1, "x'
    for cut, arguments in ((True, '{"a": [1, "x'), (False, '{"a": [1, "x"]}')):
        reader = ReplyTextReader(HERMES, TOOLS)
        assert joined([*reader.feed(text), *reader.finish(cut=cut)]) == [CallStart("add"), ArgumentsPiece(arguments)]


@pytest.mark.parametrize("text", ["Hm. <tool_ca", "Hm. <tool_call>", 'Hm. <tool_call>{"name": "add", "argu'])
def test_beginning_of_a_call_stays_where_the_model_ended_there(text: str) -> None:
    for texts in ((text,), tuple(text)):
        reader = ReplyTextReader(HERMES, TOOLS)
        parts = [part for piece in texts for part in reader.feed(piece)]
        assert joined([*parts, *reader.finish(cut=False)]) == [ContentPiece(text)]


def test_reply_that_must_call_has_no_content() -> None:
    reader = CallsOnlyReader(ReplyTextReader(HERMES, TOOLS))
    parts = [*reader.feed("\n<"), *reader.finish()]
    assert parts == []
    reader = CallsOnlyReader(ReplyTextReader(THINKING, TOOLS))
    text = f"<think>Hm.</think>\n<tool_call>{ADD}</tool_call>\n<tool_call>"
    assert joined([*reader.feed(text), *reader.finish()]) == [
        ThoughtPiece("Hm."),
        CallStart("add"),
        ArgumentsPiece(ADDED),
    ]


def test_prefixed_fenced_and_several_calls_in_one_tag_are_found() -> None:
    for text in (
        '<tool_call>{"name": "functions.add", "arguments": {"a": 1}}</tool_call>',
        '<tool_call>\n```json\n{"name": "add", "arguments": {"a": 1}}\n```\n</tool_call>',
        "<tool_call>{'name': 'add', 'arguments': {'a': 1}}</tool_call>",
        '<tool_call>[{"name": "add", "arguments": {"a": 1}}]</tool_call>',
        '<tool_call>{"name": "add", "arguments": {"a": 1}}}</tool_call>',
    ):
        (start, arguments) = read(ReplyTextReader(HERMES, TOOLS), text)
        assert (start, isinstance(arguments, ArgumentsPiece)) == (CallStart("add"), True)
        assert json.loads(arguments.text) == {"a": 1}  # type: ignore[union-attr]  # checked above
    null = '<tool_call>{"name": "add", "arguments": null}</tool_call>'
    assert read(ReplyTextReader(HERMES, TOOLS), null) == [CallStart("add"), ArgumentsPiece("{}")]
    several = f"<tool_call>{ADD}\n{WEATHER}</tool_call>"
    found = read(ReplyTextReader(HERMES, TOOLS), several)
    assert [part.name for part in found if isinstance(part, CallStart)] == ["add", "get_weather"]
