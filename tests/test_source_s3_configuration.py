"""AWS configuration of the S3 source: profiles, service sections, endpoints and options are honoured or refused."""

import json
from pathlib import Path

import pytest

from function.errors import AccessDenied, SourceError, UnknownScheme
from function.settings import Stores
from function.source import open_source
from function.source.s3_object import S3Object
from function.source.s3_session import S3Session
from tests.servers.scripted import ScriptedReply, ScriptedStore, Seen, object_reply

DATA = bytes(range(256))
ACCESS_POINT = "arn:aws:s3:eu-west-1:123456789012:accesspoint/models"
COLON_FORM = "arn:aws:s3:eu-west-1:123456789012:accesspoint:models"
OUTPOST = "arn:aws:s3-outposts:us-west-2:123456789012:outpost/op-1234567890123456/accesspoint/models"


@pytest.fixture(autouse=True)
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Isolate the AWS environment and return the path of its configuration file."""
    for name in ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    return tmp_path / "config"


AWS = "amazonaws.com/m.gguf"


@pytest.mark.parametrize(
    ("config", "environment", "bucket", "url", "scope"),
    [
        ("", {}, "models", f"https://models.s3.eu-west-3.{AWS}", "eu-west-3/s3"),
        ("use_fips_endpoint = true", {}, "models", f"https://models.s3-fips.eu-west-3.{AWS}", "eu-west-3/s3"),
        ("", {"AWS_USE_FIPS_ENDPOINT": "true"}, "models", f"https://models.s3-fips.eu-west-3.{AWS}", "eu-west-3/s3"),
        ("use_dualstack_endpoint = true", {}, "models", f"https://models.s3.dualstack.eu-west-3.{AWS}", "eu-west-3/s3"),
        (
            "", {"AWS_USE_DUALSTACK_ENDPOINT": "true"}, "models",
            f"https://models.s3.dualstack.eu-west-3.{AWS}", "eu-west-3/s3",
        ),
        (
            "s3 =\n  use_accelerate_endpoint = true", {}, "models",
            f"https://models.s3-accelerate.{AWS}", "eu-west-3/s3",
        ),
        (
            "s3 =\n  addressing_style = path", {}, "models",
            "https://s3.eu-west-3.amazonaws.com/models/m.gguf", "eu-west-3/s3",
        ),
        ("endpoint_url = http://store:9000", {}, "models", "http://store:9000/models/m.gguf", "eu-west-3/s3"),
        (
            "endpoint_url = https://oss-cn-x.aliyuncs.com\ns3 =\n  addressing_style = virtual", {}, "models",
            "https://models.oss-cn-x.aliyuncs.com/m.gguf", "eu-west-3/s3",
        ),
        (
            "services = lab\n[services lab]\ns3 =\n  endpoint_url = http://lab:9000", {}, "models",
            "http://lab:9000/models/m.gguf", "eu-west-3/s3",
        ),
        (
            "endpoint_url = https://bucket.vpce-1-a.s3.eu-west-3.vpce.amazonaws.com", {}, "models",
            "https://bucket.vpce-1-a.s3.eu-west-3.vpce.amazonaws.com/models/m.gguf", "eu-west-3/s3",
        ),
        (
            "endpoint_url = http://file:1", {"AWS_ENDPOINT_URL_S3": "http://environment:1"}, "models",
            "http://environment:1/models/m.gguf", "eu-west-3/s3",
        ),
        (
            "endpoint_url = http://file:1", {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, "models",
            f"https://models.s3.eu-west-3.{AWS}", "eu-west-3/s3",
        ),
        ("", {}, "my.models", "https://s3.eu-west-3.amazonaws.com/my.models/m.gguf", "eu-west-3/s3"),
        ("", {}, ACCESS_POINT, f"https://models-123456789012.s3-accesspoint.eu-west-1.{AWS}", "eu-west-1/s3"),
        (
            "", {}, OUTPOST,
            f"https://models-123456789012.op-1234567890123456.s3-outposts.us-west-2.{AWS}", "us-west-2/s3-outposts",
        ),
        (
            "", {}, "models--euw3-az1--x-s3",
            f"https://models--euw3-az1--x-s3.s3express-euw3-az1.eu-west-3.{AWS}", "eu-west-3/s3express",
        ),
    ],
)  # fmt: skip
def test_address_follows_the_configuration(
    config: str, environment: dict[str, str], bucket: str, url: str, scope: str, aws: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    aws.write_text(f"[default]\nregion = eu-west-3\n{config}\n")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    uri = f"s3://{bucket}/m.gguf"
    session = S3Session(uri, S3Object.parse(uri), Stores.from_env().s3_endpoint)
    assert session.region == "eu-west-3"
    address = session.locate(session.region)
    assert (address.url, f"{address.region}/{address.service}") == (url, scope)


def test_contradictory_configuration_is_refused_in_a_sentence(aws: Path) -> None:
    aws.write_text("[default]\nuse_fips_endpoint = true\ns3 =\n  use_accelerate_endpoint = true\n")
    with pytest.raises(SourceError, match="AWS configuration gives no address") as caught:
        open_source("s3://models/m.gguf", Stores.from_env()).describe()
    assert caught.value.permanent


def serve(seen: Seen) -> ScriptedReply:
    return object_reply(seen, DATA)


def test_virtual_addressing_of_a_profile_reaches_the_store(aws: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    aws.write_text(
        "[profile oss]\nendpoint_url = http://oss.example\nregion = cn-x\ns3 =\n  addressing_style = virtual\n"
    )
    with ScriptedStore(serve) as proxy:
        monkeypatch.setenv("AWS_PROFILE", "oss")
        monkeypatch.setenv("http_proxy", proxy.url)
        assert open_source("s3://models/repo/m.gguf?versionId=a/b", Stores.from_env()) is not None
        source = open_source("s3://models/repo/m+1.gguf?versionId=v-1", Stores.from_env())
        buffer = bytearray(6)
        source.read(source.describe(), 4, memoryview(buffer))
    assert buffer == DATA[4:10]
    assert {seen.target for seen in proxy.seen} == {"http://models.oss.example/repo/m%2B1.gguf?versionId=v-1"}
    assert "/cn-x/s3/aws4_request" in proxy.seen[0].headers["authorization"]


def test_aws_region_comes_before_that_of_a_profile(aws: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedStore(serve) as store:
        aws.write_text(f"[default]\nendpoint_url = {store.url}\nregion = eu-west-3\n")
        monkeypatch.setenv("AWS_REGION", "ap-south-1")
        open_source("s3://models/m.gguf", Stores.from_env()).describe()
    assert "/ap-south-1/s3/" in store.seen[0].headers["authorization"]


def test_region_that_the_store_states_is_followed_once(aws: Path) -> None:
    statuses = {"AuthorizationHeaderMalformed": 400, "PermanentRedirect": 301, "TemporaryRedirect": 307, "Wrong": 403}
    for stated in ("header", "body"):
        for code, status in statuses.items():

            def script(seen: Seen, status: int = status, code: str = code, stated: str = stated) -> ScriptedReply:
                if "/eu-north-1/s3/" in seen.headers["authorization"]:
                    return serve(seen)
                body = f"<Error><Code>{code}</Code><Message>wrong</Message><Region>eu-north-1</Region></Error>"
                if stated == "header":
                    return ScriptedReply(status, {"x-amz-bucket-region": "eu-north-1"})
                return ScriptedReply(status, body=body.encode())

            with ScriptedStore(script) as store:
                assert open_source("s3://models/m.gguf", store.stores()).describe().size == 256, (stated, code)

    def contradict(seen: Seen) -> ScriptedReply:
        return ScriptedReply(400, {"x-amz-bucket-region": f"region-{len(store.seen)}"})

    with ScriptedStore(contradict) as store, pytest.raises(SourceError):
        open_source("s3://models/m.gguf", store.stores()).describe()
    assert len(store.seen) <= 6


@pytest.mark.parametrize("in_header", [True, False])
def test_region_that_the_store_states_holds_with_renewed_credentials(
    in_header: bool, aws: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def script(seen: Seen) -> ScriptedReply:
        if "/eu-north-1/s3/" in seen.headers["authorization"]:
            return serve(seen) if "Credential=rotated/" in seen.headers["authorization"] else ScriptedReply(403)
        if in_header:
            return ScriptedReply(301, {"x-amz-bucket-region": "eu-north-1"})
        return ScriptedReply(400, body=b"<Error><Code>x</Code><Region>eu-north-1</Region></Error>")

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "rotated")
    with ScriptedStore(script) as store:
        source = open_source("s3://models/m.gguf", store.stores())
        info = source.describe()
        wrong = [seen for seen in store.seen if "/us-east-1/s3/" in seen.headers["authorization"]]
        assert len(wrong) == (1 if in_header else 3), "the stated region is used from then on"
        source.renew()
        assert "/eu-north-1/s3/" in source.request(info, 0, 9).headers["authorization"]


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_project_or_requester_that_pays_is_named_in_every_request(
    scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def script(seen: Seen) -> ScriptedReply:
        if seen.target.startswith("/token"):
            token = {"access_token": "t", "expires_in": 3600, "token_type": "Bearer", "issued_token_type": "x"}
            return ScriptedReply(200, {"content-type": "application/json"}, json.dumps(token).encode())
        if seen.headers.get("x-amz-request-payer") != "requester" and seen.headers.get("x-goog-user-project") != "ours":
            return ScriptedReply(403)
        if seen.target.startswith("/storage/v1/"):
            return ScriptedReply(200, body=b'{"size": "256", "generation": "7"}')
        return object_reply(seen, DATA)

    with ScriptedStore(script) as store:
        key = tmp_path / "adc.json"
        key.write_text(
            json.dumps(
                {
                    "type": "external_account",
                    "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
                    "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
                    "token_url": f"{store.url}/token",
                    "credential_source": {"file": str(key)},
                    "quota_project_id": "ours",
                }
            )
        )
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
        stores = store.stores(aws_request_payer="requester", google_application_credentials=str(key))
        source = open_source(f"{scheme}://models/m.gguf", stores)
        buffer = bytearray(6)
        source.read(source.describe(), 4, memoryview(buffer))
    assert buffer == DATA[4:10]


def test_directory_bucket_is_read_with_a_session(aws: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def script(seen: Seen) -> ScriptedReply:
        assert "/s3express/aws4_request" in seen.headers["authorization"]
        if "session" in seen.target.partition("?")[2]:
            body = (
                "<CreateSessionResult><Credentials><AccessKeyId>session-key</AccessKeyId><SecretAccessKey>s"
                "</SecretAccessKey><SessionToken>session-token</SessionToken><Expiration>2099-01-01T00:00:00Z"
                "</Expiration></Credentials></CreateSessionResult>"
            )
            return ScriptedReply(200, {"content-type": "application/xml"}, body.encode())
        if seen.headers.get("x-amz-s3session-token") != "session-token":
            return ScriptedReply(403)
        assert "Credential=session-key/" in seen.headers["authorization"]
        return object_reply(seen, DATA)

    with ScriptedStore(script) as store:
        monkeypatch.setenv("AWS_ENDPOINT_URL", store.url)
        monkeypatch.setenv("AWS_REGION", "eu-west-3")
        source = open_source("s3://models--euw3-az1--x-s3/m.gguf", Stores.from_env())
        buffer = bytearray(6)
        source.read(source.describe(), 4, memoryview(buffer))
    assert buffer == DATA[4:10]
    assert sum("session" in seen.target.partition("?")[2] for seen in store.seen) == 1


def test_directory_bucket_without_permission_names_it(aws: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
    with ScriptedStore(lambda seen: ScriptedReply(403, {"content-type": "application/xml"}, body)) as store:
        monkeypatch.setenv("AWS_ENDPOINT_URL", store.url)
        monkeypatch.setenv("AWS_REGION", "eu-west-3")
        with pytest.raises(AccessDenied, match="s3express:CreateSession"):
            open_source("s3://models--euw3-az1--x-s3/m.gguf", Stores.from_env()).describe()


@pytest.mark.parametrize(
    ("uri", "bucket", "key", "version"),
    [
        ("s3://b/k/m.gguf", "b", "k/m.gguf", None),
        ("s3://b/m.gguf?versionId=a1._-", "b", "m.gguf", "a1._-"),
        ("s3://b/what?.gguf", "b", "what?.gguf", None),
        (f"s3://{ACCESS_POINT}/k/m.gguf", ACCESS_POINT, "k/m.gguf", None),
        (f"s3://{OUTPOST}/m.gguf", OUTPOST, "m.gguf", None),
        (f"s3://{COLON_FORM}/m.gguf", COLON_FORM, "m.gguf", None),
    ],
)  # fmt: skip
def test_object_is_parsed_from_its_uri(uri: str, bucket: str, key: str, version: str | None) -> None:
    assert S3Object.parse(uri) == S3Object(bucket, key, version)


@pytest.mark.parametrize("uri", ["s3://arn:aws:s3:::models/m.gguf", f"s3://{ACCESS_POINT}", "s3://b?versionId=1"])
def test_object_without_a_bucket_or_a_key_is_rejected(uri: str) -> None:
    with pytest.raises(UnknownScheme, match="s3://"):
        S3Object.parse(uri)


@pytest.mark.parametrize(("key", "secret"), [("key", ""), ("", "secret"), ("", "")])
def test_half_of_a_key_is_no_credential(key: str, secret: str, aws: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    uri = "s3://models/m.gguf"
    aws.with_name("credentials").write_text("[default]\naws_access_key_id = key\naws_secret_access_key = secret\n")
    assert S3Session(uri, S3Object.parse(uri), None).credentials() is not None
    aws.with_name("credentials").write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n")
    assert S3Session(uri, S3Object.parse(uri), None).credentials() is None
