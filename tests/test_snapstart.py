"""Instances that Lambda's SnapStart copies. tests/servers/snapstart.py stands for Lambda and its adapter."""

import http.server
import json
import re
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import pytest

from function.web.routes.snapstart import AFTER, BEFORE, GREETING, LOADED, PATHS
from tests.servers.doors import ServedFunction, serving
from tests.servers.gated import gated_store
from tests.servers.lambdas import command_from, emulated
from tests.servers.snapstart import OriginalInstance, original_instance
from tests.servers.stores import Store, s3_store

ASKED = {"prompt": "hi", "max_tokens": 4}
REQUEST = {"x-amzn-request-context": '{"http": {"method": "POST"}}'}
"""Header of each request that the adapter passes on."""


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[OriginalInstance]:
    """A copy, whose original had received requests."""
    with original_instance(tmp_path_factory.mktemp("copied"), MODEL_URI=str(tiny_model)) as instance:
        assert instance.publish()[0] == 200
        assert instance.function.ask("/chat", ASKED)[0] == 200
        with instance.stopped():
            pass
        assert instance.restore() == (200, {"state": "ready"})
        yield instance


def test_paths_exist_for_the_adapter_only(copied: OriginalInstance, tmp_path: Path) -> None:
    for path in PATHS:
        assert copied.function.ask(path, None if path == LOADED else b"", REQUEST)[0] == 404
    with serving(tmp_path, AWS_LAMBDA_FUNCTION_NAME="chat") as function:
        assert {function.ask(path, b"")[0] for path in (BEFORE, AFTER)} == {404}


def test_copy_has_an_age_of_its_own(copied: OriginalInstance) -> None:
    now = time.time()
    status, report = copied.function.ask("/events", {})
    assert (status, report["first_token"]) == (200, True)
    assert report["cold_start_seconds"].keys() == {"restore"}
    created = copied.function.get("/v1/models")[1]["data"][0]["created"]
    assert abs(now - report["age_seconds"] - created) <= 2
    (restored,) = [line for line in lines(copied.function) if line.get("event") == "restored"]
    assert restored["message"].endswith("renewed seeds, clocks and counts, key")


def test_copy_counts_one_restored_start_and_no_request_of_its_original(copied: OriginalInstance) -> None:
    assert copied.function.ask("/chat", ASKED)[0] == 200
    text = copied.function.exchange("/metrics", None)[2]
    counts = dict(re.findall(r"(?m)^(chat_(?:cold_starts|requests)_total\{[^}]*\}) ([\d.]+)$", text))
    assert counts.pop('chat_cold_starts_total{outcome="restored"}') == "1.0"
    assert set(counts) <= {'chat_requests_total{outcome="length"}', 'chat_requests_total{outcome="stop"}',
                           'chat_requests_total{outcome="not_found"}'}  # fmt: skip


def test_replies_of_a_copy_are_warm_and_of_different_seeds(copied: OriginalInstance) -> None:
    body = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 16, "temperature": 2.0}
    replies = [copied.function.ask("/v1/chat/completions", body, {"X-Receipt": "1"})[1] for _ in range(3)]
    assert not any(reply["receipt"]["cold"] for reply in replies)
    assert len({reply["id"] for reply in replies}) == 3
    assert len({reply["choices"][0]["message"]["content"] for reply in replies}) > 1


def test_version_is_published_after_the_load_and_a_token(tmp_path: Path, tiny_model: Path) -> None:
    with gated_store(tiny_model) as (uri, gate), original_instance(tmp_path, MODEL_URI=uri) as instance:
        assert instance.function.get(LOADED) == (503, {"state": "fetching"})
        gate.set()
        assert instance.publish() == (200, {"state": "ready"})
        assert instance.restore()[0] == 200
        _, reply = instance.function.ask("/v1/chat/completions", GREETING | {"max_tokens": 1})
        usage = reply["usage"]
        assert usage["prompt_tokens_details"]["cached_tokens"] > usage["prompt_tokens"] // 2
        assert not any(line.get("event") == "reply" for line in lines(instance.function)[:-1])


def test_version_without_its_model_is_not_published(tmp_path: Path) -> None:
    with original_instance(tmp_path, MODEL_URI="/no/such/model.gguf") as instance:
        status, body = instance.publish()
        assert status >= 500
        assert body["error"]["code"] == "model_not_found"
        assert instance.restore()[0] >= 500


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """S3 and SSM, with credentials as SnapStart provides them: no keys in the environment."""
    with s3_store(tmp_path_factory.mktemp("aws") / "log") as store, CredentialServer() as credentials:
        environment = {"AWS_ENDPOINT_URL": store.url, "AWS_REGION": "us-east-1"}
        yield Store(store.scheme, store.url, environment | credentials)


