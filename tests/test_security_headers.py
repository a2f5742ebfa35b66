"""Every response, whatever it is, tells browsers to take it for nothing else."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from function.web.security_headers import HEADERS
from tests.servers.doors import ServedFunction, serving


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[ServedFunction]:
    with serving(tmp_path_factory.mktemp("headers"), MODEL_URI=str(tiny_model)) as running:
        running.wait("ready")
        yield running


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/", None),
        ("/chat", {"prompt": "hi", "max_tokens": 2}),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 2, "stream": True}),
        ("/v1/models", None),
        ("/health/live", None),
        ("/health/ready", None),
        ("/events", {}),
        ("/metrics", None),
        ("/no/such/path", None),
        ("/chat", b"{"),
    ],
)
def test_every_response_is_for_what_it_says(function: ServedFunction, path: str, body: object) -> None:
    _, headers, _ = function.exchange(path, body)
    assert {name.lower() for name in HEADERS} <= set(headers), headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "gunicorn/" not in headers.get("server", "")


def test_no_request_names_anything_that_would_be_opened(function: ServedFunction) -> None:
    """No endpoint takes a URL or a path: whoever asks cannot make the function read another place."""
    document = function.get("/openapi.json")[1]
    asked = json.dumps([operation for path in document["paths"].values() for operation in path.values()])
    schemas, seen = document["components"]["schemas"], set[str]()
    names: set[str] = set()
    left = [part for part in asked.split('"') if part.startswith("#/components/schemas/")]
    while left:
        name = left.pop().rpartition("/")[2]
        if name in seen:
            continue
        seen.add(name)
        names |= set(schemas[name].get("properties", ()))
        left += [part for part in json.dumps(schemas[name]).split('"') if part.startswith("#/components/schemas/")]
    assert "messages" in names
    assert not names & {"url", "uri", "path", "filename", "file_id", "image_url", "grammar_file", "lora", "model_path"}
