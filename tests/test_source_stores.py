"""Stores as they were seen to behave: odd headers, errors with a remedy, servers that reject some ranges."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from function.errors import AccessDenied, FunctionError, ObjectChanged, SourceError
from function.fetch import fetch
from function.settings import Stores
from function.source import ObjectInfo, open_source
from tests.fetch_data import DATA, QUICK, SIZE
from tests.servers.scripted import ScriptedReply, ScriptedStore, Seen, object_reply

SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.mark.parametrize(
    "headers",
    [
        {"content-length": None},  # Cloudflare R2, some gateways
        {"content-encoding": "aws-chunked"},  # Ceph, NooBaa, Versity, RustFS
        {"content-encoding": "aws-chunked,identity"},
        {"etag": None, "last-modified": "Sun, 29 Nov 2026 10:00:00 GMT"},
        {"etag": None},
        {"etag": None, "content-length": None, "content-encoding": "aws-chunked"},
    ],
)
def test_s3_object_with_odd_headers_is_fetched(headers: dict[str, str | None], tmp_path: Path) -> None:
    with ScriptedStore(lambda seen: object_reply(seen, DATA, headers)) as store:
        fetched = fetch("s3://models/m.gguf", cache=tmp_path, policy=QUICK, stores=store.stores(), sha256=SHA256)
        assert fetched.path.read_bytes() == DATA
        assert fetched.size == SIZE
    if headers.get("etag", "") is None:
        assert all("if-match" not in seen.headers for seen in store.seen)


def test_object_without_an_etag_that_is_replaced_is_noticed() -> None:
    headers: dict[str, str | None] = {"etag": None, "last-modified": "Sun, 29 Nov 2026 10:00:00 GMT"}
    with ScriptedStore(lambda seen: object_reply(seen, DATA, headers)) as store:
        source = open_source("s3://models/m.gguf", store.stores())
        info = source.describe()
        source.check(info, {"last-modified": "Sun, 29 Nov 2026 10:00:00 GMT"})
        with pytest.raises(ObjectChanged):
            source.check(info, {"last-modified": "Sun, 29 Nov 2026 10:00:01 GMT"})


def test_reply_of_another_generation_is_noticed() -> None:
    source = open_source("gs://models/m.gguf", Stores())
    info = ObjectInfo(source.uri, SIZE, "17")
    source.check(info, {"x-goog-generation": "17"})
    source.check(info, {})
    with pytest.raises(ObjectChanged):
        source.check(info, {"x-goog-generation": "18"})


@pytest.mark.parametrize("scheme", ["s3", "gs", "http"])
def test_compressed_object_is_refused_at_once_with_the_remedy(scheme: str, tmp_path: Path) -> None:
    def script(seen: Seen) -> ScriptedReply:
        if seen.target.startswith("/storage/v1/"):
            return ScriptedReply(200, body=b'{"size": "9", "generation": "1", "contentEncoding": "gzip"}')
        return object_reply(seen, DATA, {"content-encoding": "gzip"})

    with ScriptedStore(script) as store:
        uri = f"{store.url}/m.gguf" if scheme == "http" else f"{scheme}://models/m.gguf"
        with pytest.raises(SourceError, match=r"content encoding gzip\. Store it again without") as caught:
            fetch(uri, cache=tmp_path, policy=QUICK, stores=store.stores())
    assert caught.value.permanent
    assert len(store.seen) == 1


@pytest.mark.parametrize(
    ("status", "code", "message", "remedy"),
    [
        (403, "AccessDenied", "User: x is not authorized to perform: kms:Decrypt on k", "kms:Decrypt"),
        (400, "KMS.DisabledException", "k is disabled.", "kms:Decrypt"),
        (403, "InvalidObjectState", "The operation is not valid for the object's storage class", "restore it"),
        (403, "RequestTimeTooSkewed", "The difference is too large.", "clock"),
        (403, "AccessDenied", "Access Denied", "Allow s3:GetObject on arn:aws:s3:::models/m.gguf"),
    ],
)
def test_s3_error_has_its_own_remedy(status: int, code: str, message: str, remedy: str, tmp_path: Path) -> None:
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
    config = tmp_path / "config"
    with ScriptedStore(lambda seen: ScriptedReply(status, body=b"" if seen.method == "HEAD" else body)) as store:
        source = open_source("s3://models/m.gguf", store.stores(aws_config_file=str(config)))
        with pytest.raises(AccessDenied, match=remedy) as caught:
            source.describe()
    assert f"{code}: {message.rstrip('.')}. " in str(caught.value)
    assert caught.value.permanent


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{}", b"<html>", b'{"size": "x", "generation": "1"}'])
def test_malformed_google_metadata_is_a_temporary_error(body: bytes) -> None:
    with (
        ScriptedStore(lambda seen: ScriptedReply(200, body=body)) as store,
        pytest.raises(SourceError, match="malformed") as e,
    ):
        open_source("gs://models/m.gguf", store.stores()).describe()
    assert not e.value.permanent


@pytest.mark.parametrize("status", [400, 403, 405, 501])
@pytest.mark.parametrize("behind_redirect", [False, True])
def test_server_that_rejects_a_range_of_one_byte_is_read(status: int, behind_redirect: bool, tmp_path: Path) -> None:
    def script(seen: Seen) -> ScriptedReply:
        if behind_redirect and seen.target == "/m.gguf":
            return ScriptedReply(302, {"location": "/bytes"})
        return ScriptedReply(status) if seen.headers.get("range") == "bytes=0-0" else object_reply(seen, DATA)

    with ScriptedStore(script) as store:
        fetched = fetch(f"{store.url}/m.gguf", cache=tmp_path, policy=QUICK)
        assert fetched.path.read_bytes() == DATA
    assert any("-16383" in seen.headers.get("range", "") for seen in store.seen), "ranges are used"


def test_server_that_rejects_all_ranges_is_read_in_one_piece(tmp_path: Path) -> None:
    with ScriptedStore(
        lambda seen: ScriptedReply(403) if "range" in seen.headers else object_reply(seen, DATA)
    ) as store:
        assert fetch(f"{store.url}/m.gguf", cache=tmp_path, policy=QUICK).path.read_bytes() == DATA


def test_denied_object_is_still_denied() -> None:
    with ScriptedStore(lambda seen: ScriptedReply(403)) as store, pytest.raises(AccessDenied):
        open_source(f"{store.url}/m.gguf", Stores()).describe()
    assert len(store.seen) == 3


def test_range_without_a_total_takes_the_size_from_a_plain_request() -> None:
    def script(seen: Seen) -> ScriptedReply:
        reply = object_reply(seen, DATA)
        return (
            replace(reply, headers={**reply.headers, "content-range": "bytes 0-0/*"}) if reply.status == 206 else reply
        )

    with ScriptedStore(script) as store:
        info = open_source(f"{store.url}/m.gguf", Stores()).describe()
    assert (info.size, info.ranges) == (SIZE, True)


@pytest.mark.parametrize("status", [400, 403])
def test_signed_url_that_expires_is_renewed(status: int, tmp_path: Path) -> None:
    body = b"<?xml version='1.0'?><Error><Code>ExpiredToken</Code><Message>Invalid argument.</Message></Error>"
    links, requests = [0], [0]

    def script(seen: Seen) -> ScriptedReply:
        if seen.target == "/m.gguf":
            links[0] += 1
            return ScriptedReply(302, {"location": f"/bytes?signature={links[0]}"})
        requests[0] += 1
        if requests[0] > 4 and seen.target.endswith("=1"):
            return ScriptedReply(status, body=body)
        return object_reply(seen, DATA)

    with ScriptedStore(script) as store:
        assert fetch(f"{store.url}/m.gguf", cache=tmp_path, policy=QUICK).path.read_bytes() == DATA
    assert links == [2]


@pytest.mark.parametrize("works", [True, False])
def test_federated_google_identity_needs_no_project(
    works: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def script(seen: Seen) -> ScriptedReply:
        if seen.target == "/token" and not works:
            return ScriptedReply(400, {"content-type": "application/json"}, b'{"error": "invalid_grant"}')
        if seen.target == "/token":
            token = {"access_token": "t", "expires_in": 3600, "token_type": "Bearer", "issued_token_type": "x"}
            return ScriptedReply(200, {"content-type": "application/json"}, json.dumps(token).encode())
        if seen.headers.get("authorization") != "Bearer t":
            return ScriptedReply(401)
        return ScriptedReply(200, body=b'{"size": "256", "generation": "7"}')

    for name in ("GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    with ScriptedStore(script) as store:
        key = tmp_path / "identity.json"
        identity = {
            "type": "external_account",
            "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": f"{store.url}/token",
            "credential_source": {"file": str(key)},
        }
        key.write_text(json.dumps(identity))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
        source = open_source("gs://models/m.gguf", store.stores(google_application_credentials=str(key)))
        if works:
            assert source.describe().size == 256
        else:
            with pytest.raises(FunctionError, match=r"no usable Google credentials .*invalid_grant"):
                source.describe()


def test_object_that_rejects_a_range_of_one_byte_as_unsatisfiable_is_not_empty(tmp_path: Path) -> None:
    def script(seen: Seen) -> ScriptedReply:
        if seen.headers.get("range") == "bytes=0-0":
            return ScriptedReply(416)
        return object_reply(seen, DATA)

    with ScriptedStore(script) as store:
        fetched = fetch(f"{store.url}/m.gguf", cache=tmp_path, policy=QUICK, stores=store.stores())
        assert fetched.path.read_bytes() == DATA


def test_error_in_place_of_an_unstated_length_is_no_length() -> None:
    def script(seen: Seen) -> ScriptedReply:
        if "range" in seen.headers:
            return ScriptedReply(206, {"content-range": "bytes 0-0/*"}, b"x")
        return ScriptedReply(429, body=b"")

    with ScriptedStore(script) as store, pytest.raises(SourceError, match="status 429"):
        open_source(f"{store.url}/m.gguf", store.stores()).describe()


@pytest.mark.parametrize("scheme", ["s3", "http"])
def test_web_page_in_place_of_an_object_is_a_temporary_error(scheme: str) -> None:
    page = ScriptedReply(200, {"content-type": "text/html; charset=utf-8"}, b"<!doctype html>")
    with ScriptedStore(lambda seen: page) as store:
        uri = "s3://models/m.gguf" if scheme == "s3" else f"{store.url}/m.gguf"
        with pytest.raises(SourceError, match=f"{store.address} sent a web page in place of the object") as e:
            open_source(uri, store.stores()).describe()
    assert not e.value.permanent


def test_s3_store_without_lengths_and_ranges_is_read_in_one_piece(tmp_path: Path) -> None:
    def script(seen: Seen) -> ScriptedReply:
        headers: dict[str, str | None] = {"etag": '"1"'}
        return ScriptedReply(200, headers | ({"content-length": None} if seen.method == "HEAD" else {}), DATA)

    with ScriptedStore(script) as store:
        fetched = fetch("s3://models/m.gguf", cache=tmp_path, policy=QUICK, stores=store.stores())
        assert fetched.path.read_bytes() == DATA


@pytest.mark.parametrize("checksum", ["a", "????", "é=", "AAAA=AAA"])
def test_malformed_checksum_is_a_temporary_error(checksum: str) -> None:
    headers = {"x-amz-checksum-crc32": checksum}
    message = "the store sent a malformed checksum"
    with (
        ScriptedStore(lambda seen: object_reply(seen, DATA, headers)) as store,
        pytest.raises(SourceError, match=message) as e,
    ):
        open_source("s3://models/m.gguf", store.stores()).describe()
    assert not e.value.permanent


@pytest.mark.parametrize(
    ("headers", "if_range"), [({"etag": '"1"'}, '"1"'), ({"etag": 'W/"1"'}, None), ({"etag": None}, None)]
)
def test_range_is_bound_to_a_strong_validator_alone(headers: dict[str, str | None], if_range: str | None) -> None:
    with ScriptedStore(lambda seen: object_reply(seen, DATA, headers)) as store:
        source = open_source(f"{store.url}/m.gguf", Stores())
        info = source.describe()
        assert source.request(info, 0, 9).headers.get("if-range") == if_range
        assert "if-range" not in source.request(replace(info, ranges=False), 0, 9).headers
