"""Histories that clients send, as templates with rules of their own take them."""

from typing import Any

from function.dialect.syntax import HERMES, Dialect, HistoryRules
from function.web.request.messages import Message
from function.web.request.template_messages import conversation, text_only
from function.web.request.tools import Tool

NATIVE = Dialect(HERMES, native=True)
SYSTEM = {"role": "system", "content": "S"}
USER = {"role": "user", "content": "U"}
ANSWER = {"role": "assistant", "content": "A"}
CALL = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
CALLING = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "R"}
TOOL = Tool.model_validate({"type": "function", "function": {"name": "add"}})


def ruled(**rules: Any) -> Dialect:
    return Dialect(HERMES, native=True, history=HistoryRules(**rules))


def plain(dialect: Dialect, *messages: dict[str, Any], **more: Any) -> list[tuple[str, Any]]:
    """Return roles and contents."""
    sent = [Message.model_validate(message) for message in messages]
    return [(message["role"], message["content"]) for message in conversation(sent, dialect, **more)]


def test_messages_without_rules_stay_as_they_are() -> None:
    sent = [SYSTEM, USER, SYSTEM, USER, ANSWER, ANSWER]
    assert plain(NATIVE, *sent) == [(message["role"], message["content"]) for message in sent]


def test_null_content_is_empty() -> None:
    for message in (ANSWER, RESULT):
        assert Message.model_validate({**message, "content": None}).text() == ""
    assert Message.model_validate({"role": "assistant"}).text() == ""
    assert Message.model_validate({"role": "assistant", "content": None, "refusal": "No."}).text() == "No."


def test_text_parts_are_on_lines_of_their_own() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert plain(NATIVE, {"role": "user", "content": parts}) == [("user", "a\nb")]


def test_system_messages_are_joined_where_the_template_takes_one() -> None:
    later = {"role": "developer", "content": "D"}
    dialect = ruled(later_system=False)
    assert plain(dialect, SYSTEM, later, USER) == [("system", "S\n\nD"), ("user", "U")]
    assert plain(dialect, USER, ANSWER, later, USER) == [
        ("system", "D"),
        ("user", "U"),
        ("assistant", "A"),
        ("user", "U"),
    ]


def test_a_system_message_is_folded_where_the_template_takes_none() -> None:
    dialect = ruled(system=False, later_system=False)
    assert plain(dialect, SYSTEM, USER) == [("user", "S\n\nU")]
    assert plain(dialect, USER, system="P") == [("user", "P\n\nU")]
    assert plain(dialect, SYSTEM) == [("user", "S")]


def test_neighbours_are_joined_where_roles_must_alternate() -> None:
    dialect = ruled(alternates=True)
    assert plain(dialect, USER, USER, ANSWER, ANSWER, USER) == [
        ("user", "U\n\nU"),
        ("assistant", "A\n\nA"),
        ("user", "U"),
    ]
    assert plain(dialect, SYSTEM, ANSWER, USER) == [("system", "S"), ("user", ""), ("assistant", "A"), ("user", "U")]


def test_calls_take_the_form_that_the_template_takes() -> None:
    two = {**CALLING, "tool_calls": [CALL, {**CALL, "id": "call_2"}]}
    sent = [Message.model_validate(message) for message in (USER, two, RESULT)]
    _, reply, result = conversation(sent, NATIVE)
    assert [call["function"]["arguments"] for call in reply["tool_calls"]] == [{"a": 1}, {"a": 1}]
    assert (result["tool_call_id"], result["name"]) == ("call_1", "add")
    assert len(conversation(sent, ruled(single_calls=True))) == 4
    text = conversation(sent, ruled(text_arguments=True))[1]
    assert text["tool_calls"][0]["function"]["arguments"] == '{"a": 1}'
    short = conversation(sent, ruled(short_ids=True))
    assert len(short[1]["tool_calls"][0]["id"]) == 9
    assert short[2]["tool_call_id"] == short[1]["tool_calls"][0]["id"]


def test_the_result_of_an_unknown_call_is_text() -> None:
    text = "<tool_response>\nR\n</tool_response>"
    for result in (RESULT, {"role": "tool", "content": "R"}):
        assert plain(NATIVE, USER, result) == [("user", "U"), ("user", text)]
    assert plain(NATIVE, USER, RESULT, RESULT) == [("user", "U"), ("user", f"{text}\n{text}")]


def test_a_template_without_tools_gets_them_as_text() -> None:
    dialect = Dialect(HERMES)
    (system, text), user, call, result = plain(dialect, USER, CALLING, RESULT, tools=[TOOL])
    assert system == "system"
    assert '"name": "add"' in text
    assert user == ("user", "U")
    assert call == ("assistant", '<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>')
    assert result == ("user", "<tool_response>\nR\n</tool_response>")


def test_any_history_can_be_text_of_two_who_take_turns() -> None:
    sent = [Message.model_validate(message) for message in (SYSTEM, USER, CALLING, RESULT, USER, SYSTEM)]
    roles = [message["role"] for message in text_only(sent, NATIVE)]
    assert roles == ["user", "assistant", "user"]
