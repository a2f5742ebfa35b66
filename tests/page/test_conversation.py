"""Conversations with the model on the page."""

import json
import re
from pathlib import Path

from playwright.sync_api import expect

from tests.page.conftest import Visit, Visitor
from tests.servers.page_server import Gate, PageServer, Raw, ending, first, text, whole


def test_conversation_of_two_turns(visitor: Visitor, server: PageServer) -> None:
    server.will(whole("Paper floats **well**."), whole("Until it is soaked."))
    visitor.ask("Does paper float?")
    visitor.ask("For how long?")
    expect(visitor.replies).to_have_count(2)
    expect(visitor.replies.nth(0).locator("strong")).to_have_text("well")
    expect(visitor.replies.nth(1).locator(".markdown")).to_have_text("Until it is soaked.")
    assert server.asked[1].messages == [
        ("user", "Does paper float?"),
        ("assistant", "Paper floats **well**."),
        ("user", "For how long?"),
    ]
    assert server.asked[1].body["stream"] is True
    assert server.asked[1].body["stream_options"] == {"include_usage": True}
    expect(visitor.page.locator("#model")).to_have_text("paper-boat-1b")
    visitor.shot("two-turns")


def test_page_is_one_response_and_reply_one_request(visitor: Visitor, server: PageServer) -> None:
    server.will(whole("Hello."))
    visitor.ask("Hi")
    assert sorted(server.paths) == ["/", "/health/ready", "/v1/chat/completions", "/v1/models"]


def test_page_under_path_without_slash_requests_below_it(visit: Visit) -> None:
    with PageServer(prefix="/chat-function") as server:
        server.will(whole("Hello."))
        visitor = visit(server.url)
        visitor.ask("Hi")
        assert server.asked[0].path == "/chat-function/v1/chat/completions"


def test_tokens_appear_at_once_and_statistics_at_end(visitor: Visitor, server: PageServer) -> None:
    gate = Gate()
    server.will([first(), *text("First half,"), gate, *text(" second half."), *ending(tokens=30)])
    visitor.say("Go")
    reply = visitor.replies.first
    expect(reply.locator(".markdown")).to_have_text("First half,")
    expect(reply.locator(".stats")).to_have_count(0)
    visitor.page.wait_for_timeout(100)  # what comes in one piece has no speed
    gate.open()
    visitor.rest()
    expect(reply.locator(".markdown")).to_have_text("First half, second half.")
    expect(reply.locator(".stats")).to_have_text(
        re.compile(r"first token \d+\.\d+ s · (\d+\.?\d*) tokens/s · 30 tokens")
    )


def test_stop_midway_keeps_text_and_closes_connection(visitor: Visitor, server: PageServer) -> None:
    gate = Gate()
    server.will([first(), *text("A long story"), gate, *text(" that is never read"), *ending()], whole("Short."))
    visitor.say("Tell me")
    expect(visitor.replies.locator(".markdown")).to_have_text("A long story")
    visitor.page.get_by_role("button", name="Stop the reply").click()
    visitor.rest()
    assert gate.left.wait(30)
    expect(visitor.replies.locator(".markdown")).to_have_text("A long story")
    expect(visitor.replies.locator(".ending")).to_have_text("Stopped.")
    visitor.ask("Shorter")
    expect(visitor.replies.nth(1).locator(".markdown")).to_have_text("Short.")


def test_stop_before_first_token_leaves_empty_reply(visitor: Visitor, server: PageServer) -> None:
    gate = Gate()
    server.will([gate])
    visitor.say("Tell me")
    assert gate.reached.wait(30)
    visitor.page.keyboard.press("Escape")
    visitor.rest()
    assert gate.left.wait(30)
    expect(visitor.replies.locator(".ending")).to_have_text("Stopped.")
    expect(visitor.page.locator(".wait")).to_have_count(0)


def test_character_split_between_reads_is_whole(visitor: Visitor, server: PageServer) -> None:
    gates = [Gate(comments=False) for _ in range(3)]  # nothing may come between the halves
    event = text("Grüße, 世界 🛶!", size=99)[0]
    assert isinstance(event, Raw)
    boat = event.data.index("🛶".encode())
    world = event.data.index("世".encode())
    cuts = [event.data[: world + 1], event.data[world + 1 : boat + 2], event.data[boat + 2 :]]
    steps = [step for cut, gate in zip(cuts, gates, strict=True) for step in (Raw(cut), gate)]
    server.will([first(), *steps, *ending()])
    visitor.say("Hallo")
    for gate in gates:
        assert gate.reached.wait(30)
        gate.open()
    visitor.rest()
    expect(visitor.replies.locator(".markdown")).to_have_text("Grüße, 世界 🛶!")


