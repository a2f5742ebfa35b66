"""Layout, contrast, direction of text and print."""

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.page.conftest import PDFS, Visit, Visitor
from tests.page.test_markdown import EVERYTHING
from tests.servers.page_server import (
    Gate,
    PageServer,
    RejectedReply,
    comment,
    ending,
    failure,
    first,
    text,
    thoughts,
    whole,
)

DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 760}, "is_mobile": True, "has_touch": True}
SIZES = {"desktop": DESKTOP, "phone": PHONE}


def top(visitor: Visitor, selector: str, index: int) -> dict[str, float]:
    found = visitor.page.locator(selector).nth(index).bounding_box()
    assert found is not None
    return {"top": found["y"], "bottom": found["y"] + found["height"]}


@pytest.mark.parametrize("size", SIZES)
def test_a_question_is_nearer_to_its_reply_than_to_the_reply_before(
    visit: Visit, server: PageServer, size: str
) -> None:
    visitor = visit(**SIZES[size])
    server.will(whole("One."), whole("Two."))
    visitor.ask("First")
    visitor.ask("Second")
    reply = top(visitor, ".reply", 1)["top"] - top(visitor, ".bubble", 1)["bottom"]
    before = top(visitor, ".bubble", 1)["top"] - top(visitor, ".reply .markdown", 0)["bottom"]
    assert reply < before
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= SIZES[size]["viewport"]["width"]


