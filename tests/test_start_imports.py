"""Modules that are imported, and bodies of requests that are built, before the first token of a new instance."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
FIRST_TOKEN = """
import io, json, sys
from function.main import app
from function.web.request.schema import GenerationRequest

def subclasses(kind):
    return [kind, *(each for sub in kind.__subclasses__() for each in subclasses(sub))]

def built():
    return sorted({kind.__name__ for kind in subclasses(GenerationRequest) if kind.__pydantic_complete__})

start = {"modules": sorted(sys.modules), "built": built()}
body = json.dumps({"messages": [{"role": "user", "content": "Hello"}], "stream": True, "max_tokens": 3}).encode()
environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/v1/chat/completions", "CONTENT_LENGTH": str(len(body)),
           "CONTENT_TYPE": "application/json", "SERVER_NAME": "localhost", "SERVER_PORT": "80",
           "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(body),
           "wsgi.input_terminated": True, "wsgi.version": (1, 0), "wsgi.errors": sys.stderr, "wsgi.multithread": True}
reply = app.wsgi_app(environ, lambda status, headers, exc_info=None: print(status, file=sys.stderr))
for piece in reply:
    if piece.startswith(b"data:"):
        break
print(json.dumps({"start": start, "token": {"modules": sorted(sys.modules), "built": built()}}))
reply.close()
"""
PACKAGES = {
    "annotated_types", "blinker", "click", "flask", "itsdangerous", "jinja2", "markupsafe", "pydantic", "pydantic_core",
    "typing_extensions", "typing_inspection", "werkzeug",
}  # fmt: skip
"""Packages that the application imports. The server's, gunicorn, is not among them."""
LATER = (
    "function.capacity", "function.command", "function.dialect.channel_reader", "function.dialect.tool_grammar",
    "function.observability.tracing", "function.source.google_transport", "function.source.upload", "function.web.docs",
    "function.web.page", "statistics",
)  # fmt: skip
"""Modules that only other requests, other settings or commands need."""


@cache
def first_token(model: Path) -> Any:
    """Start an instance, and return what it has imported and built before and after the first token."""
    env = {"MODEL_URI": str(model), "N_CTX": "256", "PYTHONPATH": str(ROOT)}
    run = subprocess.run([sys.executable, "-c", FIRST_TOKEN], env=env, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


def third_parties(modules: list[str]) -> set[str]:
    """Return the installed packages among ``modules``, without those of the interpreter and of its start."""
    bare = subprocess.run(
        [sys.executable, "-c", "import sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    known = {*sys.stdlib_module_names, *(name.split(".")[0] for name in bare.stdout.split()), "function", "__main__"}
    return {name.split(".")[0] for name in modules} - known


@pytest.mark.parametrize("moment", ["start", "token"])
def test_only_listed_packages_are_imported(moment: str, tiny_model: Path) -> None:
    extra = {"llama_cpp"} if moment == "token" else set()  # the bindings alone, without numpy
    found = {name for name in third_parties(first_token(tiny_model)[moment]["modules"]) if not name.startswith("_")}
    assert found == PACKAGES | extra


@pytest.mark.parametrize("moment", ["start", "token"])
def test_modules_for_other_requests_are_not_imported(moment: str, tiny_model: Path) -> None:
    modules = first_token(tiny_model)[moment]["modules"]
    assert [name for name in modules if name.startswith(LATER)] == []


def test_only_the_body_of_the_request_is_built(tiny_model: Path) -> None:
    found = first_token(tiny_model)
    assert found["start"]["built"] == []
    assert found["token"]["built"] == ["ChatCompletion"]