def test_reply_cut_by_limit_shows_reason(visitor: Visitor, server: PageServer) -> None:
    server.will(whole("And then", reason="length"))
    visitor.ask("Tell me")
    expect(visitor.replies.locator(".ending")).to_contain_text("reached its limit")


def test_regenerate_keeps_both_versions(visitor: Visitor, server: PageServer) -> None:
    server.will(whole("Heads."), whole("Tails."))
    visitor.ask("Toss a coin")
    visitor.page.get_by_role("button", name="Regenerate reply").click()
    visitor.rest()
    expect(visitor.replies.locator(".markdown")).to_have_text("Tails.")
    assert server.asked[0].messages == server.asked[1].messages
    visitor.page.get_by_role("button", name="Earlier version").click()
    expect(visitor.replies.locator(".markdown")).to_have_text("Heads.")
    expect(visitor.page.get_by_role("button", name="Later version")).to_be_focused()
    visitor.page.keyboard.press("Enter")
    expect(visitor.replies.locator(".markdown")).to_have_text("Tails.")


def test_edit_of_earlier_message_starts_new_branch(visitor: Visitor, server: PageServer) -> None:
    server.will(whole("One."), whole("Two."), whole("Another one."))
    visitor.ask("First")
    visitor.ask("Second")
    visitor.questions.first.hover()
    visitor.page.get_by_role("button", name="Edit message").first.click()
    box = visitor.page.get_by_role("textbox", name="Edit message")
    expect(box).to_be_focused()
    box.fill("First, but better")
    visitor.shot("editing")
    box.press("Enter")
    visitor.rest()
    expect(visitor.questions).to_have_text(["First, but better"])
    expect(visitor.replies.locator(".markdown")).to_have_text("Another one.")
    assert server.asked[2].messages == [("user", "First, but better")]
    visitor.questions.first.hover()
    visitor.page.get_by_role("button", name="Earlier version").click()
    expect(visitor.questions).to_have_text(["First", "Second"])


def test_edit_can_be_cancelled(visitor: Visitor, server: PageServer) -> None:
    server.will(whole("One."))
    visitor.ask("First")
    visitor.questions.first.hover()
    visitor.page.get_by_role("button", name="Edit message").click()
    visitor.page.keyboard.press("Escape")
    expect(visitor.questions).to_have_text(["First"])
    expect(visitor.page.get_by_role("button", name="Edit message")).to_be_focused()


def test_reload_keeps_history(visitor: Visitor, server: PageServer) -> None:
    server.will(whole("It *floats*."), whole("Yes."))
    visitor.ask("Does it float?")
    visitor.page.reload()
    visitor.ready()
    expect(visitor.questions).to_have_text(["Does it float?"])
    expect(visitor.replies.locator("em")).to_have_text("floats")
    visitor.ask("Sure?")
    assert len(server.asked[1].messages) == 3


def test_reload_during_reply_offers_retry(visitor: Visitor, server: PageServer) -> None:
    gate = Gate()
    server.will([first(), *text("Once upon"), gate], whole("Once upon a time."))
    visitor.say("Tell me")
    expect(visitor.replies.locator(".markdown")).to_have_text("Once upon")
    visitor.page.reload()
    visitor.ready()
    assert gate.left.wait(30)
    expect(visitor.problem).to_contain_text("interrupted")
    visitor.page.get_by_role("button", name="Try again").click()
    visitor.rest()
    expect(visitor.replies.locator(".markdown")).to_have_text("Once upon a time.")


def test_settings_reach_request_and_stay(visitor: Visitor, server: PageServer) -> None:
    server.will(whole("Arr."), whole("Arr again."))
    visitor.page.get_by_role("button", name="Settings").click()
    visitor.page.get_by_label("System prompt").fill("You are a pirate.")
    visitor.page.get_by_label("Temperature").fill("0.25")
    visitor.page.get_by_label("Seed").fill("7")
    visitor.page.get_by_role("button", name="Save").click()
    visitor.ask("Hello")
    assert server.asked[0].messages[0] == ("system", "You are a pirate.")
    assert {key: server.asked[0].body.get(key) for key in ("temperature", "seed", "top_p")} == {
        "temperature": 0.25,
        "seed": 7,
        "top_p": None,
    }
    visitor.page.reload()
    visitor.ready()
    visitor.ask("Hello again")
    assert server.asked[1].messages[0] == ("system", "You are a pirate.")


