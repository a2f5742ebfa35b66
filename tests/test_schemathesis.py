"""Requests that /openapi.json allows, and many that it forbids, to a running function."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from function.web.docs.openapi import document
from tests.bert import random_bert, write_bert
from tests.servers.doors import WAIT_SECONDS, ServedFunction, serving

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
KEY = "open sesame"
API = schemathesis.openapi.from_dict(document(True))
FOUND = [found.ok() for found in API.get_all_operations() if isinstance(found, Ok)]
OPERATIONS = {operation.label: operation for operation in FOUND}
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[ServedFunction]:
    with serving(
        tmp_path_factory.mktemp("schemathesis"), MODEL_URI=str(tiny_model), MAX_TOKENS="4", API_KEY=KEY
    ) as running:
        running.wait("ready")
        yield running


@pytest.fixture(scope="module", params=["POST /v1/embeddings", "POST /v1/rerank"])
def reader(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ServedFunction, str]]:
    """Serve an embedding model or a reranker; yield it with its own operation."""
    folder = tmp_path_factory.mktemp("reader")
    ranks = request.param == "POST /v1/rerank"
    path = write_bert(folder / "bert.gguf", random_bert(classifier=ranks), pooling=4 if ranks else 1)
    with serving(folder, MODEL_URI=str(path), API_KEY=KEY) as running:
        running.wait("ready")
        yield running, request.param


def ask(function: ServedFunction, operation: str, mode: GenerationMode, examples: int) -> None:
    """Send the same examples each time, without a time limit: machines are busy."""

    @settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=OPERATIONS[operation].as_strategy(generation_mode=mode))
    def run(case: Any) -> None:
        case.call_and_validate(
            base_url=function.url, checks=CHECKS, headers={"Authorization": f"Bearer {KEY}"}, timeout=WAIT_SECONDS
        )

    run()


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.value)
@pytest.mark.parametrize("operation", [name for name, found in OPERATIONS.items() if found.body])
def test_operation_with_body_conforms_to_document(
    function: ServedFunction, operation: str, mode: GenerationMode
) -> None:
    ask(function, operation, mode, 12)


@pytest.mark.parametrize("operation", [name for name, found in OPERATIONS.items() if not found.body])
def test_operation_without_body_conforms_to_document(function: ServedFunction, operation: str) -> None:
    ask(function, operation, GenerationMode.POSITIVE, 3)


def test_operations_conform_for_embedding_models_and_rerankers(reader: tuple[ServedFunction, str]) -> None:
    function, own = reader
    for mode in MODES:
        ask(function, own, mode, 20)
    for other in ("POST /v1/chat/completions", "POST /tokenize", "GET /v1/models", "GET /props", "GET /events"):
        ask(function, other, GenerationMode.POSITIVE, 3)


@pytest.mark.slow
def test_own_operation_conforms_for_many_examples(reader: tuple[ServedFunction, str]) -> None:
    for mode in MODES:
        ask(*reader, mode, 500)


@pytest.mark.parametrize("operation", ["POST /v1/chat/completions", "POST /v1/completions", "POST /chat"])
def test_stream_events_conform_to_document(function: ServedFunction, operation: str) -> None:
    asked: dict[str, Any] = {"prompt": "hi"}
    if "/chat/" in operation:
        asked = {"messages": [{"role": "user", "content": "hi"}]}
    headers = {"Authorization": f"Bearer {KEY}", "Accept": "text/event-stream"}
    case = OPERATIONS[operation].Case(body=asked | {"stream": True}, media_type="application/json")
    reply = case.call_and_validate(base_url=function.url, checks=CHECKS, headers=headers, timeout=WAIT_SECONDS)
    assert b"data: [DONE]" in reply.content


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.value)
@pytest.mark.parametrize("operation", [name for name, found in OPERATIONS.items() if found.body])
def test_operation_conforms_for_many_examples(function: ServedFunction, operation: str, mode: GenerationMode) -> None:
    ask(function, operation, mode, 500)
