"""Network configuration of the sources: certificate authorities, proxies, and logins in URLs."""

import base64
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from function.errors import SourceError
from function.settings import Stores
from function.source import open_source
from function.source.http_client import find_proxy
from tests.servers.scripted import Certificate, ScriptedReply, ScriptedStore, Seen, make_certificate, object_reply

DATA = bytes(range(256))
PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def serve(seen: Seen) -> ScriptedReply:
    """Serve the object under every protocol."""
    if seen.target.startswith("/storage/v1/"):
        return ScriptedReply(200, body=b'{"size": "256", "generation": "7"}')
    return object_reply(seen, DATA)


def uri(store: ScriptedStore, scheme: str) -> str:
    return f"{store.url}/m.gguf" if scheme == "https" else f"{scheme}://models/repo/m.gguf"


@pytest.mark.parametrize(
    ("variable", "schemes"),
    [
        ("aws_ca_bundle", {"s3"}),
        ("requests_ca_bundle", {"s3", "gs", "hf", "https"}),
        ("curl_ca_bundle", {"s3", "gs", "hf", "https"}),
    ],
)
@pytest.mark.parametrize("scheme", ["s3", "gs", "hf", "https"])
def test_ca_bundle_in_the_environment_is_trusted(
    scheme: str, variable: str, schemes: set[str], certificate: Certificate
) -> None:
    with ScriptedStore(serve, certificate) as store:
        stores = store.stores(**{variable: str(certificate.path)})
        source = open_source(uri(store, scheme), stores)
        if scheme in schemes:
            info = source.describe()
            buffer = bytearray(10)
            source.read(info, 5, memoryview(buffer))
            assert info.size == 256
            assert buffer == DATA[5:15]
        else:
            with pytest.raises(SourceError, match="CERTIFICATE_VERIFY_FAILED"):
                source.describe()