def test_conversations_are_renamed_exported_and_deleted(visitor: Visitor, server: PageServer, tmp_path: Path) -> None:
    page = visitor.page
    server.will(whole("Blue."), whole("Green."))
    visitor.ask("What colour is the sea?")
    page.locator("#new-conversation").click()
    expect(visitor.replies).to_have_count(0)
    visitor.ask("What colour is grass?")
    names = page.locator(".conversation")
    expect(names).to_have_text(["What colour is grass?", "What colour is the sea?"])

    page.get_by_role("button", name="Actions for What colour is the sea?").click()
    page.get_by_role("menuitem", name="Rename").click()
    page.get_by_role("dialog").get_by_role("textbox").fill("The sea")
    page.keyboard.press("Enter")
    expect(names).to_have_text(["What colour is grass?", "The sea"])
    names.nth(1).click()
    expect(visitor.replies.locator(".markdown")).to_have_text("Blue.")

    exports = (
        ("Export as Markdown", markdown_is_right),
        ("Export as JSON", json_is_right),
        ("Export as API request", request_is_right),
    )
    for item, check in exports:
        page.get_by_role("button", name="Actions for this conversation").click()
        with page.expect_download() as download:
            page.get_by_role("menuitem", name=item).click()
        file = tmp_path / download.value.suggested_filename
        download.value.save_as(file)
        check(file)

    page.get_by_role("button", name="Actions for The sea").click()
    page.get_by_role("menuitem", name="Delete").click()
    expect(page.get_by_role("dialog")).to_contain_text("The sea")
    visitor.shot("delete")
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(names).to_have_text(["What colour is grass?"])
    page.reload()
    visitor.ready()
    expect(names).to_have_text(["What colour is grass?"])


def markdown_is_right(file: Path) -> None:
    assert file.name == "the-sea.md"
    assert file.read_text() == "# The sea\n\n## You\n\nWhat colour is the sea?\n\n## paper-boat-1b\n\nBlue.\n"


def json_is_right(file: Path) -> None:
    assert file.name == "the-sea.json"
    exported = json.loads(file.read_text())
    assert exported["format"] == "chat-conversations"
    (conversation,) = exported["conversations"]
    assert conversation["title"] == "The sea"
    said = [(message["role"], message["content"]) for message in conversation["messages"].values()]
    assert said == [("user", "What colour is the sea?"), ("assistant", "Blue.")]


def request_is_right(file: Path) -> None:
    assert file.name == "the-sea.request.json"
    assert json.loads(file.read_text()) == {
        "messages": [
            {"role": "user", "content": "What colour is the sea?"},
            {"role": "assistant", "content": "Blue."},
        ]
    }


def test_other_conversation_is_readable_during_reply(visitor: Visitor, server: PageServer) -> None:
    page = visitor.page
    gate = Gate()
    server.will(whole("Blue."), [first(), *text("Gre"), gate, *text("en."), *ending()])
    visitor.ask("The sea?")
    page.locator("#new-conversation").click()
    visitor.say("Grass?")
    expect(visitor.replies.locator(".markdown")).to_have_text("Gre")
    page.locator(".conversation", has_text="The sea?").click()
    expect(visitor.replies.locator(".markdown")).to_have_text("Blue.")
    expect(page.locator("#elsewhere")).to_contain_text("Grass?")
    expect(page.get_by_role("button", name="Stop the reply")).to_be_visible()
    gate.open()
    visitor.rest()
    expect(page.locator("#elsewhere")).to_be_empty()
    page.locator(".conversation", has_text="Grass?").click()
    expect(visitor.replies.locator(".markdown")).to_have_text("Green.")


def test_second_tab_sees_messages_of_first(visitor: Visitor, server: PageServer) -> None:
    other = Visitor(visitor.page.context.new_page(), server.url).come()
    server.will(whole("Blue."))
    visitor.ask("The sea?")
    expect(other.page.locator(".conversation")).to_have_text(["The sea?"])
    other.page.locator(".conversation").click()
    expect(other.replies.locator(".markdown")).to_have_text("Blue.")
    other.judge()


