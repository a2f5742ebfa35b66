"""Conformance suite over every kind of store, each a real server: the promises of a source, and its fetch."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import InvalidURL
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from function.errors import FunctionError, ObjectNotFound, SourceError, UnknownScheme
from function.fetch import fetch
from function.settings import Stores
from function.source import Source, connection_error, list_parts, load_text, open_source, read_text
from tests.servers.faulty import FaultyStore
from tests.servers.stores import Store

DATA = bytes(range(256)) * 5000  # 1.28 MB
SCHEMES = ("", "s3://", "gs://", "hf://", "https://", "file://", "ftp://")
NAME = "ein Ordner/modell+ü&.gguf"  # some characters must be encoded


@dataclass
class Place:
    """Object in a store, a missing one, and the settings of the store."""

    uri: str
    missing: str
    stores: Stores


@pytest.fixture(params=["file", "path", "s3", "gs", "http", "hf"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    kind = request.param
    if kind in ("file", "path"):
        path = tmp_path / NAME
        path.parent.mkdir()
        path.write_bytes(DATA)
        prefix = path.parent.as_uri() if kind == "file" else str(path.parent)
        yield Place(path.as_uri() if kind == "file" else str(path), f"{prefix}/missing.gguf", Stores())
    elif kind in ("s3", "gs"):
        store: Store = request.getfixturevalue("s3" if kind == "s3" else "gcs")
        yield Place(store.put(NAME, DATA), store.uri("missing.gguf"), Stores.from_env(store.env))
    else:
        with FaultyStore(DATA) as server:
            yield Place(server.uri(kind), server.uri(kind, "missing.gguf"), server.stores)


@pytest.fixture
def source(place: Place) -> Source:
    return open_source(place.uri, place.stores)


def test_source_describes_size_and_version(source: Source) -> None:
    first, second = source.describe(), source.describe()
    assert first.size == len(DATA)
    assert first.version
    assert first == second


@pytest.mark.parametrize(("start", "length"), [(0, 1), (0, 24), (100_000, 70_000), (len(DATA) - 3, 3), (5, 0)])
def test_source_reads_ranges(source: Source, start: int, length: int) -> None:
    buffer = bytearray(length)
    source.read(source.describe(), start, memoryview(buffer))
    assert buffer == DATA[start : start + length]


def test_range_past_the_end_is_rejected(source: Source) -> None:
    with pytest.raises(SourceError):
        source.read(source.describe(), len(DATA) - 1, memoryview(bytearray(10)))


def test_missing_object_is_named_in_the_error(place: Place) -> None:
    with pytest.raises(ObjectNotFound, match=r"missing\.gguf") as caught:
        open_source(place.missing, place.stores).describe()
    assert caught.value.permanent


def test_object_is_fetched_once_with_the_right_bytes(place: Place, tmp_path: Path) -> None:
    first = fetch(place.uri, cache=tmp_path / "cache", stores=place.stores)
    assert first.path.read_bytes() == DATA
    assert first.size == len(DATA)
    assert first.path.suffix == ".gguf"
    second = fetch(place.uri, cache=tmp_path / "cache", stores=place.stores)
    assert second.cached
    assert second.path == first.path
    assert second.digest == first.digest


def test_store_checksums_are_verified(place: Place, tmp_path: Path) -> None:
    fetched = fetch(place.uri, cache=tmp_path / "cache", stores=place.stores)
    kinds = {"s3": "crc64nvme:", "gs": "crc32c:", "hf": "sha256:"}
    scheme = place.uri.partition("://")[0]
    if scheme in kinds:
        assert fetched.verified
        assert (fetched.digest or "").startswith(kinds[scheme])
    elif scheme == "http":
        assert not fetched.verified
        assert fetched.digest is None


def test_read_text_rejects_other_data(place: Place) -> None:
    with pytest.raises(SourceError, match="UTF-8"):
        read_text(place.uri, limit=1 << 30, stores=place.stores)
    with pytest.raises(SourceError, match="at most 100"):
        read_text(place.uri, limit=100, stores=place.stores)


def test_read_text_returns_a_file(tmp_path: Path) -> None:
    (tmp_path / "prompt.txt").write_text("Sei höflich.\n")
    assert read_text(str(tmp_path / "prompt.txt"), limit=1000) == "Sei höflich.\n"


@pytest.mark.parametrize("uri", ["ftp://host/model.gguf", "azure://x/y", "s3://bucket", "gs:///x", "hf://owner/model"])
def test_uri_without_an_object_is_rejected_with_an_example(uri: str) -> None:
    with pytest.raises(UnknownScheme, match=r"://"):
        open_source(uri)


def test_unreachable_server_is_named_in_the_error(tmp_path: Path) -> None:
    stores = Stores(storage_emulator_host="127.0.0.1:9")
    with pytest.raises(SourceError, match=r"127\.0\.0\.1:9"):
        open_source("gs://bucket/model.gguf", stores).describe()


def test_list_parts_returns_all_files_of_a_split_model() -> None:
    assert list_parts("s3://b/m-00001-of-00003.gguf") == (
        "s3://b/m-00001-of-00003.gguf",
        "s3://b/m-00002-of-00003.gguf",
        "s3://b/m-00003-of-00003.gguf",
    )
    assert list_parts("s3://b/m-00004-of-00003.gguf") == ("s3://b/m-00004-of-00003.gguf",)
    assert list_parts("s3://b/m.gguf") == ("s3://b/m.gguf",)


def test_directory_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(ObjectNotFound, match="directory"):
        fetch(str(tmp_path), cache=tmp_path / "cache")


@given(st.text(alphabet=st.sampled_from("abs3g:/[]@?%#.\n\0 ñ\udc80"), max_size=40), st.sampled_from(SCHEMES))
def test_open_source_accepts_or_rejects_any_text(text: str, scheme: str) -> None:
    for uri in list_parts(scheme + text):
        with contextlib.suppress(FunctionError):
            assert open_source(uri)


SECRETS = st.builds(lambda before, after: f"{before}S3CR3T{after}", *[st.text("a0@:%&=+;[]\\é℀ \"'<", max_size=4)] * 2)


@settings(max_examples=60, deadline=None)
@given(secret=SECRETS, place=st.sampled_from(["{}:p@HOST/m", "u:{}@HOST/m", "HOST/m?{}", "HOST/m#{}", "HOST:{}/m"]))
def test_error_never_quotes_a_secret(secret: str, place: str) -> None:
    where = place.replace("HOST", "127.0.0.1:9").format(secret)
    with pytest.raises(SourceError) as caught:
        open_source(f"http://{where}").describe()
    if not where.startswith("127.0.0.1:9:"):  # a port is no secret
        assert "S3CR3T" not in str(caught.value)
    assert "S3CR3T" not in str(connection_error("s3://bucket/m.gguf", f"http://{where}", InvalidURL(where)))


@pytest.mark.parametrize("uri", ["s3://bucket/m.gguf", "gs://bucket/m.gguf", "hf://owner/name/m.gguf"])
@pytest.mark.parametrize("at", ["127.0.0.1:9", "127.0.0.1:port"])
def test_error_names_the_endpoint_without_its_password(uri: str, at: str, tmp_path: Path) -> None:
    endpoint = f"http://user:S3CR3T@{at}"
    stores = Stores(
        aws_endpoint_url=endpoint,
        storage_emulator_host=endpoint,
        hf_endpoint=endpoint,
        aws_config_file=str(tmp_path / "none"),
    )
    with pytest.raises(SourceError) as caught:
        open_source(uri, stores).describe()
    assert "S3CR3T" not in str(caught.value)
    assert "user" not in str(caught.value)
    assert (at in str(caught.value)) is at.endswith("9")


def test_text_of_a_setting_is_the_setting_or_behind_its_uri(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("behind")
    assert load_text(None) is None
    assert load_text("in place") == "in place"
    assert load_text((tmp_path / "text").as_uri()) == "behind"
