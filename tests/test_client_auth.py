"""function/client/auth.py with OpenAI's client. The servers verify signatures with awscrt, tokens with google-auth."""

import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import google.auth.crypt
import google.auth.jwt
import google.auth.transport.requests
import google.oauth2.id_token
import openai
import pytest
from awscrt import auth as crt  # type: ignore[import-untyped]
from awscrt.http import HttpHeaders, HttpRequest  # type: ignore[import-untyped]
from botocore.credentials import Credentials
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from function.client.auth import CloudRunAuth, LambdaAuth

CHUNK = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
STREAM = "".join(
    f"data: {json.dumps(CHUNK | {'choices': [{'index': 0, 'delta': {'content': text}, 'finish_reason': None}]})}\n\n"
    for text in ("Hel", "lo")
)


class AuthenticatingPlatform(ThreadingHTTPServer):
    """A platform that streams a reply to each request that ``accepts`` lets in, and keeps its headers."""

    def __init__(self, accepts: Callable[[BaseHTTPRequestHandler, bytes], bool]) -> None:
        super().__init__(("127.0.0.1", 0), PlatformHandler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.accepts = accepts
        self.pages: dict[str, Callable[[bytes], Any]] = {}
        """Further paths, and the JSON that they answer."""
        self.seen: list[dict[str, str]] = []


class PlatformHandler(BaseHTTPRequestHandler):
    """One request to the platform."""

    server: AuthenticatingPlatform

    def do_POST(self) -> None:
        """Answer a call."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        page = self.server.pages.get(self.path)
        if page is not None:
            self._send(200, "application/json", json.dumps(page(body)))
        elif self.server.accepts(self, body):
            self.server.seen.append({name.lower(): value for name, value in self.headers.items()})
            self._send(200, "text/event-stream", f"{STREAM}data: [DONE]\n\n")
        else:
            self._send(403, "application/json", '{"Message": "Forbidden"}')

    def do_GET(self) -> None:
        """Answer a page."""
        self.do_POST()

    def log_message(self, *args: object) -> None:
        """Write nothing."""

    def _send(self, status: int, kind: str, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


@contextmanager
def served(accepts: Callable[[BaseHTTPRequestHandler, bytes], bool]) -> Iterator[AuthenticatingPlatform]:
    with AuthenticatingPlatform(accepts) as platform:
        thread = threading.Thread(target=platform.serve_forever)
        thread.start()
        try:
            yield platform
        finally:
            platform.shutdown()
            thread.join()


def ask(platform: AuthenticatingPlatform, auth: Any, key: str = "secret") -> str:
    with openai.OpenAI(
        base_url=f"{platform.url}/v1", api_key=key, max_retries=0, http_client=openai.DefaultHttpxClient(auth=auth)
    ) as client:
        chunks = client.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "Grüß dich"}], stream=True
        )
        return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)


KEYS = {"AKID": "SECRET"}


def signature_is_valid(handler: BaseHTTPRequestHandler, body: bytes) -> bool:
    """Sign the request again with awscrt, and compare."""
    authorization = handler.headers.get("Authorization", "")
    if not authorization.startswith("AWS4-HMAC-SHA256 "):
        return False
    fields = dict(part.split("=", 1) for part in authorization.removeprefix("AWS4-HMAC-SHA256 ").split(", "))
    access_key, _, region, service, _ = fields["Credential"].split("/")
    names = set(fields["SignedHeaders"].split(";"))
    headers = [(name, handler.headers[name]) for name in names - {"x-amz-date", "x-amz-security-token"}]
    request = HttpRequest(handler.command, handler.path, HttpHeaders(headers), io.BytesIO(body))
    config = crt.AwsSigningConfig(
        algorithm=crt.AwsSigningAlgorithm.V4,
        signature_type=crt.AwsSignatureType.HTTP_REQUEST_HEADERS,
        credentials_provider=crt.AwsCredentialsProvider.new_static(
            access_key, KEYS.get(access_key, "?"), handler.headers.get("X-Amz-Security-Token")
        ),
        region=region,
        service=service,
        date=datetime.strptime(handler.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC),
        signed_body_header_type=crt.AwsSignedBodyHeaderType.NONE,
    )
    crt.aws_sign_request(request, config).result(10)
    expected = request.headers.get("Authorization")
    return (
        (region, service) == ("eu-central-1", "lambda")
        and {"host", "content-type"} <= names
        and expected == authorization
    )


@pytest.mark.parametrize("token", [None, "SESSION"])
def test_openai_client_signs_its_requests(token: str | None) -> None:
    with served(signature_is_valid) as platform:
        auth = LambdaAuth(platform.url, region="eu-central-1", credentials=Credentials("AKID", "SECRET", token))
        assert ask(platform, auth) == "Hello"
        (headers,) = platform.seen
        assert headers["x-api-key"] == "secret"
        assert headers.get("x-amz-security-token") == token


def test_signature_with_a_wrong_key_is_rejected() -> None:
    with served(signature_is_valid) as platform:
        auth = LambdaAuth(platform.url, region="eu-central-1", credentials=Credentials("AKID", "WRONG"))
        with pytest.raises(openai.PermissionDeniedError):
            ask(platform, auth)


def test_region_follows_from_the_function_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "SECRET")
    auth = LambdaAuth("https://abc123.lambda-url.eu-central-1.on.aws/")
    with served(signature_is_valid) as platform:
        assert ask(platform, auth) == "Hello"


def test_host_without_a_region_is_rejected() -> None:
    with pytest.raises(ValueError, match="name its region"):
        LambdaAuth("https://chat.example.com", credentials=Credentials("AKID", "SECRET"))


class Google:
    """Google's token endpoint and certificates for one service account, whose key file is ``file``."""

    def __init__(self, folder: Path) -> None:
        self._key = rsa.generate_private_key(65537, 2048)
        pem = self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self._signer = google.auth.crypt.RSASigner.from_string(pem, "k1")
        self._pem = pem.decode()
        self.file = folder / "account.json"
        self.lifetime = timedelta(hours=1)
        self.issued = 0

    def serve(self, platform: AuthenticatingPlatform) -> None:
        """Add Google's pages to a server, and write the key file."""
        self.certificates = f"{platform.url}/certs"
        platform.pages |= {"/certs": lambda _: {"k1": self._certificate()}, "/token": self._issue}
        account = {
            "type": "service_account",
            "client_email": "app@p.iam.gserviceaccount.com",
            "private_key_id": "k1",
            "private_key": self._pem,
            "token_uri": f"{platform.url}/token",
        }
        self.file.write_text(json.dumps(account))

    def accepts(self, handler: BaseHTTPRequestHandler, body: bytes) -> bool:
        """Verify the token with Google's own verifier."""
        token = handler.headers.get("X-Serverless-Authorization", "").removeprefix("Bearer ")
        audience = f"http://{handler.headers['Host']}"
        try:
            google.oauth2.id_token.verify_token(
                token, google.auth.transport.requests.Request(), audience, self.certificates
            )
        except ValueError:
            return False
        return True

    def _issue(self, body: bytes) -> dict[str, str]:
        """Exchange the account's assertion for an identity token."""
        assertion = parse_qs(body.decode())["assertion"][0]
        claims = google.auth.jwt.decode(assertion, {"k1": self._certificate()})
        self.issued += 1
        now = datetime.now(UTC)
        token = {
            "iss": "https://accounts.google.com",
            "aud": claims["target_audience"],
            "email": claims["iss"],
            "iat": int(now.timestamp()),
            "exp": int((now + self.lifetime).timestamp()),
        }
        return {"id_token": google.auth.jwt.encode(self._signer, token).decode()}

    def _certificate(self) -> str:
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
        now = datetime.now(UTC)
        built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(self._key.public_key())
        built = built.serial_number(1).not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1))
        return built.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


@pytest.fixture
def google_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Google, AuthenticatingPlatform]]:
    account = Google(tmp_path)
    with served(account.accepts) as platform:
        account.serve(platform)
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(account.file))
        yield account, platform


def test_openai_client_sends_identity_tokens(google_account: tuple[Google, AuthenticatingPlatform]) -> None:
    account, platform = google_account
    auth = CloudRunAuth(platform.url)
    assert ask(platform, auth) == ask(platform, auth) == "Hello"
    assert account.issued == 1, "a token is used until it expires"
    assert platform.seen[0]["authorization"] == "Bearer secret"


def test_expired_token_is_renewed(google_account: tuple[Google, AuthenticatingPlatform]) -> None:
    account, platform = google_account
    account.lifetime = timedelta(seconds=1)  # google-auth renews tokens minutes before they expire
    auth = CloudRunAuth(platform.url)
    assert ask(platform, auth) == ask(platform, auth) == "Hello"
    assert account.issued == 2


def test_token_of_another_audience_is_rejected(google_account: tuple[Google, AuthenticatingPlatform]) -> None:
    _, platform = google_account
    with pytest.raises(openai.PermissionDeniedError):
        ask(platform, CloudRunAuth("https://other.example.com"))
