"""Commands in fenced blocks of the documentation: each one runs here, or is known to run elsewhere."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.bert import random_bert, write_bert
from tests.servers.doors import DOORS, ServedFunction, serving
from tests.servers.stores import Store
from tests.test_documentation import DOCUMENTS, ROOT

BLOCK = re.compile(r"(?ms)^```sh\n(.*?)^```$")
COMMENT = re.compile(r"\s{2,}# .*$")
PYTHON = re.compile(r"(?:\.venv/bin/)?python -m function")
URI = re.compile(r"(s3|gs)://bucket/[\w.-]+")
BROWSER = "http://localhost:8080"

ELSEWHERE = {
    r"make (test|check|check-long)\b": ".ci/run",
    r"(\w+=\S+ )*make run\b": ".ci/run",
    r"(functions-framework|gunicorn|flask) ": "tests/test_doors.py",
    r"(sh -c \"\$\()?terraform -chdir=": "tests/test_documented_deployment.py",
    r"pip install opentelemetry-": "tests/test_tracing.py",
    r"export CMAKE_ARGS=.*; (pipx install|pipx runpip|uvx --from) ": "tests/test_package.py",
}
"""Place that runs a command, or its equivalent, by the command's beginning."""
NEEDS_AN_ACCOUNT = ("docker buildx imagetools create", "aws ssm put-parameter")
"""Beginnings of commands that need an account, which tests do not have."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command of one document."""

    document: Path
    text: str

    def __str__(self) -> str:
        return f"{self.document.name}: {self.text[:60]}"


def documented() -> Iterator[Command]:
    """Yield every command: continued lines joined, comments removed, preceded by the exports of its block.

    The tutorial's commands depend on each other; tests/test_tutorial.py runs them.
    """
    for path in DOCUMENTS:
        if path.name == "tutorial.md":
            continue
        for block in BLOCK.findall(path.read_text()):
            begun, exports = "", ""
            for line in block.replace("\\\n", " ").splitlines():
                begun = f"{begun} {COMMENT.sub('', line).strip()}".strip()
                if begun.startswith("export "):
                    exports, begun = f"{exports}{begun}; ", ""
                elif begun and _is_whole(begun):
                    yield Command(path, exports + " ".join(begun.split()))
                    begun = ""


def _is_whole(text: str) -> bool:
    """Return whether every quote is closed."""
    try:
        shlex.split(text)
    except ValueError:
        return False
    return True


def is_here(command: Command) -> bool:
    """Return whether the command runs on this machine alone."""
    return bool(PYTHON.search(command.text)) or f" {BROWSER}" in command.text


HERE = [command for command in documented() if is_here(command)]
# tests/test_documented_deployment.py runs those of docs/deploy.md, with fakes of the clouds.
OTHERS = [command for command in documented() if not is_here(command) and command.document.name != "deploy.md"]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedFunction]:
    """Serve the function as ``make run`` does."""
    with serving(tmp_path_factory.mktemp("documented"), MODEL_URI="") as function:
        function.wait("ready")
        yield function


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedFunction]:
    """Serve an embedding model."""
    folder = tmp_path_factory.mktemp("embedder")
    with serving(folder, MODEL_URI=str(write_bert(folder / "bert.gguf", random_bert(width=128)))) as function:
        function.wait("ready")
        yield function


@pytest.fixture(scope="module")
def reranker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedFunction]:
    """Serve a reranker."""
    folder = tmp_path_factory.mktemp("reranker")
    path = write_bert(folder / "ranker.gguf", random_bert(classifier=True), pooling=4)
    with serving(folder, MODEL_URI=str(path)) as function:
        function.wait("ready")
        yield function


KINDS = {f"{BROWSER}/v1/embeddings": "embedder", f"{BROWSER}/v1/rerank": "reranker"}
"""Fixture of the model that a URL needs; all others need a chat model."""


@pytest.mark.parametrize("command", HERE, ids=str)
def test_command_runs(
    command: Command, request: pytest.FixtureRequest, s3: Store, gcs: Store, tiny_model: Path, tmp_path: Path
) -> None:
    served = request.getfixturevalue(next((kind for url, kind in KINDS.items() if url in command.text), "served"))
    if command.text.startswith("curl") and not shutil.which("curl"):
        pytest.skip("there is no curl here")
    text = PYTHON.sub(f"{sys.executable} -m function", command.text).replace(BROWSER, served.url)
    writes = " push " in text
    for store in (s3, gcs):
        for match in URI.finditer(text):
            if match[1] == store.scheme and not writes:
                name = match[0].rpartition("/")[2]
                store.put(
                    name, b"You are a patient helper. " * 20 if name.endswith(".txt") else tiny_model.read_bytes()
                )
        text = text.replace(f"{store.scheme}://bucket/", f"{store.scheme}://models/")
    shutil.copy(tiny_model, tmp_path / "model.gguf")
    (tmp_path / "prices.toml").write_text(documented_prices())
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(ROOT), "N_THREADS": "1", "API_KEY": "k"}
    env |= dict(s3.env) | dict(gcs.env) | {"MODEL_CACHE_DIR": str(tmp_path / "cache")}
    outcome = subprocess.run(
        ["sh", "-c", text], input="Hello!\n", capture_output=True, text=True, env=env, cwd=tmp_path, timeout=240
    )
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout
    assert '{"error"' not in outcome.stdout


def documented_prices() -> str:
    """Return the table of prices in the documentation."""
    text = (ROOT / "docs" / "command-line.md").read_text()
    return text.partition("```toml\n")[2].partition("```")[0]


@pytest.mark.parametrize("command", OTHERS, ids=str)
def test_command_runs_elsewhere(command: Command) -> None:
    places = [place for pattern, place in ELSEWHERE.items() if re.match(pattern, command.text)]
    assert len(places) + command.text.startswith(NEEDS_AN_ACCOUNT) == 1
    assert all((ROOT / place).exists() for place in places)


def test_readme_lists_the_servers_of_the_tests() -> None:
    readme = [command.text for command in OTHERS if command.document.name == "README.md"]
    started = [" ".join([Path(door[0]).name, *door[1:]]).replace(" --port {port}", "") for door in DOORS.values()]
    assert {line for line in readme if SERVER_COMMAND.match(line)} <= set(started)


SERVER_COMMAND = re.compile(r"(functions-framework|gunicorn|flask) ")


def test_gate_runs_the_readmes_targets() -> None:
    gate = (ROOT / ".ci" / "run").read_text()
    for target in ("make check", "make test", "make run"):
        assert target in gate