def test_second_tab_follows_a_coming_reply(visitor: Visitor, server: PageServer) -> None:
    gates = [Gate(), Gate()]
    server.will([first(), *text("Gre"), gates[0], *text("en and"), gates[1], *text(" soft."), *ending()], whole("Yes."))
    visitor.say("Grass?")
    expect(visitor.replies.locator(".markdown")).to_have_text("Gre")
    other = Visitor(visitor.page.context.new_page(), server.url).come()
    expect(other.page.locator("#elsewhere")).to_have_text("A reply is coming in another tab.")
    expect(other.problem).to_have_count(0)
    gates[0].open()
    expect(other.replies.locator(".markdown")).to_have_text("Green and")
    other.page.get_by_label("Message", exact=True).fill("Sure?")
    expect(other.page.get_by_role("button", name="Send", exact=True)).to_be_disabled()
    gates[1].open()
    expect(other.replies.locator(".markdown")).to_have_text("Green and soft.")
    expect(other.page.locator("#elsewhere")).to_be_empty()
    other.page.get_by_role("button", name="Send", exact=True).click()
    expect(visitor.replies.nth(1).locator(".markdown")).to_have_text("Yes.")
    assert [content for _, content in server.asked[1].messages] == ["Grass?", "Green and soft.", "Sure?"]
    other.judge()


def test_second_tab_sees_that_the_first_was_closed(visitor: Visitor, server: PageServer) -> None:
    gate = Gate()
    server.will([first(), *text("Once upon"), gate])
    other = Visitor(visitor.page.context.new_page(), server.url).come()
    visitor.say("Tell me")
    expect(visitor.replies.locator(".markdown")).to_have_text("Once upon")
    other.page.locator(".conversation").click()
    expect(other.page.locator("#elsewhere")).to_have_text("A reply is coming in another tab.")
    visitor.page.close()
    expect(other.problem).to_contain_text("interrupted")
    expect(other.page.get_by_role("button", name="Try again")).to_be_enabled()
    other.judge()


def test_second_tab_has_the_theme_of_the_first(visitor: Visitor, server: PageServer) -> None:
    other = Visitor(visitor.page.context.new_page(), server.url).come()
    visitor.page.get_by_role("button", name="Theme").click()
    expect(other.page.get_by_role("button", name="Theme")).to_have_text("Theme: light")
    other.judge()


def test_browser_without_storage_warns_and_chats(visit: Visit, server: PageServer) -> None:
    visitor = visit()
    visitor.page.add_init_script("delete Window.prototype.indexedDB; delete window.indexedDB;")
    visitor.page.reload()
    visitor.ready()
    expect(visitor.page.locator("#not-kept")).to_be_visible()
    server.will(whole("Hello."))
    visitor.ask("Hi")
    expect(visitor.replies.locator(".markdown")).to_have_text("Hello.")
    expect(visitor.page.locator(".conversation")).to_have_text(["Hi"])


def test_copy_buttons_copy_text(visit: Visit, server: PageServer) -> None:
    visitor = visit(permissions=["clipboard-read", "clipboard-write"])
    reply = "Like so:\n\n```python\nprint('boat')\n```"
    server.will(whole(reply))
    visitor.ask("How?")
    visitor.page.get_by_role("button", name="Copy code").click()
    expect(visitor.page.locator(".copied")).to_have_count(1)
    assert visitor.page.evaluate("navigator.clipboard.readText()") == "print('boat')"
    visitor.page.get_by_role("button", name="Copy reply").click()
    expect(visitor.page.locator(".reply > .foot .copied")).to_have_count(1)
    assert visitor.page.evaluate("navigator.clipboard.readText()") == reply


def test_theme_stays_after_reload(visit: Visit) -> None:
    visitor = visit(color_scheme="light")
    button = visitor.page.get_by_role("button", name="Theme")
    paper = "getComputedStyle(document.body).backgroundColor"
    light = visitor.page.evaluate(paper)
    button.click()
    button.click()
    expect(button).to_have_text("Theme: dark")
    dark = visitor.page.evaluate(paper)
    assert dark != light
    visitor.page.reload()
    visitor.ready()
    assert visitor.page.evaluate(paper) == dark
