"""The image, built and run. tests/servers/images.py documents the commands that the environment may name."""

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


def test_dockerfile_passes_hadolint() -> None:
    hadolint = BIN / "hadolint"
    if not hadolint.exists():
        pytest.skip("hadolint is not installed")
    done = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_shell_scripts_pass_shellcheck() -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed")
    scripts = [*(ROOT / "infra").glob("*.sh"), *(ROOT / "terraform").rglob("*.sh"), *(ROOT / ".ci").glob("run")]
    done = subprocess.run(["shellcheck", *scripts], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_compile_of_llama_cpp_depends_only_on_its_own_line_of_the_lock(tmp_path: Path) -> None:
    """Run the commands of the Dockerfile's first stage: their output must not depend on other packages."""
    stage = (ROOT / "Dockerfile").read_text().split(" AS lock")[1].split("\nFROM ")[0]
    script = re.sub(r"\\\n", "", stage.split("\nRUN ")[1])
    results: list[dict[str, str]] = []
    for extra in ("", "another==1.0 \\\n    --hash=sha256:00\n"):
        folder = tmp_path / f"{len(results)}"
        folder.mkdir()
        (folder / "requirements.txt").write_text((ROOT / "requirements.txt").read_text() + extra)
        subprocess.run(["sh", "-ec", script], cwd=folder, check=True)
        results.append({path.name: path.read_text() for path in (folder / "llama").iterdir()})
    assert results[0] == results[1]
    assert "llama-cpp-python==" in results[0]["requirements.txt"]


@pytest.fixture(scope="module")
def image() -> str:
    return build()


@pytest.mark.slow
def test_image_streams_as_its_own_user_without_settings(image: str, tmp_path: Path) -> None:
    with running(image, tmp_path) as function:
        status, text = function.ask("/chat", {"prompt": "Hello!", "max_tokens": 24, "seed": 1})
        assert status == 200, function.log.read_text()
        assert text
        assert '"event": "cpu_level"' in function.log.read_text()
        if "IMAGE_RUN" in os.environ:  # it is the entrypoint itself, not the client of a container engine
            assert function.process is not None
            status_of = Path(f"/proc/{function.process.pid}/status").read_text()
            assert re.search(r"(?m)^Uid:\t65532\t65532", status_of)


@pytest.mark.slow
def test_stop_ends_a_stream_with_an_error_event(image: str, tmp_path: Path, slow_model: Path, s3: Store) -> None:
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
                rest = response.read().decode()  # raises if the stream is cut off
        status = process.wait(WAIT_SECONDS)
        took = time.monotonic() - began
    assert "event: error\n" in rest
    assert '"code":"stopping"' in rest
    assert "[DONE]" not in rest
    assert status == 0
    assert took < 8, "Cloud Run kills after 10 s"


@pytest.mark.slow
def test_image_streams_on_lambda_with_a_read_only_root(image: str, tmp_path: Path, tiny_model: Path, s3: Store) -> None:
    model = s3.put("tiny.gguf", tiny_model.read_bytes())
    command = entrypoint(image, PORT="{port}", MODEL_URI=model, **s3.env)
    with emulated(tmp_path, command, "--timeout", "60", "--sandboxes", "1") as function:
        status, text = function.ask("/chat", {"prompt": "Hello!", "max_tokens": 24, "seed": 1})
        assert status == 200, function.log.read_text()
        assert text
        status, warmth = function.ask(INVOKE, SCHEDULED)
        assert (status, warmth["first_token"]) == (200, True)


@pytest.mark.slow
def test_model_can_be_baked_in(image: str, tmp_path: Path, tiny_model: Path) -> None:
    folder = ROOT / "models"
    created = not folder.exists()
    folder.mkdir(exist_ok=True)
    baked = folder / "test-baked.gguf"
    try:
        shutil.copy(tiny_model, baked)
        tag = build("--build-arg", "MODEL=models/test-baked.gguf", tag=image + "-baked")
    finally:
        baked.unlink()
        if created:
            folder.rmdir()
    with running(tag, tmp_path) as function:
        assert function.wait("ready")
        assert function.get("/v1/models")[1]["data"][0]["id"] == "tiny random"
