"""Generation stream: a request's way to the model, and its release."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from function.app import create_app
from function.lifecycle.service import Service
from function.settings import Settings
from tests.servers.doors import WAIT_SECONDS

ENDLESS = {"messages": [{"role": "user", "content": "hi"}], "ignore_eos": True, "stream": True}


@pytest.fixture(scope="module")
def service(slow_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(Settings(model_uri=str(slow_model), model_cache_dir=tmp_path_factory.mktemp("cache"), n_ctx=8192))
    service.start()
    assert service.await_ready(WAIT_SECONDS).state == "ready"
    yield service
    service.close()


@pytest.fixture
def client(service: Service) -> FlaskClient:
    return create_app(service).test_client()


def test_closed_stream_cancels_its_generation_and_leaves_the_queue(client: FlaskClient, service: Service) -> None:
    response = client.post("/v1/chat/completions", json=ENDLESS, buffered=False)
    assert any(b"data: " in piece for piece in response.iter_encoded())
    generation = service.runner._running
    assert generation is not None
    assert (generation.end_reason, len(service.runner.queue)) == (None, 1)
    response.close()
    assert (generation.end_reason, len(service.runner.queue)) == ("cancelled", 0)
