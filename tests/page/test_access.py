"""Accessibility of the page: with a keyboard, a screen reader, on a phone, in light and in dark."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # it has no types
from playwright.sync_api import expect

from tests.page.conftest import PDFS, Visit, Visitor
from tests.page.test_markdown import EVERYTHING
from tests.servers.page_server import Gate, PageServer, RejectedReply, comment, ending, first, text, whole

PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}


def violations(visitor: Visitor) -> list[str]:
    """Return the violations that axe finds once animations have settled."""
    visitor.settle()
    found = Axe().run(visitor.page).response["violations"]
    return [f"{rule['id']}: {node['html'][:200]} {node['failureSummary']}" for rule in found for node in rule["nodes"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation(visit: Visit, server: PageServer, scheme: str) -> None:
    visitor = visit(color_scheme=scheme)
    visitor.failures_expected = True
    page = visitor.page
    assert violations(visitor) == [], "empty"

    gate = Gate()
    server.will([comment("fetching 41% eta 3s"), gate, *whole(EVERYTHING)])
    visitor.say("Show me")
    expect(page.get_by_role("progressbar")).to_be_visible()
    assert violations(visitor) == [], "cold start"
    gate.open()
    visitor.rest()
    visitor.questions.first.hover()
    assert violations(visitor) == [], "a reply"

    page.get_by_role("button", name="Regenerate reply").hover()
    visitor.replies.get_by_role("button", name="first token").click()
    page.locator("#files").set_input_files(PDFS / "reportlab.pdf")
    expect(page.locator(".chip")).to_contain_text("about")
    assert violations(visitor) == [], "receipt and file"
    page.keyboard.press("Control+/")
    assert violations(visitor) == [], "shortcuts"
    page.keyboard.press("Escape")
    server.will(
        RejectedReply(503, "There is no such model.", "model_not_found"), RejectedReply(401, "The key is missing.", "x")
    )
    visitor.ask("Again")
    visitor.ask("And again")
    assert violations(visitor) == [], "problems"

    page.get_by_role("button", name="Actions for this conversation").click()
    assert violations(visitor) == [], "menu"
    page.get_by_role("menuitem", name="Delete").click()
    assert violations(visitor) == [], "consent"
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Settings").click()
    assert violations(visitor) == [], "settings"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation_on_phone(visit: Visit, server: PageServer, scheme: str) -> None:
    visitor = visit(color_scheme=scheme, **PHONE)
    server.will(whole(EVERYTHING))
    visitor.ask("Show me")
    assert violations(visitor) == []
    visitor.page.get_by_role("button", name="Conversations", exact=True).click()
    assert violations(visitor) == []


def test_keyboard_reaches_everything(visitor: Visitor, server: PageServer) -> None:
    page, keyboard = visitor.page, visitor.page.keyboard
    gate = Gate()
    server.will(
        whole("One."), [first(), *text("Tw"), gate, *text("o."), *ending()], whole("Two again."), whole("Three.")
    )
    expect(page.get_by_label("Message", exact=True)).to_be_focused()
    keyboard.type("First")
    keyboard.press("Shift+Enter")
    keyboard.type("line two")
    keyboard.press("Enter")
    expect(visitor.replies.locator(".markdown")).to_have_text("One.")
    visitor.rest()
    assert server.asked[0].messages == [("user", "First\nline two")]

    keyboard.type("Second")
    keyboard.press("Enter")
    expect(visitor.replies.nth(1).locator(".markdown")).to_have_text("Tw")
    keyboard.press("Escape")
    visitor.rest()
    expect(visitor.replies.nth(1).locator(".ending")).to_have_text("Stopped.")

    tab_to(visitor, "Regenerate reply", back=True)
    keyboard.press("Enter")
    expect(visitor.replies.nth(1).locator(".markdown")).to_have_text("Two again.")
    visitor.rest()
    assert page.evaluate("document.activeElement !== document.body")

    tab_to(visitor, "Edit message", back=True)
    keyboard.press("Enter")
    keyboard.press("ControlOrMeta+a")
    keyboard.type("Third")
    keyboard.press("Enter")
    visitor.rest()
    expect(visitor.replies.nth(1).locator(".markdown")).to_have_text("Three.")

    tab_to(visitor, "Actions for this conversation", back=True)
    keyboard.press("Enter")
    expect(page.get_by_role("menuitem", name="Rename")).to_be_focused()
    keyboard.press("ArrowUp")
    expect(page.get_by_role("menuitem", name="Delete")).to_be_focused()
    keyboard.press("Escape")
    expect(page.get_by_role("button", name="Actions for this conversation")).to_be_focused()
    keyboard.press("Enter")
    keyboard.press("Enter")
    keyboard.type("By keyboard")
    keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("By keyboard")

    tab_to(visitor, "Settings", back=True)
    keyboard.press("Enter")
    expect(page.get_by_label("System prompt")).to_be_focused()
    keyboard.press("Escape")
    expect(page.get_by_role("button", name="Settings")).to_be_focused()


def tab_to(visitor: Visitor, name: str, *, back: bool = False) -> None:
    """Press Tab until the focus is on the button called ``name``, and check that it can be seen there."""
    for _ in range(60):
        visitor.page.keyboard.press("Shift+Tab" if back else "Tab")
        focused = visitor.page.evaluate(
            "[document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent.trim(),"
            " document.activeElement.matches(':focus-visible')]"
        )
        if focused == [name, True]:
            return
    raise AssertionError(f"Tab does not lead to {name}")


def test_skip_link_leads_to_message_box(visitor: Visitor) -> None:
    tab_to(visitor, "Skip to the message box", back=True)
    link = visitor.page.get_by_role("link", name="Skip to the message box")
    expect(link).to_be_focused()
    expect(link).to_be_in_viewport()
    visitor.page.keyboard.press("Enter")
    expect(visitor.page.get_by_label("Message", exact=True)).to_be_focused()


def test_screen_reader_announcements_follow_reply(visitor: Visitor, server: PageServer) -> None:
    announcer = visitor.page.get_by_role("status")
    gates = [Gate(), Gate(), Gate()]
    server.will(
        [
            comment("fetching 10%"),
            gates[0],
            comment("fetching 55%"),
            gates[1],
            first(),
            *text("He"),
            gates[2],
            *text("llo."),
            *ending(),
        ]
    )
    visitor.say("Hi")
    expect(announcer).to_have_text("Fetching the model")
    gates[0].open()
    expect(announcer).to_have_text("Fetching the model, 50%")
    gates[1].open()
    expect(visitor.page.locator(".reply[aria-busy=true] .markdown")).to_have_text("He")
    expect(announcer).to_have_text("Fetching the model, 50%")
    gates[2].open()
    expect(announcer).to_have_text("Reply: Hello.")


def test_phone_layout_fits_and_is_in_reach(visit: Visit, server: PageServer) -> None:
    visitor = visit(**PHONE)
    page = visitor.page
    server.will(whole(EVERYTHING + "\n\n`" + "long" * 60 + "`"), whole("Yes."))
    visitor.ask("Show me " + "everything" * 12)
    visitor.shot("phone")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    for area in ("#thread", "#messages", ".dock"):
        assert page.evaluate("(area) => document.querySelector(area).scrollWidth", area) <= 360
    expect(page.get_by_label("Message", exact=True)).to_be_in_viewport(ratio=1)
    expect(page.locator("#sidebar")).not_to_be_in_viewport()

    page.get_by_role("button", name="Conversations", exact=True).tap()
    expect(page.locator("#new-conversation")).to_be_in_viewport(ratio=1)
    expect(page.locator("#new-conversation")).to_be_focused()
    page.get_by_role("button", name="Actions for Show me").tap()
    expect(page.get_by_role("menuitem", name="Delete")).to_be_in_viewport(ratio=1)
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.locator("#sidebar")).not_to_be_in_viewport()
    page.get_by_role("button", name="Conversations", exact=True).tap()
    page.locator("#new-conversation").tap()
    expect(page.locator("#sidebar")).not_to_be_in_viewport()

    page.get_by_label("Message", exact=True).fill("One line")
    page.keyboard.press("Enter")
    page.keyboard.type("and another")
    page.get_by_role("button", name="Send").tap()
    visitor.rest()
    assert server.asked[1].messages == [("user", "One line\nand another")]


def test_scroll_position_is_kept_while_reply_grows(visitor: Visitor, server: PageServer) -> None:
    page = visitor.page
    page.set_viewport_size({"width": 900, "height": 420})
    gate = Gate()
    lines = "\n\n".join(f"Line {number}" for number in range(40))
    server.will([first(), *text(lines, 64), gate, *text(lines, 64), *ending()])
    visitor.say("Go on")
    expect(visitor.replies.locator(".block").last).to_be_in_viewport()
    page.locator("#thread").evaluate("(thread) => thread.scrollTo(0, 0)")
    jump = page.get_by_role("button", name="Jump to the latest message")
    expect(jump).to_be_visible()
    gate.open()
    visitor.rest()
    assert page.locator("#thread").evaluate("(thread) => thread.scrollTop") == 0
    jump.click()
    expect(visitor.replies.locator(".block").last).to_be_in_viewport()
    expect(jump).to_be_hidden()
