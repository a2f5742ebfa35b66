"""Failures: shown in place, the wait ends, and a retry works."""

import pytest
from playwright.sync_api import expect

from tests.page.conftest import Visit, Visitor
from tests.servers.page_server import (
    Cut,
    Gate,
    PageServer,
    Raw,
    RejectedReply,
    Reply,
    comment,
    failure,
    first,
    text,
    whole,
)

BUSY_REPLY = RejectedReply(429, "The model is taken and 4 requests wait.", "busy", {"Retry-After": "60"})
LOST = RejectedReply(503, "There is no gs://models/boat.gguf.", "model_not_found")
LONG = RejectedReply(400, "The prompt has 9000 tokens.", "context_length_exceeded")
PROXY = RejectedReply(502, body="<html><h1>Bad gateway</h1></html>")

FAILURES: dict[str, tuple[Reply, str, str]] = {
    "busy": (BUSY_REPLY, "The model is busy", "4 requests wait"),
    "lost": (LOST, "The model is not available", "There is no gs://models/boat.gguf."),
    "proxy": (PROXY, "The message was rejected", "502"),
    "foreign": (RejectedReply(200, body="<html>Sign in</html>"), "The reply failed", "Another server answered"),
    "failed-cold": (
        [comment("fetching 12%"), failure("The store does not answer.", "source_unavailable")],
        "The reply failed",
        "The store does not answer.",
    ),
    "failed-midway": ([first(), *text("Half a"), failure("The engine failed.")], "The reply failed", "engine_error"),
    "no-json": ([Raw(b"data: {oops\n\n")], "The reply failed", "not a reply"),
    "ended": ([first(), *text("Half a")], "The connection dropped", "ended before it was complete"),
    "cut-cold": ([comment("fetching 12%"), Cut()], "The connection dropped", "ended before it was complete"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_failure_is_shown_in_place_and_retried(visitor: Visitor, server: PageServer, name: str) -> None:
    visitor.failures_expected = True
    reply, title, message = FAILURES[name]
    server.will(reply, whole("All is well."))
    visitor.ask("How are you?")
    problem = visitor.replies.first.locator(".problem")
    expect(problem).to_contain_text(title)
    expect(problem).to_contain_text(message)
    expect(visitor.page.locator(".wait")).to_have_count(0)
    expect(visitor.page.locator("#announcer")).to_contain_text("Try again")
    visitor.shot(f"failure-{name}")
    problem.get_by_role("button", name="Try again").click()
    visitor.rest()
    expect(visitor.problem).to_have_count(0)
    expect(visitor.replies).to_have_count(1)
    expect(visitor.replies.locator(".markdown")).to_have_text("All is well.")
    assert server.asked[0].messages == server.asked[1].messages == [("user", "How are you?")]


def test_dropped_connection_keeps_text(visitor: Visitor, server: PageServer) -> None:
    visitor.failures_expected = True
    gate = Gate()
    server.will([first(), *text("Half a sentence that"), gate, Cut()], whole("A whole one."))
    visitor.say("Go")
    reply = visitor.replies.first
    expect(reply.locator(".markdown")).to_have_text("Half a sentence that")
    gate.open()
    visitor.rest()
    expect(reply.locator(".markdown")).to_have_text("Half a sentence that")
    expect(reply.locator(".problem")).to_contain_text("The connection dropped")
    visitor.shot("dropped")
    visitor.page.get_by_role("button", name="Try again").click()
    visitor.rest()
    expect(visitor.replies.locator(".markdown")).to_have_text("A whole one.")
    visitor.page.get_by_role("button", name="Earlier version").click()
    expect(visitor.replies.locator(".markdown")).to_have_text("Half a sentence that")


def test_busy_function_shows_countdown(visitor: Visitor, server: PageServer) -> None:
    visitor.failures_expected = True
    server.will(BUSY_REPLY)
    visitor.page.clock.install()
    visitor.ask("Hello?")
    expect(visitor.page.locator(".countdown")).to_contain_text("likely free in")
    visitor.page.clock.run_for(61_000)
    expect(visitor.page.locator(".countdown")).to_be_empty()


def test_silent_connection_times_out(visitor: Visitor, server: PageServer) -> None:
    gate = Gate(comments=False)
    server.will([first(), *text("And then"), gate])
    visitor.page.clock.install()
    visitor.say("Go on")
    assert gate.reached.wait(30)
    expect(visitor.page.locator(".streaming")).to_have_count(1)
    visitor.page.clock.run_for(61_000)
    visitor.rest()
    expect(visitor.problem).to_contain_text("The connection went silent")
    gate.open()


def test_unreachable_function_is_reported(visitor: Visitor, server: PageServer) -> None:
    visitor.failures_expected = True
    server.will(whole("Back."))
    visitor.page.context.set_offline(True)
    visitor.ask("Anybody?")
    expect(visitor.problem).to_contain_text("No connection")
    visitor.page.context.set_offline(False)
    visitor.page.get_by_role("button", name="Try again").click()
    visitor.rest()
    expect(visitor.replies.locator(".markdown")).to_have_text("Back.")


def test_question_without_reply_joins_next_one(visitor: Visitor, server: PageServer) -> None:
    visitor.failures_expected = True
    server.will(LOST, whole("Both."))
    visitor.ask("One?")
    visitor.ask("Two?")
    assert server.asked[1].messages == [("user", "One?\n\nTwo?")]


def test_a_message_too_long_does_not_end_the_conversation(visitor: Visitor, server: PageServer) -> None:
    visitor.failures_expected = True
    server.will(whole("Hello."), LONG, whole("Still here."))
    visitor.ask("Hi")
    visitor.ask("word " * 1500)
    expect(visitor.problem).to_contain_text("longer than the model can read at once")
    expect(visitor.problem).to_contain_text("9000 tokens")  # for the operator
    expect(visitor.problem.get_by_role("button", name="Try again")).to_have_count(0)
    expect(visitor.page.locator("#announcer")).not_to_contain_text("Try again")
    visitor.shot("too-long")
    visitor.ask("Hello?")
    assert server.asked[2].messages == [("user", "Hi"), ("assistant", "Hello."), ("user", "Hello?")]
    expect(visitor.replies.nth(2).locator(".markdown")).to_have_text("Still here.")


def test_a_conversation_too_long_can_go_on_without_its_older_half(visitor: Visitor, server: PageServer) -> None:
    visitor.failures_expected = True
    server.will(whole("One."), whole("Two."), LONG, whole("Three."))
    for question in ("First", "Second", "Third"):
        visitor.ask(question)
    visitor.page.get_by_role("button", name="Leave out older messages").click()
    visitor.rest()
    assert server.asked[3].messages == [("user", "Second"), ("assistant", "Two."), ("user", "Third")]
    expect(visitor.page.locator(".left-out")).to_have_count(2)
    expect(visitor.replies.nth(2).locator(".markdown")).to_have_text("Three.")


def test_a_permanent_failure_offers_no_second_attempt(visitor: Visitor, server: PageServer) -> None:
    visitor.failures_expected = True
    server.will(RejectedReply(503, "/models/boat.gguf: no such file.", "model_not_found", {"x-should-retry": "false"}))
    visitor.ask("Hello?")
    expect(visitor.problem).to_contain_text("Its operator has to repair something first")
    expect(visitor.problem.get_by_role("button", name="Try again")).to_have_count(0)


def test_a_rejected_setting_is_named_and_can_be_tried_again(visitor: Visitor, server: PageServer) -> None:
    visitor.failures_expected = True
    refusal = RejectedReply(400, "'top_k' is too large.", "invalid_request", {"x-should-retry": "false"}, param="top_k")
    server.will(refusal, whole("Fine."))
    visitor.ask("Hello?")
    expect(visitor.problem).to_contain_text("“Top k”")
    visitor.problem.get_by_role("button", name="Try again").click()
    visitor.rest()
    expect(visitor.replies.locator(".markdown")).to_have_text("Fine.")


def test_a_visitor_does_not_see_the_operators_message(visit: Visit, server: PageServer) -> None:
    visitor = visit(server.url.replace("127.0.0.1", "chat.example"))
    visitor.failures_expected = True
    server.will(LOST)
    visitor.ask("Hello?")
    expect(visitor.problem).to_contain_text("not available right now")
    expect(visitor.problem).not_to_contain_text("gs://")
    expect(visitor.problem.get_by_text("Details")).to_have_count(0)


def test_text_and_code_of_a_failure_are_copied_as_two_words(visitor: Visitor, server: PageServer) -> None:
    server.will([first(), failure("The engine restarted.")])
    visitor.ask("Hello?")
    visitor.problem.get_by_text("Details").click()
    expect(visitor.problem).to_contain_text("restarted. engine_error")


def test_a_long_wait_is_counted_in_minutes(visitor: Visitor, server: PageServer) -> None:
    visitor.failures_expected = True
    server.will(RejectedReply(429, "The queue is full.", "busy", {"Retry-After": "355"}))
    visitor.ask("Hello?")
    expect(visitor.page.locator(".countdown")).to_have_text("likely free in about 6 min")


@pytest.mark.parametrize("remembered", [False, True])
def test_key_is_requested_where_needed(visit: Visit, remembered: bool) -> None:
    with PageServer(key="open sesame") as server:
        visitor = visit(server.url)
        visitor.failures_expected = True
        page = visitor.page
        server.will(whole("Come in."), whole("Still here."))
        visitor.ask("Knock knock")
        expect(visitor.problem).to_contain_text("asks for a key")
        field = visitor.problem.get_by_label("Key", exact=True)
        expect(field).to_be_focused()
        visitor.shot("key")
        field.fill("open barley")
        field.press("Enter")
        field = page.get_by_label("The key is wrong")
        field.fill("open sesame")
        if remembered:
            visitor.problem.get_by_label("Remember it on this device").check()
        field.press("Enter")
        visitor.rest()
        expect(visitor.replies.locator(".markdown")).to_have_text("Come in.")
        sent = [asked.authorization for asked in server.asked]
        assert sent == [None, "Bearer open barley", "Bearer open sesame"]
        page.reload()
        visitor.ready()
        visitor.ask("And now?")
        expect(visitor.replies.nth(1).locator(".markdown")).to_have_text("Still here.")
        keys = "[sessionStorage, localStorage].map((s) => Object.keys(s).some((name) => name.endsWith(':key')))"
        assert page.evaluate(keys) == [not remembered, remembered]
