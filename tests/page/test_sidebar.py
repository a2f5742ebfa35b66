"""Search, import and keyboard shortcuts."""

import json
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import expect

from tests.page.conftest import Visit, Visitor
from tests.servers.page_server import PageServer, first, text, thoughts, tool_call, whole
from tests.servers.page_server import ending as end


def two_conversations(visitor: Visitor, server: PageServer) -> None:
    server.will(whole("Blue."), whole("Green."))
    visitor.ask("What colour is the sea?")
    visitor.page.locator("#new-conversation").click()
    visitor.ask("And grass?")


def test_search_finds_titles_and_contents(visitor: Visitor, server: PageServer) -> None:
    two_conversations(visitor, server)
    names = visitor.page.locator(".conversation")
    search = visitor.page.get_by_role("searchbox", name="Search conversations")
    search.fill("GRASS")
    expect(names).to_have_text(["And grass?"])
    search.fill("blue")
    expect(names).to_have_text(["What colour is the sea?"])
    search.press("Enter")
    expect(visitor.replies.locator(".markdown")).to_have_text("Blue.")
    search.fill("purple")
    expect(visitor.page.get_by_text("No conversation contains this.")).to_be_visible()
    search.press("Escape")
    expect(names).to_have_count(2)


def test_an_export_is_imported_with_everything_in_it(
    visit: Visit, visitor: Visitor, server: PageServer, tmp_path: Path
) -> None:
    called = tool_call("coin", '{"side":"any"}')
    server.will([first(), *thoughts("Hm."), *text("Heads."), *called, *end()], whole("Tails."))
    file = {"name": "<b>.txt", "mimeType": "text/plain", "buffer": b"a coin"}
    visitor.page.locator("#files").set_input_files(files=[file])  # type: ignore[arg-type]  # a FilePayload
    expect(visitor.page.locator(".chip")).to_have_count(1)
    visitor.ask("Toss a coin")
    visitor.page.get_by_role("button", name="Regenerate reply").click()
    visitor.rest()
    with visitor.page.expect_download() as download:
        visitor.page.get_by_role("button", name="Export all").click()
    first_export = tmp_path / "conversations.json"
    download.value.save_as(first_export)

    other = visit()
    other.page.locator("#import-file").set_input_files(first_export)
    expect(other.page.locator(".conversation")).to_have_text(["Toss a coin"])
    expect(other.replies.locator(".markdown")).to_have_text("Tails.")
    other.page.get_by_role("button", name="Earlier version").click()
    expect(other.replies.locator(".markdown")).to_have_text("Heads.")
    expect(other.replies.locator(".thoughts summary")).to_contain_text("Thought for")
    expect(other.replies.locator(".call summary")).to_have_text("Asked for the tool coin")
    expect(other.page.locator(".question .file summary")).to_contain_text("<b>.txt")
    with other.page.expect_download() as again:
        other.page.get_by_role("button", name="Export all").click()
    second = tmp_path / "again.json"
    again.value.save_as(second)
    exports = [json.loads(path.read_text())["conversations"][0] for path in (first_export, second)]
    for exported in exports:
        exported.pop("id")
        exported.pop("leaf")  # the other version is shown
        exported.pop("updated")
        for message in exported["messages"].values():
            message.get("stats", {}).get("usage", {}).pop("total_tokens", None)
            message.pop("error", None)
    assert exports[0] == exports[1]


def test_a_request_body_is_imported(visitor: Visitor, tmp_path: Path) -> None:
    said = [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello."},
    ]
    file = tmp_path / "request.json"
    file.write_text(json.dumps({"messages": said, "temperature": 0.5}))
    visitor.page.locator("#import-file").set_input_files(file)
    expect(visitor.replies.locator(".markdown")).to_have_text("Hello.")
    expect(visitor.page.locator("#system-chip")).to_contain_text("Be short.")


def test_a_hostile_import_is_rejected_or_reduced_to_text(visitor: Visitor, tmp_path: Path) -> None:
    page = visitor.page
    file = tmp_path / "bad.json"
    for content in ("no json", "[]", '{"messages": 7}', '{"format": "chat-conversations", "conversations": [null, 1]}'):
        file.write_text(content)
        page.locator("#import-file").set_input_files(file)
        expect(page.locator("#import-problem")).to_contain_text("was not imported")
        page.evaluate("document.querySelector('#import-problem').textContent = ''")
    looped = {
        "1": {"parent": "2", "role": "user", "content": "a"},
        "2": {"parent": "1", "role": "user", "content": "b"},
    }
    fine = {"__proto__": {}, "0": {"parent": None, "role": "user", "content": "<img src=x>", "files": [{"name": 1}]}}
    file.write_text(
        json.dumps({"format": "chat-conversations", "conversations": [{"messages": looped}, {"messages": fine}]})
    )
    page.locator("#import-file").set_input_files(file)
    expect(visitor.questions).to_have_text(["<img src=x>"])
    expect(page.locator(".conversation")).to_have_count(1)


def test_shortcuts(visitor: Visitor, server: PageServer) -> None:
    page, keyboard = visitor.page, visitor.page.keyboard
    server.will(whole("Blue."))
    visitor.ask("The sea?")
    keyboard.press("Control+k")
    expect(page.get_by_role("searchbox")).to_be_focused()
    keyboard.press("Control+Shift+O")
    expect(visitor.replies).to_have_count(0)
    expect(page.get_by_label("Message", exact=True)).to_be_focused()
    keyboard.press("Control+b")
    expect(page.locator("#sidebar")).to_be_hidden()
    keyboard.press("Control+b")
    page.locator(".conversation").click()
    keyboard.press("ArrowUp")
    expect(page.get_by_role("textbox", name="Edit message")).to_be_focused()
    keyboard.press("Escape")
    keyboard.press("Control+/")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_contain_text("Search conversations")
    visitor.shot("shortcuts")
    keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_settings_are_not_lost_beside_the_dialog(visitor: Visitor) -> None:
    page = visitor.page
    ways: list[Callable[[], None]] = [lambda: page.mouse.click(5, 5), lambda: page.keyboard.press("Escape")]
    for leave in ways:
        page.get_by_role("button", name="Settings").click()
        page.get_by_label("System prompt").fill("You are a pirate.")
        leave()
        question = page.get_by_role("dialog", name="Discard your changes?")
        question.get_by_role("button", name="Keep editing").click()
        expect(page.get_by_label("System prompt")).to_have_value("You are a pirate.")
        page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Settings").click()
    page.mouse.click(5, 5)
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_the_system_prompt_is_visible_in_the_thread(visitor: Visitor) -> None:
    page = visitor.page
    page.get_by_role("button", name="Settings").click()
    page.get_by_label("System prompt").fill("You are a pirate.")
    page.get_by_role("button", name="Save").click()
    chip = page.get_by_role("button", name="System prompt")
    expect(chip).to_contain_text("You are a pirate.")
    chip.click()
    expect(page.get_by_label("System prompt")).to_have_value("You are a pirate.")
    page.keyboard.press("Escape")
