"""Server-sent events as bytes."""

from function.web.reply import sse


def test_event_is_one_line_of_json_in_utf_8() -> None:
    assert sse.data({"a": "ä\n€"}) == 'data: {"a":"ä\\n€"}\n\n'.encode()


def test_named_event_begins_with_its_name() -> None:
    assert sse.event("error", {}) == b"event: error\ndata: {}\n\n"


def test_comment_stays_one_line() -> None:
    assert sse.comment("fetching 41%\n\ndata: no") == b": fetching 41% data: no\n\n"
