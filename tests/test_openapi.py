"""/openapi.json describes requests and replies, and costs nothing before the first request for it."""

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from openapi_spec_validator import validate

from function.app import create_app
from function.lifecycle.service import Service
from function.settings import Settings
from function.web.docs.openapi import document
from tests.servers.doors import ServedFunction, serving


@pytest.fixture(scope="module")
def function(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[ServedFunction]:
    with serving(tmp_path_factory.mktemp("openapi"), MODEL_URI=str(tiny_model), API_KEY="k") as running:
        yield running


def test_document_is_valid_openapi_3_1() -> None:
    for guarded in (True, False):
        validate(document(guarded))
        assert document(guarded)["openapi"].startswith("3.1")


def test_document_has_exactly_the_routes() -> None:
    app = create_app(Service(Settings.from_env({})))
    routes = {
        (str(method).lower(), rule.rule.replace("<path:name>", "{name}"))
        for rule in app.url_map.iter_rules()
        for method in rule.methods or ()
        if method not in ("HEAD", "OPTIONS")
    }
    documented = {(method, path) for path, operations in document(True)["paths"].items() for method in operations}
    assert documented == routes


def test_document_bodies_are_request_models() -> None:
    schemas = document(True)["components"]["schemas"]
    chat = schemas["ChatCompletion"]["properties"]
    assert chat["temperature"]["anyOf"] == [{"maximum": 100, "minimum": 0, "type": "number"}, {"type": "null"}]
    assert chat["top_logprobs"]["default"] == 0
    assert chat["best_of"]["enum"] == [1, None]
    assert chat["n"]["anyOf"] == [{"maximum": 8, "minimum": 1, "type": "integer"}, {"type": "null"}]
    assert "user" in chat
    assert "user" not in schemas["Tokenize"]["properties"]
    assert schemas["Tokenize"]["required"] == ["content"]
    assert schemas["Tokenize"]["additionalProperties"] is True
    assert "description" in chat["user"]


def test_document_requires_key_where_one_is_set() -> None:
    def security(guarded: bool, path: str, method: str) -> Any:
        return document(guarded)["paths"][path][method].get("security")

    assert security(True, "/", "post") == [{"bearer": []}, {"key": []}]
    assert {} in security(False, "/", "post")
    assert security(True, "/", "get") is None


def test_document_and_docs_need_no_key(function: ServedFunction) -> None:
    status, documented = function.get("/openapi.json")
    assert (status, documented) == (200, json.loads(json.dumps(document(True))))
    status, headers, text = function.exchange("/docs", None)
    assert status == 200
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'sha256-")
    assert "Answer a conversation" in text
    assert function.exchange("/docs", None, {"If-None-Match": headers["etag"]})[0] == 304


def test_docs_are_compressed(function: ServedFunction) -> None:
    with urlopen(Request(f"{function.url}/docs", headers={"Accept-Encoding": "gzip"})) as response:
        data = response.read()
    assert response.headers["Content-Encoding"] == "gzip"
    assert len(data) < 600_000
    assert gzip.decompress(data).startswith(b"<!DOCTYPE html>")


def test_docs_are_not_imported_with_main() -> None:
    code = (
        "import sys; import function.main; "
        "late = ['function.web.docs.openapi', 'function.web.docs.swagger', 'flask_swagger_ui', 'numpy', "
        "'function.web.request.responses', 'function.web.request.anthropic_messages', 'function.web.reply.blocks']; "
        "sys.exit(', '.join(name for name in late if name in sys.modules) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], env={"PATH": ""}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
