"""The page as an installed application."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Playwright, sync_playwright

from tests.page.conftest import ALONE, CHROMIUM, Visitor
from tests.servers.page_server import PageServer


def test_chromium_finds_the_page_installable_without_a_request(tmp_path: Path) -> None:
    if CHROMIUM is None:
        pytest.skip("the chat page needs Chromium to be tested: apt-get install chromium")
    with sync_playwright() as playwright:
        check_installation(playwright, tmp_path)


def check_installation(playwright: Playwright, profile: Path) -> None:
    """Check the manifest in a profile on disk: the usual contexts are private, and private windows install nothing."""
    context = playwright.chromium.launch_persistent_context(profile, executable_path=CHROMIUM, args=ALONE)
    for prefix in ("", "/chat-function"):
        with PageServer(prefix=prefix or "/") as server:
            visitor = Visitor(context.new_page(), server.url).come()
            session = context.new_cdp_session(visitor.page)
            found = session.send("Page.getAppManifest")
            assert found["errors"] == []
            manifest = json.loads(found["data"])
            assert manifest["start_url"] == manifest["scope"] == server.url
            assert [icon["type"] for icon in manifest["icons"]] == ["image/svg+xml", "image/png"]
            assert session.send("Page.getInstallabilityErrors")["installabilityErrors"] == []
            assert set(server.paths) == {prefix or "/", f"{prefix}/health/ready", f"{prefix}/v1/models"}
            visitor.page.close()
            visitor.judge()
    context.close()
