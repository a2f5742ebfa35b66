"""S3 without an SDK: the signature equals botocore's, and only checksums of whole objects are used."""

import base64
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from function.settings import Stores
from function.source.s3 import S3Source, _read_checksums
from function.source.sigv4 import Credentials, sign

keys = st.text(st.characters(codec="utf-8", exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1)


@settings(deadline=None)  # the first example imports botocore
@given(key=keys.filter(lambda key: not key.startswith("/")), token=st.none() | st.just("the/token=="))
def test_signature_equals_botocore(key: str, token: str | None) -> None:
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials as Theirs

    stores = Stores(
        aws_access_key_id="AKID", aws_secret_access_key="secret", aws_session_token=token,
        aws_endpoint_url="http://127.0.0.1:9000", aws_config_file="/nonexistent",
    )  # fmt: skip
    url = S3Source(f"s3://bucket/{key}", stores)._address.url
    ours = sign("GET", url, {"range": "bytes=0-9"}, Credentials("AKID", "secret", token), "eu-west-3")
    request = AWSRequest(
        "GET", url, headers={"range": "bytes=0-9", "x-amz-content-sha256": ours["x-amz-content-sha256"]}
    )
    request.context = {"timestamp": ours["x-amz-date"], "signing": {}, "client_config": SimpleNamespace(s3=None)}
    request.headers["X-Amz-Date"] = ours["x-amz-date"]
    if token:
        request.headers["X-Amz-Security-Token"] = token
    signer = S3SigV4Auth(Theirs("AKID", "secret", token), "s3", "eu-west-3")
    canonical = signer.canonical_request(request)
    text = signer.string_to_sign(request, canonical)
    assert ours["authorization"].endswith(f"Signature={signer.signature(text, request)}")


def test_signature_has_the_date_of_the_request() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert (
        sign("GET", "https://b.s3.amazonaws.com/k", {}, Credentials("a", "b"), "r", at)["x-amz-date"]
        == "20260102T030405Z"
    )


CRC = base64.b64encode(bytes(range(8))).decode()


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"x-amz-checksum-crc64nvme": CRC}, {"crc64nvme": "0001020304050607"}),
        ({"x-amz-checksum-crc64nvme": CRC, "x-amz-checksum-type": "FULL_OBJECT"}, {"crc64nvme": "0001020304050607"}),
        ({"x-amz-checksum-crc64nvme": CRC, "x-amz-checksum-type": "COMPOSITE"}, {}),
        ({"x-amz-checksum-crc32": "AAAAAA==-3"}, {}),
        ({"x-amz-checksum-crc32": CRC}, {}),  # eight bytes are no CRC32
        ({"etag": '"0123"'}, {}),  # never an ETag as a checksum
    ],
)
def test_only_a_checksum_of_the_whole_object_counts(headers: dict[str, str], expected: dict[str, str]) -> None:
    assert _read_checksums("s3://b/k", headers) == expected


@pytest.mark.parametrize(
    ("bucket", "region", "url"),
    [
        ("models", "eu-west-3", "https://models.s3.eu-west-3.amazonaws.com/m.gguf"),
        ("my.models", "us-east-1", "https://s3.us-east-1.amazonaws.com/my.models/m.gguf"),
        ("models", "cn-north-1", "https://models.s3.cn-north-1.amazonaws.com.cn/m.gguf"),
    ],
)
def test_bucket_url_follows_name_and_region(bucket: str, region: str, url: str) -> None:
    assert S3Source(f"s3://{bucket}/m.gguf", Stores(aws_region=region))._address.url == url