class CredentialServer:
    """Endpoint of credentials that expire soon, under the variables that Lambda sets."""

    def __enter__(self) -> dict[str, str]:
        class CredentialsHandler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                allowed = self.headers.get("Authorization") == "token"
                expiration = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
                body = {"AccessKeyId": "test", "SecretAccessKey": "test", "Token": "t", "Expiration": expiration}
                data = json.dumps(body).encode()
                self.send_response(200 if allowed else 403)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), CredentialsHandler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{self._server.server_address[1]}/credentials"
        return {"AWS_CONTAINER_CREDENTIALS_FULL_URI": url, "AWS_CONTAINER_AUTHORIZATION_TOKEN": "token"}

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def put_key(aws: Store, value: str) -> None:
    client = boto3.client(
        "ssm", endpoint_url=aws.url, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
    )
    client.put_parameter(Name="/chat/key", Value=value, Type="SecureString", Overwrite=True)


@pytest.mark.slow
def test_copy_reads_the_key_again_and_its_original_left_no_connection(
    aws: Store, tmp_path: Path, tiny_model: Path
) -> None:
    """The model is read with credentials of the container's endpoint, into memory."""
    put_key(aws, "old")
    model = Store(aws.scheme, aws.url).put("m.gguf", tiny_model.read_bytes())
    with original_instance(tmp_path, aws.env, MODEL_URI=model, API_KEY_PARAMETER="/chat/key") as instance:
        assert instance.publish()[0] == 200, instance.function.log.read_text()
        assert instance.connections_to(urlsplit(aws.url).port or 0) == []
        assert not list((tmp_path / "cache").rglob("*.gguf"))
        put_key(aws, "new")
        assert instance.restore()[0] == 200
        assert instance.function.ask("/chat", ASKED, {"x-api-key": "old"})[0] == 401
        assert instance.function.ask("/chat", ASKED, {"x-api-key": "new"})[0] == 200


@pytest.mark.slow
def test_version_without_access_to_its_key_is_not_published(aws: Store, tmp_path: Path, tiny_model: Path) -> None:
    with original_instance(tmp_path, aws.env, MODEL_URI=str(tiny_model), API_KEY_PARAMETER="/absent") as instance:
        status, body = instance.publish()
        assert status == 503
        assert "API_KEY_PARAMETER=/absent cannot be read" in body["error"]["message"]


def test_copy_streams_behind_the_function_url(copied: OriginalInstance, tmp_path: Path) -> None:
    """The emulated Lambda and its adapter join the copy, and pass on a deadline by the wall clock."""
    port = str(urlsplit(copied.function.url).port)
    adapter = command_from("LAMBDA_ADAPTER", "Lambda Web Adapter")
    command = ["env", f"PORT={port}", *adapter]
    with emulated(tmp_path, command, "--timeout", "60", AWS_LWA_READINESS_CHECK_PATH=LOADED) as function:
        status, _, text = function.exchange("/v1/chat/completions", GREETING | {"stream": True, "max_tokens": 8})
        assert status == 200
        assert text.endswith("data: [DONE]\n\n")
        assert function.ask(AFTER, b"")[0] == 404, "the real adapter answers 403 itself"


FAKE_TIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"


@pytest.mark.slow
@pytest.mark.parametrize("hours", [-1, 216])
def test_copy_serves_after_a_jump_of_all_clocks(hours: int, tmp_path: Path, tiny_model: Path) -> None:
    """A copy may continue days after its original, and on a machine with another monotonic clock."""
    if not Path(FAKE_TIME).exists():
        pytest.skip("libfaketime is not installed")
    clock = tmp_path / "clock"
    clock.write_text("+0")
    fake = {"LD_PRELOAD": FAKE_TIME, "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1"}
    before = ("env", *(f"{name}={value}" for name, value in fake.items()))
    with original_instance(tmp_path, before=before, MODEL_URI=str(tiny_model), REQUEST_TIMEOUT="30") as instance:
        assert instance.publish()[0] == 200
        with instance.stopped():
            clock.write_text(f"{hours:+}h")
        assert instance.restore()[0] == 200
        status, report = instance.function.ask("/events", {})
        assert report["age_seconds"] < 60
        deadline = {"deadline": int((time.time() + hours * 3600 + 20) * 1000)}
        body = GREETING | {"max_tokens": 64, "ignore_eos": True}
        status, reply = instance.function.ask(
            "/v1/chat/completions", body, {"x-amzn-lambda-context": json.dumps(deadline)}
        )
        assert status == 200
        assert reply["usage"]["completion_tokens"] == 64
        assert abs(reply["created"] - time.time() - hours * 3600) < 60


def lines(function: ServedFunction) -> list[dict[str, str]]:
    """Return the function's log lines."""
    return [json.loads(line) for line in function.log.read_text().splitlines() if line.startswith("{")]