CONTRAST = """([front, back]) => {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const light = (color) => {
        canvas.fillStyle = color;
        canvas.fillRect(0, 0, 1, 1);
        const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((value) => {
            const share = value / 255;
            return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
    };
    const style = (selector) => getComputedStyle(document.querySelector(selector));
    const [a, b] = [light(style(front).borderTopColor), light(style(back).backgroundColor)];
    return Math.max(a, b) / Math.min(a, b);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_fields_have_a_border_that_can_be_seen(visit: Visit, scheme: str) -> None:
    visitor = visit(color_scheme=scheme)
    assert visitor.page.evaluate(CONTRAST, ["#composer", "body"]) >= 3
    visitor.page.get_by_role("button", name="Settings").click()
    assert visitor.page.evaluate(CONTRAST, ["#system", "#settings-dialog"]) >= 3


def test_tasks_are_real_checkboxes(visitor: Visitor, server: PageServer) -> None:
    server.will(whole("- [x] done\n- [ ] open"))
    visitor.ask("Tasks?")
    boxes = visitor.replies.get_by_role("checkbox")
    expect(boxes).to_have_count(2)
    expect(boxes.first).to_be_checked()
    expect(boxes.first).to_be_disabled()
    expect(boxes.nth(1)).not_to_be_checked()


def test_statistics_of_earlier_replies_are_quiet(visit: Visit, server: PageServer) -> None:
    visitor = visit(**DESKTOP)
    server.will(whole("One."), whole("Two."))
    visitor.ask("First")
    visitor.ask("Second")
    visitor.page.get_by_label("Message", exact=True).hover()
    expect(visitor.page.locator(".stats").nth(0)).to_have_css("opacity", "0")
    expect(visitor.page.locator(".stats").nth(1)).to_have_css("opacity", "1")
    visitor.replies.first.hover()
    expect(visitor.page.locator(".stats").nth(0)).to_have_css("opacity", "1")


RECEIPT = {
    "request_id": "req_1",
    "cold": True,
    "seconds": {
        "fetch": 12.3,
        "load": 1.2,
        "wait": 14.0,
        "queued": 0,
        "prefill": 0.25,
        "first_token": 14.5,
        "total": 16,
    },
    "tokens": {"prompt": 1204, "cached": 1100, "completion": 29, "reasoning": 12, "per_second": 82.31},
    "model": {"name": "paper-boat-1b", "kind": "chat"},
}


def test_statistics_open_the_receipt(visitor: Visitor, server: PageServer) -> None:
    server.will([first(), *text("One."), *ending(tokens=29, receipt=RECEIPT)], whole("Two."))
    visitor.ask("First")
    stats = visitor.replies.get_by_role("button", name="29 tokens")
    rows = visitor.replies.locator(".receipt")
    expect(rows).to_be_hidden()
    stats.click()
    expect(stats).to_have_attribute("aria-expanded", "true")
    expect(rows.locator("dt")).to_have_text(
        [
            "Fetching the model",
            "Loading the model",
            "Waiting for the model",
            "Reading the conversation",
            "Writing the reply",
            "In all, on the server",
            "First token, seen here",
            "Conversation",
            "Reply",
            "Speed",
            "Model",
            "Request",
        ]
    )
    expect(rows.locator("dd").nth(4)).to_have_text("1.50 s")
    expect(rows).to_contain_text("1,204 tokens, 1,100 of them read before")
    expect(rows).to_contain_text("29 tokens, 12 of them thoughts")
    visitor.shot("receipt")
    stats.click()
    expect(rows).to_be_hidden()


def test_a_long_question_is_folded(visitor: Visitor, server: PageServer) -> None:
    server.will(whole("Long."))
    visitor.ask("\n".join(f"Line {number}" for number in range(60)))
    bubble = visitor.page.locator(".bubble")
    assert bubble.bounding_box()["height"] < 300  # type: ignore[index]  # it is shown
    visitor.page.get_by_role("button", name="Show all").click()
    assert bubble.bounding_box()["height"] > 600  # type: ignore[index]  # it is shown
    visitor.page.get_by_role("button", name="Show less").click()
    expect(bubble).to_have_class(re.compile("folded"))


def test_on_a_phone_a_tap_shows_the_buttons_of_a_message(visit: Visit, server: PageServer) -> None:
    visitor = visit(**PHONE)
    server.will(whole("One."))
    visitor.ask("First")
    tools = visitor.page.locator(".question .tools")
    expect(tools).to_have_css("opacity", "0")
    visitor.questions.first.tap()
    expect(tools).to_have_css("opacity", "1")
    expect(visitor.page.get_by_role("button", name="Edit message")).to_be_in_viewport()


def test_right_to_left_text_is_laid_out_from_the_right(visitor: Visitor, server: PageServer) -> None:
    server.will(whole("مرحبا بالعالم\n\n- واحد\n\nAnd English."))
    visitor.ask("שלום עולם")
    direction = "(node) => getComputedStyle(node).direction"
    assert visitor.questions.first.evaluate(direction) == "rtl"
    assert visitor.page.locator(".conversation span").first.evaluate(direction) == "rtl"
    paragraphs = visitor.replies.locator(".markdown p")
    assert paragraphs.first.evaluate(direction) == "rtl"
    assert paragraphs.last.evaluate(direction) == "ltr"
    assert visitor.replies.locator("ul").evaluate(direction) == "rtl"


def test_print_shows_the_conversation_alone_and_light(visit: Visit, server: PageServer) -> None:
    visitor = visit(color_scheme="dark")
    server.will(whole("```\ncode\n```\n\nYes."), [first(), *text("Half"), failure("It failed.")])
    visitor.ask("Print?")
    visitor.ask("Again?")
    visitor.page.emulate_media(media="print")
    for button in visitor.page.get_by_role("button").all():
        expect(button).to_be_hidden()
    expect(visitor.page.locator("#composer")).to_be_hidden()
    expect(visitor.questions.first).to_be_visible()
    expect(visitor.page.locator("body")).to_have_css("color", "rgb(27, 33, 31)")
    visitor.shot("print")


def test_nothing_moves_where_motion_is_reduced(visit: Visit, server: PageServer) -> None:
    visitor = visit(reduced_motion="reduce")
    server.will(whole("Still."))
    visitor.ask("Move?")
    moving = "document.getAnimations().filter((a) => a.effect.getComputedTiming().duration > 1).length"
    assert visitor.page.evaluate(moving) == 0


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
@pytest.mark.parametrize("size", SIZES)
def test_gallery(visit: Visit, server: PageServer, size: str, scheme: str) -> None:
    """Pass through the states that are worth a picture, in one size and theme."""
    server.model = {"id": "Paper-Boat-7B-Instruct-Q4_K_M", "meta": {"n_ctx": 4096}}
    server.states = [{"state": "fetching", "done": 0.41, "eta": 3.2}]
    visitor = visit(color_scheme=scheme, **SIZES[size])
    visitor.failures_expected = True
    name = f"{size}-{scheme}"
    expect(visitor.page.locator(".welcome .wait-phase")).to_have_text("Fetching the model")
    visitor.shot(f"{name}-1-starting")
    server.states = [{"state": "ready"}]
    expect(visitor.page.locator(".welcome .wait")).to_have_count(0)
    visitor.shot(f"{name}-2-empty")
    gate = Gate()
    server.will([comment("fetching 63% eta 95s"), gate, first(), *thoughts("It is short."), *whole(EVERYTHING)[1:]])
    visitor.say("Show me everything that you can write, please.")
    expect(visitor.page.get_by_role("progressbar")).to_be_visible()
    visitor.shot(f"{name}-3-cold")
    gate.open()
    visitor.rest()
    visitor.shot(f"{name}-4-reply")
    server.will(whole("One."), [first(), *text("Once upon a"), *ending("length", receipt=RECEIPT)])
    visitor.ask("And a short one?")
    visitor.ask("Tell me a story.")
    visitor.shot(f"{name}-5-thread")
    visitor.replies.last.get_by_role("button", name="first token").click()
    visitor.page.locator("#files").set_input_files(PDFS / "reportlab.pdf")
    expect(visitor.page.locator(".chip")).to_contain_text("about")
    visitor.shot(f"{name}-6-receipt-and-file")
    visitor.page.get_by_role("button", name="Remove reportlab.pdf").click()
    server.will(RejectedReply(400, "The prompt has 9000 tokens.", "context_length_exceeded"))
    visitor.ask("Too long")
    visitor.shot(f"{name}-7-problem")
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= SIZES[size]["viewport"]["width"]
    visitor.page.keyboard.press("Control+/")
    visitor.shot(f"{name}-8-shortcuts")
    visitor.page.keyboard.press("Escape")
    if size == "phone":
        visitor.page.get_by_role("button", name="Conversations", exact=True).click()
        visitor.shot(f"{name}-9-conversations")
    visitor.page.get_by_role("button", name="Settings").click()
    visitor.shot(f"{name}-10-settings")
