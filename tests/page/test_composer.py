"""The message box: drafts, the queue, attached files."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.page.conftest import PDFS, Visit, Visitor
from tests.servers.page_server import Gate, PageServer, RejectedReply, ending, failure, first, text, whole

DRAFT = "JSON.parse(localStorage.getItem('chat:/:draft:new'))"
SLOW_FILES = """() => {
    const read = Blob.prototype.arrayBuffer;
    const gate = new Promise((resolve) => { window.readOn = resolve; });
    Blob.prototype.arrayBuffer = async function () { await gate; return read.call(this); };
}"""
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 760}, "is_mobile": True, "has_touch": True}


def box(visitor: Visitor) -> Locator:
    return visitor.page.get_by_label("Message", exact=True)


def test_a_draft_survives_a_reload(visitor: Visitor) -> None:
    box(visitor).fill("A long thought")
    visitor.page.reload()
    visitor.ready()
    expect(box(visitor)).to_have_value("A long thought")


def test_each_conversation_has_its_own_draft(visitor: Visitor, server: PageServer) -> None:
    server.will(whole("Blue."))
    visitor.ask("The sea?")
    box(visitor).fill("draft in one")
    visitor.page.locator("#new-conversation").click()
    expect(box(visitor)).to_have_value("")
    box(visitor).fill("draft in another")
    visitor.page.locator(".conversation").click()
    expect(box(visitor)).to_have_value("draft in one")


def test_enter_during_a_reply_queues_the_message(visitor: Visitor, server: PageServer) -> None:
    gate = Gate()
    server.will([first(), *text("On"), gate, *text("e."), *ending()], whole("Two."))
    visitor.say("First")
    expect(visitor.replies.locator(".markdown")).to_have_text("On")
    box(visitor).fill("Second")
    visitor.page.keyboard.press("Enter")
    expect(visitor.page.get_by_role("group", name="Queued message")).to_contain_text("Second")
    expect(box(visitor)).to_have_value("")
    visitor.shot("queued")
    gate.open()
    expect(visitor.replies.nth(1).locator(".markdown")).to_have_text("Two.")
    assert server.asked[1].messages[-1] == ("user", "Second")
    expect(visitor.page.locator("#queued")).to_be_hidden()


def test_a_queued_message_can_be_sent_by_touch(visit: Visit, server: PageServer) -> None:
    visitor = visit(**PHONE)
    gate = Gate()
    server.will([first(), gate, *text("One."), *ending()], whole("Two."))
    visitor.say("First")
    assert gate.reached.wait(30)
    box(visitor).fill("Second")
    visitor.page.get_by_role("button", name="Send after this reply").tap()
    gate.open()
    expect(visitor.replies.nth(1).locator(".markdown")).to_have_text("Two.")


def test_a_queued_message_is_a_draft_again_when_the_reply_fails(visitor: Visitor, server: PageServer) -> None:
    gate = Gate()
    server.will([first(), gate, failure("The engine failed.")])
    visitor.say("First")
    assert gate.reached.wait(30)
    box(visitor).fill("Second")
    visitor.page.keyboard.press("Enter")
    gate.open()
    visitor.rest()
    expect(box(visitor)).to_have_value("Second")
    assert len(server.asked) == 1


def test_a_queued_message_is_a_draft_again_after_a_reload(visitor: Visitor, server: PageServer) -> None:
    gate = Gate()
    server.will([first(), gate])
    visitor.say("First")
    assert gate.reached.wait(30)
    box(visitor).fill("Second")
    visitor.page.keyboard.press("Enter")
    expect(visitor.page.locator("#queued")).to_be_visible()
    visitor.page.reload()
    visitor.ready()
    expect(box(visitor)).to_have_value("Second")


def test_a_text_file_goes_with_the_message(visitor: Visitor, server: PageServer) -> None:
    server.will(whole("A boat."))
    file = {"name": "<b>boat</b>.py", "mimeType": "text/x-python", "buffer": b"print('```')\n"}
    visitor.page.locator("#files").set_input_files(files=[file])  # type: ignore[arg-type]  # a FilePayload
    expect(visitor.page.locator(".chip")).to_contain_text("<b>boat</b>.py")
    expect(visitor.page.locator(".chip")).to_contain_text("about 4 tokens")
    visitor.shot("attached")
    visitor.ask("What is this?")
    assert server.asked[0].messages == [
        ("user", "File: <b>boat</b>.py\n````\nprint('```')\n````\n\nWhat is this?"),
    ]
    expect(visitor.page.locator(".question .file summary")).to_contain_text("<b>boat</b>.py")
    visitor.page.locator(".question .file summary").click()
    expect(visitor.page.locator(".question .file pre")).to_have_text("print('```')\n")


def attach_pdf(visitor: Visitor, name: str) -> None:
    visitor.page.locator("#files").set_input_files(PDFS / name)


def test_the_text_of_a_pdf_goes_with_the_message_and_nothing_is_requested(visitor: Visitor, server: PageServer) -> None:
    server.will(whole("It does."))
    attach_pdf(visitor, "reportlab.pdf")
    expect(visitor.page.locator(".chip")).to_contain_text("reportlab.pdf")
    expect(visitor.page.locator(".chip")).to_contain_text("about 35 tokens")
    visitor.ask("Does it float?")
    ((_, asked),) = server.asked[0].messages
    assert asked.startswith("File: reportlab.pdf\n```\nPaper boats\nA boat of paper floats until it is soaked.")
    assert asked.endswith("\n\nthick 120 g\n```\n\nDoes it float?")
    visitor.page.locator(".question .file summary").click()
    expect(visitor.page.locator(".question .file pre")).to_contain_text("“fine” – said Zoë.")
    assert sorted(server.paths) == ["/", "/health/ready", "/v1/chat/completions", "/v1/models"]


def test_a_pdf_of_the_browser_has_its_text(visitor: Visitor, tmp_path: Path) -> None:
    printed = visitor.page.context.new_page()
    printed.set_content("<h1>Résumé</h1><p>A boat <b>floats</b>: 12 € for 3 ﬁne ones.</p><p>" + "word " * 300 + "</p>")
    printed.pdf(path=tmp_path / "printed.pdf")
    visitor.page.locator("#files").set_input_files(tmp_path / "printed.pdf")
    visitor.page.get_by_role("button", name="Send", exact=True).wait_for()
    expect(visitor.page.locator(".chip")).to_contain_text("printed.pdf")
    draft = visitor.page.evaluate(DRAFT)
    assert draft["files"][0]["text"].startswith("Résumé\nA boat floats: 12 € for 3 fine ones.\n\nword word")
    assert draft["files"][0]["text"].count("word") == 300


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("pillow-scan.pdf", "“pillow-scan.pdf” has no text. It may be a scan."),
        ("qpdf-encrypted.pdf", "“qpdf-encrypted.pdf” is encrypted and cannot be read here."),
        ("truncated.pdf", "“truncated.pdf” is damaged."),
    ],
)
def test_a_pdf_without_readable_text_is_rejected_in_words(
    visitor: Visitor, tmp_path: Path, name: str, sentence: str
) -> None:
    (tmp_path / "truncated.pdf").write_bytes((PDFS / "fpdf2.pdf").read_bytes()[:300])
    visitor.page.locator("#files").set_input_files((tmp_path if name == "truncated.pdf" else PDFS) / name)
    expect(visitor.page.get_by_role("alert")).to_have_text(sentence)
    expect(visitor.page.locator(".chip")).to_have_count(0)


def test_a_message_waits_for_its_files(visitor: Visitor, server: PageServer) -> None:
    """Sending while a file is still read would leave the file behind."""
    server.will(whole("Read."))
    page = visitor.page
    page.evaluate(SLOW_FILES)
    attach_pdf(visitor, "reportlab.pdf")
    expect(page.locator(".chip")).to_have_text("Reading a file…")
    box(visitor).fill("Does it float?")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_disabled()
    page.evaluate("window.readOn()")
    expect(page.locator(".chip")).to_contain_text("reportlab.pdf")
    visitor.page.get_by_role("button", name="Send", exact=True).click()
    visitor.rest()
    assert server.asked[0].messages[0][1].startswith("File: reportlab.pdf")


def test_a_file_that_is_no_text_is_rejected_in_words(visitor: Visitor) -> None:
    file = {"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": b"\xff\xd8\x00\x01"}
    visitor.page.locator("#files").set_input_files(files=[file])  # type: ignore[arg-type]  # a FilePayload
    expect(visitor.page.get_by_role("alert")).to_have_text("“photo.jpg” is neither text nor a PDF file.")
    expect(visitor.page.locator(".chip")).to_have_count(0)


DROP = """() => {
    const carried = new DataTransfer();
    carried.items.add(new File(["a,b"], "table.csv", { type: "text/csv" }));
    const event = (name) => new DragEvent(name, { dataTransfer: carried, bubbles: true, cancelable: true });
    const over = event("dragover");
    document.querySelector("#thread").dispatchEvent(over);
    document.querySelector("#thread").dispatchEvent(event("drop"));
    return over.defaultPrevented;
}"""
PASTE = """(text) => {
    const carried = new DataTransfer();
    carried.setData("text/plain", text);
    const event = new ClipboardEvent("paste", { clipboardData: carried, bubbles: true, cancelable: true });
    document.querySelector("#message").dispatchEvent(event);
}"""


def test_a_dropped_file_is_attached_and_does_not_replace_the_page(visitor: Visitor) -> None:
    assert visitor.page.evaluate(DROP)
    expect(visitor.page.locator(".chip")).to_contain_text("table.csv")
    visitor.page.get_by_role("button", name="Remove table.csv").click()
    expect(visitor.page.locator(".chip")).to_have_count(0)


def test_a_long_paste_becomes_a_file(visitor: Visitor) -> None:
    visitor.page.evaluate(PASTE, "word " * 1000)
    expect(visitor.page.locator(".chip")).to_contain_text("pasted.txt")
    visitor.page.reload()
    visitor.ready()
    expect(visitor.page.locator(".chip")).to_contain_text("pasted.txt")


def test_the_context_gauge_counts_the_conversation(visit: Visit, server: PageServer) -> None:
    server.model = {"id": "paper-boat", "meta": {"n_ctx": 1024}}
    visitor = visit()
    server.will(whole("Hello."), [first(), *text("More."), *ending(tokens=900)])
    visitor.ask("Hi")
    gauge = visitor.page.locator("#gauge")
    expect(gauge).to_contain_text("32 of 1,024 tokens")
    visitor.ask("Go on")
    expect(gauge).to_contain_text("920 of 1,024 tokens")
    assert "nearly-full" in str(gauge.get_attribute("class"))


@pytest.mark.parametrize("reason", ["length", "stopped"])
def test_a_cut_reply_can_be_continued(visitor: Visitor, server: PageServer, reason: str) -> None:
    gate = Gate()
    cut = whole("Once upon", "length") if reason == "length" else [first(), *text("Once upon"), gate]
    server.will(cut, whole(" a time."))
    visitor.say("Tell me")
    if reason == "stopped":
        expect(visitor.replies.locator(".markdown")).to_have_text("Once upon")
        visitor.page.keyboard.press("Escape")
    visitor.page.get_by_role("button", name="Continue").click()
    expect(visitor.replies.locator(".markdown")).to_have_text("Once upon a time.")
    visitor.rest()
    assert server.asked[1].messages == [("user", "Tell me"), ("assistant", "Once upon")]
    assert server.asked[1].body["continue_final_message"] is True
    assert server.asked[1].body["add_generation_prompt"] is False
    expect(visitor.page.get_by_role("button", name="Continue")).to_have_count(0)


def test_a_model_that_cannot_continue_keeps_the_reply(visitor: Visitor, server: PageServer) -> None:
    visitor.failures_expected = True
    refusal = RejectedReply(
        400, "continue_final_message: not written.", "x", {"x-should-retry": "false"}, "continue_final_message"
    )
    server.will(whole("Once upon", "length"), refusal, whole(" a time."))
    visitor.ask("Tell me")
    visitor.page.get_by_role("button", name="Continue").click()
    expect(visitor.problem).to_contain_text("This model cannot continue a reply. Ask it for the rest in a message.")
    expect(visitor.problem.get_by_role("button")).to_have_count(0)
    expect(visitor.replies.locator(".markdown")).to_have_text("Once upon")
    visitor.ask("And then?")
    assert server.asked[2].messages == [("user", "Tell me"), ("assistant", "Once upon"), ("user", "And then?")]


def test_a_suggestion_is_sent(visitor: Visitor, server: PageServer) -> None:
    server.will(whole("It is 42."))
    visitor.page.get_by_role("button", name="Write a short poem about the sea.").click()
    expect(visitor.replies.locator(".markdown")).to_have_text("It is 42.")
    assert server.asked[0].messages == [("user", "Write a short poem about the sea.")]
