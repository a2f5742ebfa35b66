"""Secrecy of prompts, replies and keys: none is in a log line, an error or a metric."""

import json
import signal
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from function.lifecycle.service import Service
from function.settings import Settings
from tests.servers.doors import ServedFunction, Stream, serving
from tests.servers.faulty import FaultyStore
from tests.servers.gated import gated_store

KEY = "key-5b1f0c"
PROMPT = "prompt-93ab77"
TOKEN = "sig-1c44de"
HEADERS = {"Authorization": f"Bearer {KEY}"}


def ask_everything(function: ServedFunction) -> list[str]:
    """Send requests that succeed and that fail in each way; return the bodies of the failures."""
    messages = [{"role": "user", "content": PROMPT}]
    good = {"messages": messages, "max_tokens": 8, "seed": 1}
    failed = []
    assert function.ask("/v1/chat/completions", good, HEADERS)[0] == 200
    assert function.ask("/chat", {"prompt": PROMPT, "max_tokens": 4}, HEADERS)[0] == 200
    for path, body in [
        ("/v1/chat/completions", good | {"temperature": PROMPT}),
        ("/v1/chat/completions", good | {"logit_bias": {PROMPT: 101}}),
        ("/v1/chat/completions", {"messages": [{"role": PROMPT, "content": PROMPT}]}),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": PROMPT * 9000}]}),
        ("/chat", f'{{"prompt": "{PROMPT}"'.encode()),
        ("/chat", PROMPT.encode() + b"\xff"),
        (f"/no/{PROMPT}", {}),
    ]:
        status, _, text = function.exchange(path, body, HEADERS)
        assert 400 <= status < 500, text
        failed.append(text)
    for wrong in ({}, {"Authorization": f"Bearer {TOKEN}"}, {"x-api-key": TOKEN}, {"Authorization": TOKEN}):
        status, _, text = function.exchange("/v1/chat/completions", good, wrong)
        assert status == 401
        failed.append(text)
    return failed


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
def test_key_prompt_and_reply_are_in_no_log_error_or_metric(level: str, tmp_path: Path, tiny_model: Path) -> None:
    with serving(tmp_path, MODEL_URI=str(tiny_model), API_KEY=KEY, LOG_LEVEL=level, N_CTX="512") as function:
        function.wait("ready")
        failed = ask_everything(function)
        misframed = f"POST /chat HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}{PROMPT} is what follows\r\n\r\n"
        address = urlsplit(function.url)
        with socket.create_connection((address.hostname or "", address.port or 0)) as client:
            client.sendall(misframed.encode())
            client.shutdown(socket.SHUT_WR)
            while client.recv(65536):
                pass
        reply = function.ask("/chat", {"prompt": PROMPT, "max_tokens": 40, "seed": 5, "ignore_eos": True}, HEADERS)[1]
        _, _, metrics = function.exchange("/metrics", None, HEADERS)
        function.process.send_signal(signal.SIGTERM)
        function.process.wait(60)
        log = function.log.read_text()
    assert len(reply) > 20
    for text in (log, metrics):
        assert PROMPT not in text
        assert reply[:20] not in text
    for text in (log, metrics, *failed):
        assert KEY not in text
        assert TOKEN not in text


def test_signature_of_a_uri_is_not_shown(tmp_path: Path, tiny_model: Path) -> None:
    with gated_store(tiny_model) as (uri, gate):
        gate.set()
        signed = f"{uri.replace('//', f'//user:{KEY}@')}?X-Amz-Signature={TOKEN}"
        with serving(tmp_path, MODEL_URI=signed, LOG_LEVEL="DEBUG") as function:
            shown = [json.dumps(function.ask(path, None)[1]) for path in ("/health/ready", "/events", "/v1/models")]
            shown += [str(function.ask("/chat", {"prompt": "hi", "max_tokens": 2}))]
            log = function.log.read_text()
    for text in (log, *shown):
        assert TOKEN not in text
        assert KEY not in text


def test_signature_of_a_uri_that_fails_to_load_is_not_shown(tmp_path: Path) -> None:
    """The name of the model is that of its file until its header is read."""
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"no gguf" * 1000)
    with gated_store(broken) as (uri, gate):
        gate.set()
        signed = f"{uri.replace('//', f'//user:{KEY}@')}?sig={TOKEN}&v=1.0#k={TOKEN}"
        with serving(tmp_path, MODEL_URI=signed, LOG_LEVEL="DEBUG") as function:
            function.wait("failed")
            shown = [json.dumps(function.ask(path, None)[1]) for path in ("/health/ready", "/events", "/v1/models")]
            log = function.log.read_text()
    assert '"model": "broken"' in shown[1]
    for text in (log, *shown):
        assert TOKEN not in text
        assert KEY not in text


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("https://host/a/m%201.gguf?sig=s&v=1.0#f", "m 1"),
        ("https://u:p/w@host/m.gguf", "m"),
        ("https://u:p/w@host", "host"),
        ("https://[x/m.gguf", "model"),
        ("hf://owner/name@main/m.gguf", "m"),
        ("/models/a?b#c@d.gguf", "a?b#c@d"),
    ],
)
def test_model_name_is_the_files_without_secrets(uri: str, name: str) -> None:
    assert Service(Settings(model_uri=uri)).name == name


@pytest.mark.slow  # the fetch retries the host until its timeout
def test_password_is_in_no_error_of_an_unreachable_host(tmp_path: Path) -> None:
    with serving(tmp_path, MODEL_URI=f"http://user:{KEY}@127.0.0.1:9/m.gguf") as function:
        function.wait("failed")
        shown = [json.dumps(function.ask(path, None)[1]) for path in ("/health/ready", "/events")]
        log = function.log.read_text()
    assert "127.0.0.1:9" in shown[0]
    for text in (log, *shown):
        assert KEY not in text
        assert "user:" not in text


def test_prompt_of_a_failed_stream_is_not_logged(tmp_path: Path, slow_model: Path) -> None:
    asked = {"messages": [{"role": "user", "content": PROMPT}], "ignore_eos": True, "stream": True}
    with serving(tmp_path, MODEL_URI=str(slow_model), REQUEST_TIMEOUT="1") as function:
        function.wait("ready")
        with Stream(function, asked) as stream:
            stream.until("data: ")
            function.process.send_signal(signal.SIGTERM)
            stream.rest()
        function.process.wait(60)
        assert PROMPT not in function.log.read_text()


@pytest.mark.parametrize("query", [f"sig={TOKEN}&v=1.0", TOKEN])
def test_secrets_of_a_uri_are_not_shown_without_a_key(query: str, tmp_path: Path) -> None:
    with FaultyStore(b"") as store:
        uri = f"{store.uri('http', 'missing.gguf')}?{query}".replace("//", f"//user:{KEY}@", 1)
        with serving(tmp_path, MODEL_URI=uri, API_KEY="another") as function:
            assert function.wait("failed")["error"]["code"] == "model_not_found"
            shown = [json.dumps(function.get(path)) for path in ("/health/ready", "/events", "/v1/models", "/metrics")]
            shown.append(function.log.read_text())
            assert function.get("/events")[1]["model"] == "missing"
    for text in shown:
        assert KEY not in text
        assert TOKEN not in text
