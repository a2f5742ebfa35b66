"""Renewal of credentials that expire during a fetch, once and by the provider's own means."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from function.errors import AccessDenied
from function.fetch import fetch
from function.settings import Stores
from function.source import open_source
from tests.fetch_data import DATA, QUICK
from tests.servers.faulty import FaultyStore
from tests.servers.scripted import ScriptedReply, ScriptedStore


def expire(store: FaultyStore, token: str, after: int = 4) -> None:
    """Accept only ``token`` from request number ``after`` on."""

    def on_request(count: int) -> None:
        if count >= after:
            store.token = token

    store.on_request = on_request


def test_s3_keys_are_renewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultyStore(DATA, token="key-1") as store:
        expire(store, "key-2")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key-2")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        monkeypatch.setenv("AWS_ENDPOINT_URL", store.url)
        got = fetch(store.uri("s3"), cache=tmp_path, policy=QUICK, stores=store.stores)
        assert got.path.read_bytes() == DATA


def test_s3_keys_that_cannot_be_renewed_raise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultyStore(DATA, token="key-1") as store:
        expire(store, "key-3")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key-2")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        monkeypatch.setenv("AWS_ENDPOINT_URL", store.url)
        with pytest.raises(AccessDenied, match="ExpiredToken"):
            fetch(store.uri("s3"), cache=tmp_path, policy=QUICK, stores=store.stores)


@pytest.fixture
def service_account(tmp_path: Path) -> Path:
    """Key file whose tokens the store itself issues; the test fills in the address."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    path = tmp_path / "key.json"
    path.write_text(
        json.dumps({"type": "service_account", "client_email": "a@b", "private_key": pem, "project_id": "p"})
    )
    return path


def with_account(store: FaultyStore, path: Path, monkeypatch: pytest.MonkeyPatch) -> Stores:
    path.write_text(json.dumps(json.loads(path.read_text()) | {"token_uri": f"{store.url}/token"}))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    return replace(store.stores, google_application_credentials=str(path))


def test_google_token_is_renewed(tmp_path: Path, service_account: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultyStore(DATA, token="token-1") as store:
        stores = with_account(store, service_account, monkeypatch)
        expire(store, "token-2")
        got = fetch(store.uri("gs"), cache=tmp_path / "cache", policy=QUICK, stores=stores)
        assert got.path.read_bytes() == DATA
        assert store.tokens_given == 2


def test_google_account_without_permission_raises_the_missing_role(
    tmp_path: Path, service_account: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FaultyStore(DATA, token="no token is good enough") as store:
        stores = with_account(store, service_account, monkeypatch)
        with pytest.raises(AccessDenied, match=r"objectViewer on the bucket bucket to the service account"):
            fetch(store.uri("gs"), cache=tmp_path / "cache", policy=QUICK, stores=stores)


def test_invalid_google_key_file_is_named_in_the_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key.json").write_text("{}")
    with FaultyStore(DATA, token="token-1") as store:
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
        stores = replace(store.stores, google_application_credentials=str(tmp_path / "key.json"))
        with pytest.raises(AccessDenied, match="GOOGLE_APPLICATION_CREDENTIALS"):
            fetch(store.uri("gs"), cache=tmp_path / "cache", policy=QUICK, stores=stores)


def test_emulator_needs_no_credentials(tmp_path: Path) -> None:
    metadata = ScriptedReply(200, body=b'{"size": "256", "generation": "7"}')
    with ScriptedStore(lambda seen: metadata) as store:
        stores = store.stores(google_application_credentials=str(tmp_path / "missing.json"))
        assert open_source("gs://models/m.gguf", stores).describe().size == 256
    assert len(store.seen) == 1
