"""A real browser for the chat page. Without Chromium these tests are skipped."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, expect, sync_playwright

from tests.servers.page_server import PageServer

PATIENCE_MS = 30_000
"""Bound for any action of the page on a busy machine, not a measure."""
PDFS = Path(__file__).parent / "pdfs"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ALONE = [
    "--no-sandbox",
    "--no-first-run",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--host-resolver-rules=MAP chat.example 127.0.0.1",
]
"""Options of a browser that connects to the page's server alone."""
SHOTS = os.environ.get("PAGE_SHOTS")
"""Folder for screenshots of the states that tests pass through."""


class Visitor:
    """Visitor of the page. Console messages and requests are recorded and judged at the end."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.requested: list[str] = []
        self.complaints: list[str] = []
        self.failures_expected = False
        """A browser itself reports a failed request on the console; a test of failures allows just that."""
        page.set_default_timeout(PATIENCE_MS)
        page.on("request", self._note_request)
        page.on("console", self._note_console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _note_request(self, request: Request) -> None:
        self.requested.append(request.url)

    def _note_console(self, message: ConsoleMessage) -> None:
        waking = message.location["url"].endswith("/health/ready")  # its status is 503 until the model is ready
        if message.type in ("error", "warning") and not waking:
            self.complaints.append(message.text)

    def come(self) -> "Visitor":
        """Open the page and wait until it can be used."""
        self.page.goto(self.url)
        self.ready()
        return self

    def ready(self) -> None:
        """Wait until the page can be used."""
        self.page.locator("body.ready").wait_for()

    def say(self, text: str) -> None:
        """Send a message; does not wait for the reply."""
        self.page.get_by_label("Message", exact=True).fill(text)
        self.page.get_by_role("button", name="Send", exact=True).click()

    def ask(self, text: str) -> None:
        """Send a message and wait until its reply has ended, one way or another."""
        self.say(text)
        self.rest()

    def rest(self) -> None:
        """Wait until no reply is coming."""
        expect(self.page.get_by_role("button", name="Send", exact=True)).to_be_visible()

    @property
    def replies(self) -> Locator:
        """Visible replies."""
        return self.page.locator(".reply")

    @property
    def questions(self) -> Locator:
        """Visible messages of the user."""
        return self.page.locator(".question .bubble")

    @property
    def problem(self) -> Locator:
        """Visible failures."""
        return self.page.locator(".problem")

    def shot(self, name: str) -> None:
        """Save a screenshot, if PAGE_SHOTS is set."""
        if SHOTS:
            self.settle()
            self.page.screenshot(path=str(Path(SHOTS) / f"{name}.png"))

    def settle(self) -> None:
        """Bring all animations to their end; endless ones are cancelled."""
        self.page.evaluate("document.getAnimations().forEach((a) => { try { a.finish(); } catch { a.cancel(); } })")

    def judge(self) -> None:
        """Check that the console is empty and that no other server was requested."""
        foreign = [url for url in self.requested if not self._own(url)]
        assert foreign == []
        complaints = self.complaints
        if self.failures_expected:
            complaints = [text for text in complaints if not text.startswith("Failed to load resource")]
        assert complaints == []

    def _own(self, url: str) -> bool:
        return urlsplit(url).scheme in ("data", "blob") or urlsplit(url).netloc == urlsplit(self.url).netloc


class Visit(Protocol):
    """Opener of the page in a new browser context; the arguments are Playwright's for a context."""

    def __call__(self, url: str | None = None, **options: Any) -> Visitor: ...


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests here; each visit is a profile of its own."""
    if CHROMIUM is None:
        pytest.skip("the chat page needs Chromium to be tested: apt-get install chromium")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ALONE)
        yield chromium
        chromium.close()


@pytest.fixture
def server() -> Iterator[PageServer]:
    """The page's server."""
    with PageServer() as running:
        yield running


@pytest.fixture
def visit(browser: Browser, server: PageServer) -> Iterator[Visit]:
    """Visits to the page, each judged when the test has passed."""
    visitors: list[Visitor] = []

    def begin(url: str | None = None, **options: Any) -> Visitor:
        context = browser.new_context(**options)
        visitor = Visitor(context.new_page(), url or server.url)
        visitors.append(visitor)
        return visitor.come()

    yield begin
    for visitor in visitors:
        visitor.page.context.close()
    for visitor in visitors:
        visitor.judge()


@pytest.fixture
def visitor(visit: Callable[[], Visitor]) -> Visitor:
    """One visit."""
    return visit()
