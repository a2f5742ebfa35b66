"""The page with the real function behind it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import expect

from function import default_model
from tests.page.conftest import Visit, Visitor
from tests.servers.doors import ServedFunction, serving
from tests.servers.gated import gated_store

QUICK = {"MAX_TOKENS": "24", "N_THREADS": "1"}
"""Short replies; and two threads of a small model wait for each other for seconds where the CPUs are busy."""


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory, slow_model: Path) -> Iterator[ServedFunction]:
    with serving(tmp_path_factory.mktemp("page"), MODEL_URI=str(slow_model), N_THREADS="1") as running:
        yield running


@contextmanager
def visiting(function: ServedFunction, visit: Visit) -> Iterator[Visitor]:
    """A visit that leaves before the function ends: a browser keeps its connection, and servers wait for that."""
    visitor = visit(function.url)
    yield visitor
    visitor.page.context.close()


@pytest.mark.parametrize("door", ["gunicorn", "functions-framework"])
def test_a_key_and_two_turns_with_the_default_model(door: str, visit: Visit, tmp_path: Path) -> None:
    settings = {"MODEL_URI": "", "API_KEY": "open sesame", **QUICK}
    with serving(tmp_path, door, **settings) as function, visiting(function, visit) as visitor:
        visitor.failures_expected = True
        expect(visitor.page.get_by_role("link", name=default_model.NAME)).to_have_attribute(
            "href", default_model.SOURCE_URL
        )
        visitor.ask("Hello! Who are you?")
        visitor.problem.get_by_label("Key", exact=True).fill("open sesame")
        visitor.page.keyboard.press("Enter")
        expect(visitor.problem).to_have_count(0)
        visitor.rest()
        visitor.ask("What can you do?")
        expect(visitor.problem).to_have_count(0)
        for turn in range(2):
            reply = visitor.replies.nth(turn)
            expect(reply.locator(".markdown")).not_to_be_empty()
            expect(reply.locator(".stats")).to_have_text(re.compile(r"first token .* tokens?$"))
        visitor.shot(f"function-{door}")


def test_page_is_compressed_with_policy_and_not_sent_twice(function: ServedFunction) -> None:
    status, headers, _ = function.exchange("/", None)
    assert status == 200
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'sha256-")
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert function.exchange("/", None, {"If-None-Match": headers["etag"]})[0] == 304


def test_stop_frees_model(function: ServedFunction, visit: Visit) -> None:
    visitor = visit(function.url)
    visitor.page.evaluate(ENDLESS)
    visitor.say("Tell me a long story")
    expect(visitor.replies.locator(".markdown")).not_to_be_empty()
    visitor.page.keyboard.press("Escape")
    visitor.rest()
    expect(visitor.replies.locator(".ending")).to_have_text("Stopped.")
    function.idle()


def test_stopped_reply_is_continued_and_has_a_receipt(function: ServedFunction, visit: Visit) -> None:
    visitor = visit(function.url)
    visitor.page.evaluate(ENDLESS)
    visitor.say("Tell me a long story")
    shown = visitor.replies.locator(".markdown")
    expect(shown).not_to_be_empty()
    visitor.page.keyboard.press("Escape")
    visitor.rest()
    before = shown.text_content()
    assert before
    visitor.page.evaluate(SHORT)
    visitor.page.get_by_role("button", name="Continue").click()
    expect(shown).not_to_have_text(before)  # the button to stop can be gone before it is looked for
    visitor.rest()
    expect(visitor.problem).to_have_count(0)
    expect(visitor.replies).to_have_count(1)
    after = shown.text_content()
    assert after and after.startswith(before.rstrip()) and len(after) > len(before)
    visitor.replies.get_by_role("button", name="first token").click()
    expect(visitor.replies.locator(".receipt")).to_contain_text("Reading the conversation")
    expect(visitor.replies.locator(".receipt")).to_contain_text("req_")
    visitor.shot("function-receipt")
    function.idle()


def test_second_visitor_sees_queue_and_then_reply(function: ServedFunction, visit: Visit) -> None:
    first, second = visit(function.url), visit(function.url)
    first.page.evaluate(ENDLESS)
    first.say("Tell me a long story")
    expect(first.replies.locator(".markdown")).not_to_be_empty()
    second.say("Me too")
    expect(second.page.locator(".wait-detail")).to_have_text("1 request ahead")
    second.shot("function-queue")
    first.page.keyboard.press("Escape")
    expect(second.replies.locator(".markdown")).not_to_be_empty()
    second.page.keyboard.press("Escape")
    second.rest()
    function.idle()


ENDLESS = """() => {
    const ask = window.fetch;
    window.fetch = (url, options) =>
        ask(url, { ...options, body: JSON.stringify({ ...JSON.parse(options.body), ignore_eos: true }) });
}"""
"""The reply ends only when it is stopped."""
SHORT = """() => {
    const ask = window.fetch;
    window.fetch = (url, options) =>
        ask(url, { ...options, body: JSON.stringify({ ...JSON.parse(options.body), max_tokens: 8 }) });
}"""


def test_conversation_beyond_context_is_reported(function: ServedFunction, visit: Visit) -> None:
    visitor = visit(function.url)
    visitor.failures_expected = True
    visitor.ask("word " * 20_000)
    expect(visitor.problem).to_contain_text("context_length_exceeded")
    visitor.problem.get_by_role("button", name="New conversation").click()
    expect(visitor.problem).to_have_count(0)


def test_cold_start_is_shown(visit: Visit, tiny_model: Path, tmp_path: Path) -> None:
    with (
        gated_store(tiny_model) as (uri, gate),
        serving(tmp_path, MODEL_URI=uri, **QUICK) as function,
        visiting(function, visit) as visitor,
    ):
        visitor.say("Wake up")
        expect(visitor.page.locator(".wait-phase")).to_have_text("Fetching the model")
        expect(visitor.page.locator(".wait-detail")).to_have_text(re.compile(r"^\d+%"))
        visitor.shot("function-cold")
        gate.set()
        visitor.rest()
        expect(visitor.problem).to_have_count(0)
        expect(visitor.replies.locator(".stats")).to_contain_text("with cold start")
