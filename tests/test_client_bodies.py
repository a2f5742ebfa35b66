"""Bodies from clients' documentation: each is answered, or rejected for a field that would change the reply."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.client_bodies import BODIES, ClientBody
from tests.clients import model
from tests.servers.doors import ServedFunction, serving


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedFunction]:
    tmp = tmp_path_factory.mktemp("bodies")
    with serving(tmp, MODEL_URI=str(model.write(tmp / "clients.gguf")), MAX_TOKENS="12") as running:
        running.wait("ready")
        yield running


def test_corpus_has_many_distinct_bodies() -> None:
    assert len(BODIES) >= 120
    assert len({(body.client, body.path) for body in BODIES}) == len(BODIES)
    assert sum(body.rejected is not None for body in BODIES) < len(BODIES) / 5


@pytest.mark.parametrize("sent", BODIES, ids=lambda sent: f"{sent.path} {sent.client}")
def test_body_is_answered_unless_a_field_changes_the_reply(function: ServedFunction, sent: ClientBody) -> None:
    status, answer = function.ask(sent.path, sent.body)
    if sent.rejected is None:
        assert status == 200, answer
        return
    found: Any = answer["error"]
    assert status == 400, answer
    assert str(found["param"]).startswith(sent.rejected), found
    assert sent.rejected.rpartition(".")[2] in found["message"]
