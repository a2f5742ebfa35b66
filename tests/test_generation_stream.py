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


def test_cached_tokens_of_a_reply_are_counted_once_for_all_its_choices(client: FlaskClient) -> None:
    body = {"messages": [{"role": "user", "content": "How many?"}], "max_tokens": 2, "n": 2}
    first, second = (client.post("/v1/chat/completions", json=body, headers={"X-Receipt": "1"}).json for _ in range(2))
    assert first is not None
    assert second is not None
    prompt = first["usage"]["prompt_tokens"]
    assert first["usage"]["prompt_tokens_details"]["cached_tokens"] < prompt - 1
    assert second["usage"]["prompt_tokens_details"]["cached_tokens"] == prompt - 1
    assert second["usage"]["completion_tokens"] == 4
    tokens = second["receipt"]["tokens"]
    assert (tokens["prompt"], tokens["cached"], tokens["completion"]) == (prompt, prompt - 1, 4)


def test_metrics_have_the_memory_of_the_container_and_its_limit(client: FlaskClient) -> None:
    text = client.get("/metrics").text
    used, limit = (
        float(line.rpartition(" ")[2])
        for kind in ("used", "limit")
        for line in text.splitlines()
        if line.startswith(f'chat_memory_bytes{{kind="{kind}"}}')
    )
    assert 0 < used < limit
