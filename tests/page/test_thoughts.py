"""Thoughts and tool calls of a reply."""

from playwright.sync_api import expect

from tests.page.conftest import Visitor
from tests.servers.page_server import Gate, PageServer, comment, ending, first, text, thoughts, tool_call, whole


def test_thoughts_are_shown_while_they_arrive_and_folded(visitor: Visitor, server: PageServer) -> None:
    gates = [Gate(), Gate()]
    reply = [
        first(),
        *thoughts("Six times seven."),
        gates[0],
        *text("The answer"),
        gates[1],
        *text(" is 42."),
        *ending(),
    ]
    server.will([comment("prefill 5/9"), *reply])
    visitor.say("What is 6 × 7?")
    folded = visitor.replies.locator("details.thoughts")
    expect(folded.locator("summary")).to_have_text("Thinking…")
    expect(visitor.page.locator(".wait")).to_have_count(0)
    expect(folded.locator(".thoughts-text")).to_be_hidden()
    folded.locator("summary").click()
    expect(folded.locator(".thoughts-text")).to_have_text("Six times seven.")
    gates[0].open()
    expect(folded.locator("summary")).to_have_text("Thought for a moment")
    expect(visitor.replies.locator(".markdown")).to_have_text("The answer")
    visitor.shot("thoughts")
    gates[1].open()
    visitor.rest()
    expect(visitor.replies.locator(".markdown")).to_have_text("The answer is 42.")
    expect(folded.locator(".thoughts-text")).to_be_visible()


def test_the_time_of_thoughts_is_shown_and_kept(visitor: Visitor, server: PageServer) -> None:
    gate = Gate()
    server.will([first(), *thoughts("Hm."), gate, *text("Yes."), *ending()], whole("No."))
    visitor.page.clock.install()
    visitor.say("Well?")
    expect(visitor.page.locator("details.thoughts summary")).to_have_text("Thinking…")
    visitor.page.clock.run_for(12_000)
    gate.open()
    visitor.rest()
    visitor.page.reload()
    visitor.ready()
    expect(visitor.page.locator("details.thoughts summary")).to_have_text("Thought for 12 s")
    visitor.ask("Sure?")
    assert server.asked[1].messages[1] == ("assistant", "Yes.")


def test_a_reply_of_thoughts_alone_is_not_empty(visitor: Visitor, server: PageServer) -> None:
    server.will([first(), *thoughts("On and on"), *ending("length")])
    visitor.ask("Think")
    expect(visitor.page.locator("details.thoughts")).to_have_count(1)
    expect(visitor.replies).not_to_contain_text("The reply is empty.")
    expect(visitor.replies.locator(".ending")).to_contain_text("reached its limit")


def test_tool_calls_are_shown(visitor: Visitor, server: PageServer) -> None:
    calls = [*tool_call("weather", '{"city":"Paris"}'), *tool_call("clock", '{"zone":"CET"}', index=1)]
    server.will([first(), *calls, *ending("tool_calls")])
    visitor.ask("Weather?")
    shown = visitor.replies.locator("details.call")
    expect(shown.locator("summary")).to_have_text(["Asked for the tool weather", "Asked for the tool clock"])
    shown.first.locator("summary").click()
    expect(shown.first.locator("pre")).to_have_text('{\n  "city": "Paris"\n}')
    expect(visitor.replies.locator(".ending")).to_have_text("The model asked for a tool. This page has no tools.")
    visitor.shot("tool-calls")


def test_hostile_thoughts_and_calls_are_text(visitor: Visitor, server: PageServer) -> None:
    trap = "<img src=x onerror=window.trapped=1>"
    server.will([first(), *thoughts(trap), *tool_call(trap, trap), *ending()])
    visitor.ask("Hi")
    expect(visitor.replies.locator("img")).to_have_count(0)
    expect(visitor.replies.locator(".thoughts-text")).to_have_text(trap)
    assert visitor.page.evaluate("window.trapped") is None
