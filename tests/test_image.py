"""The image, really built and run. See tests/servers/images.py for the commands that the environment may name."""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.servers.doors import BIN, ROOT, WAIT_SECONDS
from tests.servers.images import build, entrypoint, running
from tests.servers.lambdas import INVOKE, SCHEDULED, emulated
from tests.servers.stores import Store

ENDLESS = {"messages": [{"role": "user", "content": "hi"}], "ignore_eos": True, "stream": True}


def test_the_dockerfile_is_clean() -> None:
    hadolint = BIN / "hadolint"
    if not hadolint.exists():
        pytest.skip("hadolint is not installed")
    done = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_scripts_are_shell_that_can_be_read() -> None:
    done = subprocess.run(["sh", "-n", ROOT / "infra" / "slim.sh"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_compile_of_llama_cpp_depends_on_its_own_line_of_the_lock(tmp_path: Path) -> None:
    """The commands of the Dockerfile's first stage, here: whatever else changes, what they give stays the same."""
    stage = (ROOT / "Dockerfile").read_text().split(" AS lock")[1].split("\nFROM ")[0]
    script = re.sub(r"\\\n", "", stage.split("\nRUN ")[1])
    results: list[dict[str, str]] = []
    for extra in ("", "another==1.0 \\\n    --hash=sha256:00\n"):
        folder = tmp_path / f"{len(results)}"
        folder.mkdir()
        (folder / "requirements.txt").write_text((ROOT / "requirements.txt").read_text() + extra)
        shutil.copy(ROOT / "pyproject.toml", folder)
        subprocess.run(["sh", "-ec", script], cwd=folder, check=True)
        results.append({path.name: path.read_text() for path in (folder / "llama").iterdir()})
    assert results[0] == results[1]
    assert "llama-cpp-python==" in results[0]["requirements.txt"]
    assert "GGML_OPENMP=OFF" in results[0]["pyproject.toml"]


@pytest.fixture(scope="module")
def image() -> str:
    return build()


@pytest.mark.slow
def test_it_streams_as_its_own_user_with_nothing_set(image: str, tmp_path: Path) -> None:
    with running(image, tmp_path) as function:
        status, text = function.ask("/chat", {"prompt": "Hello!", "max_tokens": 24, "seed": 1})
        assert status == 200, function.log.read_text()
        assert text
        assert '"event": "cpu_level"' in function.log.read_text()
        if "IMAGE_RUN" in os.environ:  # which is the entrypoint itself, and not an engine's client
            assert function.process is not None
            status_of = Path(f"/proc/{function.process.pid}/status").read_text()
            assert re.search(r"(?m)^Uid:\t65532\t65532", status_of)


@pytest.mark.slow
def test_a_stop_in_the_middle_of_a_stream_is_told_and_clean(
    image: str, tmp_path: Path, slow_model: Path, s3: Store
) -> None:
    uri = s3.put("slow.gguf", slow_model.read_bytes())
    with running(image, tmp_path, MODEL_URI=uri, N_CTX="8192", **s3.env) as function:
        function.wait("ready")
        process = function.process
        assert process is not None
        connection = http.client.HTTPConnection(urlsplit(function.url).netloc, timeout=WAIT_SECONDS)
        headers = {"Content-Type": "application/json"}
        with contextlib.closing(connection):
            connection.request("POST", "/v1/chat/completions", json.dumps(ENDLESS), headers)
            with connection.getresponse() as response:
                while b'"content"' not in response.readline():
                    pass
                process.send_signal(signal.SIGTERM)
                began = time.monotonic()
                rest = response.read().decode()  # raises where the stream is cut off
        status = process.wait(WAIT_SECONDS)
        took = time.monotonic() - began
    assert "event: error\n" in rest
    assert '"code":"stopping"' in rest
    assert "[DONE]" not in rest
    assert status == 0
    assert took < 8, "Cloud Run kills after 10 s"


@pytest.mark.slow
def test_on_lambda_it_streams_from_a_read_only_root_as_lambdas_user(image: str, tmp_path: Path, s3: Store) -> None:
    model = s3.put("demo.gguf", (ROOT / "function" / "demo" / "model.gguf").read_bytes())
    command = entrypoint(image, PORT="{port}", MODEL_URI=model, **s3.env)
    with emulated(tmp_path, command, "--timeout", "60", "--sandboxes", "1") as function:
        status, text = function.ask("/chat", {"prompt": "Hello!", "max_tokens": 24, "seed": 1})
        assert status == 200, function.log.read_text()
        assert text
        status, told = function.ask(INVOKE, SCHEDULED)
        assert (status, told["first_token"]) == (200, True)


@pytest.mark.slow
def test_a_model_can_be_baked_in(image: str, tmp_path: Path, tiny_model: Path) -> None:
    folder = ROOT / "models"
    made = not folder.exists()
    folder.mkdir(exist_ok=True)
    baked = folder / "test-baked.gguf"
    try:
        shutil.copy(tiny_model, baked)
        tag = build("--build-arg", "MODEL=models/test-baked.gguf", tag=image + "-baked")
    finally:
        baked.unlink()
        if made:
            folder.rmdir()
    with running(tag, tmp_path) as function:
        assert function.wait("ready")
        assert function.get("/v1/models")[1]["data"][0]["id"] == "tiny random"
