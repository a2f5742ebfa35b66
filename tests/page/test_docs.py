"""/docs in a browser, with the real function behind it: one response, and it can be tried out."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from function.web.docs.operations import OPERATIONS
from tests.page.conftest import Visitor
from tests.servers.doors import ServedFunction, serving


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[ServedFunction]:
    with serving(tmp_path_factory.mktemp("docs"), MODEL_URI=str(tiny_model), API_KEY="open sesame") as running:
        running.wait("ready")
        yield running


@pytest.fixture
def reader(browser: Browser, function: ServedFunction) -> Iterator[Visitor]:
    """Visitor of /docs; judged, like a visitor of the chat page, by its console and its requests."""
    context = browser.new_context()
    made = Visitor(context.new_page(), function.url)
    made.page.goto(f"{function.url}/docs")
    yield made
    context.close()
    made.judge()


def test_docs_are_one_response_with_every_operation(reader: Visitor) -> None:
    expect(reader.page.locator(".opblock")).to_have_count(len(OPERATIONS))
    expect(reader.page.get_by_role("heading", name="GGUF chat function")).to_be_visible()
    assert [url for url in reader.requested if not url.startswith("data:")] == [f"{reader.url}/docs"]


def test_operation_can_be_tried_with_key(reader: Visitor) -> None:
    page = reader.page
    page.get_by_role("button", name="Authorize", exact=True).click()
    page.get_by_label("auth-bearer-value").fill("open sesame")
    page.get_by_role("button", name="Apply credentials").first.click()
    page.get_by_role("button", name="Close").first.click()
    block = page.locator(".opblock", has_text="Tokenize a text")
    block.get_by_role("button").first.click()
    block.get_by_role("button", name="Try it out").click()
    block.get_by_role("button", name="Execute").click()
    live = block.locator(".live-responses-table")
    expect(live.locator(".response .response-col_status")).to_contain_text("200")
    expect(live).to_contain_text('"tokens"')
    reader.shot("docs")
