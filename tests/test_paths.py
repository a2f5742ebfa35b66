"""Paths that clients probe, in every spelling."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from function.web.paths import canonical_path
from tests.servers.doors import ServedFunction, serving
from tests.servers.gated import gated_store

CHAT: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 2}


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[ServedFunction]:
    with serving(tmp_path_factory.mktemp("paths"), MODEL_URI=str(tiny_model), N_CTX="512") as running:
        running.wait("ready")
        yield running


@pytest.mark.parametrize(
    ("path", "canonical"),
    [
        ("/", "/"),
        ("//", "/"),
        ("", "/"),
        ("/chat/", "/chat"),
        ("/v1//chat///completions/", "/v1/chat/completions"),
        ("/chat/completions", "/v1/chat/completions"),
        ("/models/", "/v1/models"),
        ("/v1/health", "/health/ready"),
        ("/v1/models/a/b", "/v1/models/a/b"),
    ],
)
def test_canonical_path_has_one_spelling(path: str, canonical: str) -> None:
    assert canonical_path(path) == canonical


@pytest.mark.parametrize(
    "path", ["/health", "/health/", "/v1/health", "//health", "/models", "/v1/models/", "/v1//models"]
)
def test_probed_path_is_answered_without_redirect(function: ServedFunction, path: str) -> None:
    status, headers, _ = function.exchange(path, None)
    assert status == 200
    assert "location" not in headers


@pytest.mark.parametrize(
    "path", ["/chat/completions", "/v1/chat/completions/", "/v1//chat/completions", "//chat/completions"]
)
def test_chat_path_is_answered_in_every_spelling(function: ServedFunction, path: str) -> None:
    status, answer = function.ask(path, CHAT)
    assert (status, answer["object"]) == (200, "chat.completion")


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/", "//v1"])
def test_openai_client_chats_with_any_base_url(function: ServedFunction, suffix: str) -> None:
    with openai.OpenAI(base_url=function.url + suffix, api_key="none", max_retries=0) as client:
        assert client.chat.completions.create(model="any", **CHAT).choices[0].finish_reason
        assert next(iter(client.models.list())).id == "tiny random"


def test_key_is_required_in_every_spelling(tmp_path: Path, tiny_model: Path) -> None:
    with serving(tmp_path, MODEL_URI=str(tiny_model), API_KEY="k") as guarded:
        for path in ("/models", "/v1/models/", "//v1/models", "/chat/completions", "/props"):
            assert guarded.ask(path, None if "chat" not in path else CHAT)[0] == 401
        assert guarded.get("/health")[0] in (200, 503)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/v1/chat/completion", "Did you mean POST /v1/chat/completions?"),
        ("/v1/chat/Completions", "Did you mean POST /v1/chat/completions?"),
        ("/v1/completion", "Did you mean POST /v1/completions?"),
        ("/metric", "Did you mean GET /metrics?"),
        ("/v1/audio/speech", "Chat with POST /v1/chat/completions or POST /chat."),
    ],
)
def test_unknown_path_is_a_json_404_that_names_the_nearest(function: ServedFunction, path: str, message: str) -> None:
    status, answer = function.ask(path, {})
    assert (status, answer["error"]["code"]) == (404, "not_found")
    assert answer["error"]["message"] == f"No such path. {message}"


def test_model_card_has_context_sizes(function: ServedFunction) -> None:
    (card,) = function.get("/v1/models")[1]["data"]
    assert card["context_length"] == card["max_model_len"] == card["meta"]["n_ctx"] == 512
    assert card["meta"]["n_ctx_train"] >= 512
    assert function.get("/v1/models/any/name")[1] == card


def test_properties_describe_loaded_model(function: ServedFunction) -> None:
    status, answer = function.get("/props")
    assert status == 200
    assert answer["default_generation_settings"]["n_ctx"] == 512
    assert answer["default_generation_settings"]["params"]["top_k"] == 40
    assert answer["total_slots"] == 1
    assert answer["model_alias"] == "tiny random"
    assert "message" in answer["chat_template"]
    assert answer["modalities"] == {"vision": False, "audio": False}


def test_health_and_model_card_answer_before_model_is_loaded(tmp_path: Path, tiny_model: Path) -> None:
    with gated_store(tiny_model) as (uri, gate), serving(tmp_path, MODEL_URI=uri) as loading:
        loading.wait("fetching")
        assert loading.get("/health")[0] == 503
        assert loading.get("/props")[1]["error"]["code"] == "unavailable"
        (card,) = loading.get("/v1/models")[1]["data"]
        assert "context_length" not in card
        gate.set()
        loading.wait("ready")
        assert loading.get("/health")[0] == 200


def test_context_overflow_has_both_numbers_as_fields(function: ServedFunction) -> None:
    body = {"messages": [{"role": "user", "content": "word " * 2000}]}
    for stream in (False, True):
        status, answer = function.ask("/v1/chat/completions", body | {"stream": stream})
        assert (status, answer["error"]["code"]) == (400, "context_length_exceeded")
        assert answer["error"]["n_ctx"] == 512
        assert answer["error"]["n_prompt_tokens"] > 2000


def test_permanent_load_failure_is_503_for_streams_too(tmp_path: Path) -> None:
    with serving(tmp_path, MODEL_URI=str(tmp_path / "none.gguf")) as broken:
        broken.wait("failed")
        for body in (CHAT, CHAT | {"stream": True}):
            status, headers, text = broken.exchange("/v1/chat/completions", body)
            assert (status, headers["x-should-retry"]) == (503, "false")
            assert "model_not_found" in text
        with (
            openai.OpenAI(base_url=f"{broken.url}/v1", api_key="none", max_retries=3) as client,
            pytest.raises(openai.InternalServerError, match=r"none\.gguf"),
        ):
            client.chat.completions.create(model="any", stream=True, **CHAT)
