"""Origins: pages that may use the function from a browser, with and without a key."""

import pytest
from flask.testing import FlaskClient

from function.app import create_app
from function.lifecycle.service import Service
from function.settings import Settings
from function.web.origins import is_own_host


def make_client(**settings: str) -> FlaskClient:
    return create_app(Service(Settings.from_env({"MODEL_URI": "/none.gguf"} | settings))).test_client()


@pytest.mark.parametrize(
    ("setting", "origin", "allowed"),
    [
        ("localhost", "http://localhost", True),
        ("localhost", "http://localhost:8080", True),
        ("localhost", "https://127.0.0.1:3000", True),
        ("localhost", "http://[::1]:3000", True),
        ("localhost", "http://localhost.example", False),
        ("localhost", "http://[", False),
        ("localhost", "null", False),
        ("https://a.example/", "https://a.example", True),
        ("https://A.example", "https://a.example", True),
        ("https://a.example", "https://a.example.org", False),
        ("*", "https://b.example", True),
    ],
)
def test_cors_origin_is_matched(setting: str, origin: str, allowed: bool) -> None:
    response = make_client(CORS_ORIGINS=setting).get("/openapi.json", headers={"Origin": origin})
    assert response.headers.get("Access-Control-Allow-Origin") == (origin if allowed else None)


@pytest.mark.parametrize(
    ("origin", "host", "accepted"),
    [
        (None, "127.0.0.1:8080", True),
        (None, "anything.example", True),
        ("http://127.0.0.1:8080", "127.0.0.1:8080", True),
        ("http://localhost:8080", "localhost:8080", True),
        ("http://[::1]:8080", "[::1]:8080", True),
        ("http://10.0.0.7", "10.0.0.7", True),
        ("http://chat:8080", "chat:8080", True),
        ("http://pi.local", "pi.local", True),
        ("https://chat-x.a.run.app", "chat-x.a.run.app", True),
        ("https://x.lambda-url.eu-west-1.on.aws", "x.lambda-url.eu-west-1.on.aws", True),
        ("https://evil.example", "127.0.0.1:8080", False),
        ("http://localhost:3000", "localhost:8080", False),
        ("http://evil.example:8080", "evil.example:8080", False),  # DNS rebinding
        ("http://127.0.0.1.evil.example", "127.0.0.1.evil.example", False),
        ("http://run.app.evil.example", "run.app.evil.example", False),
        ("null", "127.0.0.1:8080", False),
        ("http://[", "127.0.0.1:8080", False),
        ("file://", "127.0.0.1:8080", False),
    ],
)
@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded"])
def test_page_of_foreign_origin_is_rejected_without_key(
    origin: str | None, host: str, accepted: bool, content_type: str
) -> None:
    headers = {"Host": host, "Content-Type": content_type} | ({"Origin": origin} if origin else {})
    response = make_client().post("/v1/chat/completions", data="{", headers=headers)
    assert response.status_code == (400 if accepted else 403)
    if not accepted:
        assert response.json is not None
        assert response.json["error"]["code"] == "origin_rejected"


def test_page_of_listed_origin_is_accepted_without_key() -> None:
    client = make_client(CORS_ORIGINS="https://chat.example.com")
    for host in ("127.0.0.1:8080", "chat.example.com"):
        headers = {"Host": host, "Origin": "https://chat.example.com"}
        assert client.post("/v1/chat/completions", data="{", headers=headers).status_code == 400


def test_page_of_foreign_origin_needs_the_key_where_there_is_one() -> None:
    client = make_client(API_KEY="k")
    headers = {"Origin": "https://evil.example"}
    assert client.post("/v1/chat/completions", data="{", headers=headers).status_code == 401
    assert client.post("/v1/chat/completions", data="{", headers=headers | {"x-api-key": "k"}).status_code == 400


@pytest.mark.parametrize("host", ["", "evil.example", "local", "8.8.8.8", "a.local"])
def test_own_host_is_no_public_name(host: str) -> None:
    assert is_own_host(host) is (host not in ("", "evil.example"))