def test_ca_bundle_of_a_profile_is_trusted(
    certificate: Certificate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config"
    with ScriptedStore(serve, certificate) as store:
        config.write_text(f"[default]\nca_bundle = {certificate.path}\nendpoint_url = {store.url}\n")
        for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "AWS_ENDPOINT_URL", "AWS_PROFILE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        assert open_source("s3://models/m.gguf", Stores.from_env()).describe().size == 256


def test_unknown_authority_is_a_permanent_error_with_the_remedy(certificate: Certificate) -> None:
    with ScriptedStore(serve, certificate) as store, pytest.raises(SourceError, match="SSL_CERT_FILE") as caught:
        open_source(f"{store.url}/m.gguf", Stores()).describe()
    assert caught.value.permanent


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_unusable_ca_bundle_is_named_in_a_permanent_error(content: str | None, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.pem"
    if content is not None:
        bundle.write_text(content)
    with pytest.raises(SourceError, match=r"bundle\.pem cannot be read") as caught:
        open_source("https://127.0.0.1:9/m.gguf", Stores(requests_ca_bundle=str(bundle))).describe()
    assert caught.value.permanent


@pytest.mark.parametrize(
    ("url", "environment", "expected"),
    [
        ("http://store/m", {"http_proxy": "http://proxy:3128"}, "proxy:3128"),
        ("http://store/m", {"http_proxy": "proxy:3128"}, "proxy:3128"),
        ("https://store/m", {"http_proxy": "http://proxy:3128"}, None),
        ("https://store/m", {"all_proxy": "http://proxy:3128"}, "proxy:3128"),
        ("https://store/m", {"all_proxy": "http://other:1", "https_proxy": "http://proxy:3128"}, "proxy:3128"),
        ("http://10.1.2.3:9000/m", {"all_proxy": "http://proxy:3128", "no_proxy": "a.example, 10.0.0.0/8"}, None),
        ("http://11.1.2.3:9000/m", {"all_proxy": "http://proxy:3128", "no_proxy": "10.0.0.0/8"}, "proxy:3128"),
        ("http://[fd00::1]:9000/m", {"all_proxy": "http://proxy:3128", "no_proxy": "fd00::/8"}, None),
        ("http://store.example/m", {"all_proxy": "http://proxy:3128", "no_proxy": "10.0.0.0/8"}, "proxy:3128"),
        ("http://store.example/m", {"all_proxy": "http://proxy:3128", "no_proxy": ".example"}, None),
        ("http://10.1.2.3/m", {"all_proxy": "http://proxy:3128", "no_proxy": "nonsense/99,10.0.0.0/33"}, "proxy:3128"),
        ("http://u:p@10.1.2.3/m", {"all_proxy": "http://proxy:3128", "no_proxy": "10.1.2.3"}, None),
    ],
)
def test_proxy_follows_the_environment(
    url: str, environment: dict[str, str], expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    proxy = find_proxy(urlsplit(url))
    assert (proxy.netloc if proxy else None) == expected


@pytest.mark.parametrize("scheme", ["https", "socks5", "socks5h", "socks4"])
def test_proxy_of_another_protocol_is_refused_in_a_sentence(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", f"{scheme}://user:S3CR3T@proxy:1080")
    with pytest.raises(SourceError, match=f"{scheme}://proxy cannot be used: only http://") as caught:
        open_source("https://store.example/m.gguf", Stores()).describe()
    assert caught.value.permanent
    assert "S3CR3T" not in str(caught.value)


def test_http_proxy_receives_the_whole_url_and_its_login(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedStore(serve) as proxy:
        monkeypatch.setenv("http_proxy", f"http://us%20er:p%40ss@{proxy.address}")
        assert open_source("http://store.example/m.gguf", Stores()).describe().size == 256
    assert proxy.seen[0].target == "http://store.example/m.gguf"
    assert proxy.seen[0].headers["proxy-authorization"] == basic("us er:p@ss")


def test_login_in_a_url_is_sent_to_its_host_only() -> None:
    with ScriptedStore(serve) as other:

        def redirect(seen: Seen) -> ScriptedReply:
            if seen.headers.get("authorization") != basic("u:p@ss"):
                return ScriptedReply(401)
            return ScriptedReply(302, {"location": f"{other.url}/bytes"})

        with ScriptedStore(redirect) as store:
            source = open_source(f"http://u:p%40ss@{store.address}/m.gguf", Stores())
            info = source.describe()
            assert info.size == 256
            assert "authorization" not in source.request(info, 0, 9).headers
    assert all("authorization" not in seen.headers for seen in other.seen)
    assert store.seen[0].target == "/m.gguf"


@pytest.mark.parametrize("from_hub", [False, True])
def test_https_is_never_redirected_to_http(from_hub: bool, certificate: Certificate) -> None:
    with (
        ScriptedStore(serve) as other,
        ScriptedStore(lambda seen: ScriptedReply(302, {"location": f"{other.url}/bytes"}), certificate) as store,
    ):
        source = open_source(
            uri(store, "hf" if from_hub else "https"), store.stores(requests_ca_bundle=str(certificate.path))
        )
        with pytest.raises(SourceError, match=f"redirected to {other.url}, which is not allowed"):
            source.describe()
    assert not other.seen


def test_token_of_the_hub_is_sent_to_the_hub_only() -> None:
    with (
        ScriptedStore(serve) as other,
        ScriptedStore(lambda seen: ScriptedReply(302, {"location": f"{other.url}/bytes"})) as hub,
    ):
        source = open_source("hf://owner/repo/m.gguf", hub.stores(hf_token="hf_S3CR3T"))
        info = source.describe()
        source.read(info, 0, memoryview(bytearray(9)))
        assert "authorization" not in source.request(info, 0, 9).headers
    assert {seen.headers.get("authorization") for seen in hub.seen} == {"Bearer hf_S3CR3T"}
    assert {seen.headers.get("authorization") for seen in other.seen} == {None}


def test_login_in_a_url_is_sent_with_every_range() -> None:
    with ScriptedStore(lambda seen: serve(seen) if "authorization" in seen.headers else ScriptedReply(401)) as store:
        source = open_source(f"http://u:p@{store.address}/m.gguf", Stores())
        buffer = bytearray(256)
        source.read(source.describe(), 0, memoryview(buffer))
    assert buffer == DATA
    assert {seen.headers["authorization"] for seen in store.seen} == {basic("u:p")}


def basic(login: str) -> str:
    return f"Basic {base64.b64encode(login.encode()).decode()}"
