"""The state of the model, as the page shows it before the first message."""

from playwright.sync_api import expect

from tests.page.conftest import Visit, Visitor
from tests.servers.page_server import Gate, PageServer, RejectedReply, comment, whole

MODEL = {"id": "Paper-Boat-7B-Instruct-Q4_K_M", "object": "model", "meta": {"n_ctx": 4096}}


def test_a_ready_model_is_named_with_its_quantisation_and_context(visit: Visit, server: PageServer) -> None:
    server.model = MODEL
    visitor = visit()
    expect(visitor.page.get_by_role("img", name="The model is ready")).to_be_visible()
    expect(visitor.page.locator("#welcome-model")).to_have_text(
        "Paper-Boat-7B-Instruct · Q4_K_M · 4,096 tokens of context"
    )
    visitor.page.wait_for_timeout(1500)
    assert sorted(server.paths) == ["/", "/health/ready", "/v1/models"], "it asks once"


def test_a_cold_start_is_shown_before_the_first_message(visit: Visit, server: PageServer) -> None:
    server.states = [{"state": "fetching", "done": 0.41, "eta": 3.2}]
    visitor = visit()
    page = visitor.page
    expect(page.get_by_role("img", name="The model is starting")).to_be_visible()
    expect(page.locator(".welcome .wait-phase")).to_have_text("Fetching the model")
    expect(page.locator(".welcome .wait-detail")).to_have_text("41% · about 3 s left")
    visitor.shot("cold-open")
    server.states = [{"state": "ready"}]
    expect(page.get_by_role("img", name="The model is ready")).to_be_visible()
    expect(page.locator(".welcome .wait")).to_have_count(0)


def test_nothing_is_requested_while_a_reply_streams(visit: Visit, server: PageServer) -> None:
    server.states = [{"state": "fetching", "done": 0.1}]
    visitor = visit()
    gate = Gate()
    server.will([comment("fetching 20%"), gate, *whole("Awake.")])
    visitor.say("Hi")
    assert gate.reached.wait(30)
    asked = len(server.paths)
    visitor.page.wait_for_timeout(2500)
    assert len(server.paths) == asked
    expect(visitor.page.get_by_role("img", name="The model is starting")).to_be_visible()
    gate.open()
    visitor.rest()
    expect(visitor.page.get_by_role("img", name="The model is ready")).to_be_visible()


def test_a_failed_model_is_not_green(visit: Visit, server: PageServer) -> None:
    server.states = [{"state": "failed", "error": {"message": "/models/boat.gguf: no such file."}}]
    visitor = visit()
    expect(visitor.page.get_by_role("img", name="The model is not available")).to_be_visible()
    expect(visitor.page.locator("#welcome-state")).to_have_text(
        "The model is not available at the moment. /models/boat.gguf: no such file."
    )
    visitor.shot("failed-open")


def test_a_visitor_does_not_see_why_the_model_failed(visit: Visit, server: PageServer) -> None:
    server.states = [{"state": "failed", "error": {"message": "/models/boat.gguf: no such file."}}]
    visitor = visit(server.url.replace("127.0.0.1", "chat.example"))
    expect(visitor.page.locator("#welcome-state")).to_have_text("The model is not available at the moment.")


def test_a_failed_reply_changes_the_state(visitor: Visitor, server: PageServer) -> None:
    visitor.failures_expected = True
    server.will(RejectedReply(503, "There is no such model.", "model_not_found"), whole("Back."))
    visitor.ask("Hello?")
    expect(visitor.page.get_by_role("img", name="The model is not available")).to_be_visible()
    visitor.page.get_by_role("button", name="Try again").click()
    visitor.rest()
    expect(visitor.page.get_by_role("img", name="The model is ready")).to_be_visible()
