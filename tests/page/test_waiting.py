"""Progress of the wait before a reply."""

from collections.abc import Sequence

import pytest
from playwright.sync_api import expect

from tests.page.conftest import Visitor
from tests.servers.page_server import Gate, PageServer, Step, comment, ending, first, text, whole


def gated_comments(gates: Sequence[Gate], *words: str) -> list[Step]:
    """Return comments, each followed by a gate."""
    return [step for word, gate in zip(words, gates, strict=True) for step in (comment(word), gate)]


def test_cold_start_is_shown_step_by_step(visitor: Visitor, server: PageServer) -> None:
    words = (
        "starting",
        "fetching 41% eta 3.2s",
        "fetching 90% eta 0.4s",
        "loading 73%",
        "prefill 512/900",
    )
    seen = (
        ("Starting an instance", ""),
        ("Fetching the model", "41% · about 3 s left"),
        ("Fetching the model", "90% · less than a second left"),
        ("Loading the model", "73%"),
        ("Reading the conversation", "512 of 900 tokens"),
    )
    gates = [Gate() for _ in words]
    server.will([*gated_comments(gates, *words), first(), *text("Awake."), *ending()])
    visitor.say("Wake up")
    bar = visitor.page.get_by_role("progressbar")
    for gate, (phase, detail) in zip(gates, seen, strict=True):
        expect(visitor.page.locator(".wait-phase")).to_have_text(phase)
        if detail:
            expect(visitor.page.locator(".wait-detail")).to_have_text(detail)
        expect(bar).to_be_visible()
        expect(bar).to_have_attribute("aria-valuetext", ", ".join(part for part in (phase, detail) if part))
        visitor.shot(f"cold-{phase.split()[0].lower()}")
        gate.open()
    visitor.rest()
    expect(bar).to_have_count(0)
    expect(visitor.replies.locator(".markdown")).to_have_text("Awake.")
    expect(visitor.replies.locator(".stats")).to_contain_text("with cold start")


def test_progress_bar_has_length_of_share(visitor: Visitor, server: PageServer) -> None:
    gate = Gate()
    server.will([comment("fetching 25% eta 9s"), gate, *whole("Done.")])
    visitor.say("Wake up")
    expect(visitor.page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "25")
    widths = """() => {
        const fill = document.querySelector(".step.current .fill");
        fill.getAnimations().forEach((animation) => animation.finish());
        const track = fill.parentElement.getBoundingClientRect();
        return [fill.getBoundingClientRect().right - track.left, track.width]; // the track cuts off what is left of it
    }"""
    fill, track = visitor.page.evaluate(widths)
    assert fill / track == pytest.approx(0.25, abs=0.01)
    gate.open()
    visitor.rest()


def test_queue_position_is_shown(visitor: Visitor, server: PageServer) -> None:
    gates = [Gate(), Gate()]
    server.will([*gated_comments(gates, "queued 2", "queued 1"), *whole("Your turn.")])
    visitor.say("Me too")
    expect(visitor.page.locator(".wait-phase")).to_have_text("Waiting for the model to be free")
    for gate, ahead in zip(gates, ("2 requests ahead", "1 request ahead"), strict=True):
        expect(visitor.page.locator(".wait-detail")).to_have_text(ahead)
        expect(visitor.page.locator("#announcer")).to_contain_text(ahead)
        gate.open()
    visitor.rest()


def test_warm_model_shows_no_steps(visitor: Visitor, server: PageServer) -> None:
    gate = Gate()
    server.will([comment("prefill 64/900"), gate, *whole("Yes.")])
    visitor.say("Warm?")
    expect(visitor.page.locator(".wait-detail")).to_have_text("64 of 900 tokens")
    expect(visitor.page.get_by_role("progressbar")).to_be_hidden()
    gate.open()
    visitor.rest()
    expect(visitor.replies.locator(".stats")).not_to_contain_text("cold")


def test_unknown_comments_show_waiting(visitor: Visitor, server: PageServer) -> None:
    gate = Gate()
    server.will([comment("warm"), comment("polishing 12%"), gate, *whole("Yes.")])
    visitor.say("Hm?")
    expect(visitor.page.locator(".wait-phase")).to_have_text("Waiting for the first token")
    gate.open()
    visitor.rest()
