"""Security headers on every kind of response."""

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
def test_security_headers_are_on_every_response(function: ServedFunction, path: str, body: object) -> None:
    _, headers, _ = function.exchange(path, body)
    assert {name.lower() for name in HEADERS} <= set(headers), headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "gunicorn/" not in headers.get("server", "")


def test_request_fields_name_no_file_or_url(function: ServedFunction) -> None:
    """No endpoint takes a URL or a path: a caller cannot make the function read another place."""
    document = function.get("/openapi.json")[1]
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    asked = json.dumps([[each.get("requestBody"), each.get("parameters")] for each in operations])
    schemas, seen = document["components"]["schemas"], set[str]()
    names: set[str] = set()
    left = [part for part in asked.split('"') if part.startswith("#/components/schemas/")]
    while left:
        name = left.pop().rpartition("/")[2]
        if name in seen:
            continue
        seen.add(name)
        properties = schemas[name].get("properties", {})
        # A field whose only values are empty, as `lora: []`, names nothing.
        names |= {field for field, schema in properties.items() if any(schema.get("enum", [True]))}
        left += [part for part in json.dumps(schemas[name]).split('"') if part.startswith("#/components/schemas/")]
    assert "messages" in names
    assert not names & {"url", "uri", "path", "filename", "file_id", "image_url", "grammar_file", "lora", "model_path"}
