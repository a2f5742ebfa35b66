"""Names of objects: versions, pages, quantisations and spellings."""

import json
from pathlib import Path

import pytest

from function.errors import ObjectNotFound, UnknownScheme
from function.fetch import fetch
from function.fetch.destination.memory import MemoryDestination
from function.settings import Stores
from function.source import is_remote, name_file, open_source
from function.source.huggingface import choose_file
from function.source.uri import normalize_uri
from tests.fetch_data import DATA, QUICK
from tests.servers.faulty import FaultyStore
from tests.servers.scripted import ScriptedReply, ScriptedStore, Seen, object_reply
from tests.servers.stores import Store, s3_client

OWNER = "https://huggingface.co/owner/repo"


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("S3://bucket/Key.gguf", "s3://bucket/Key.gguf"),
        ("Gs://b/k", "gs://b/k"),
        ("gcs://b/k", "gs://b/k"),
        ("GCS://b/k", "gs://b/k"),
        ("HTTPS://Host/Path", "https://Host/Path"),
        ("HF://o/r/f.gguf", "hf://o/r/f.gguf"),
        ("/a/path.gguf", "/a/path.gguf"),
        (f"{OWNER}/blob/main/d/m.gguf", "hf://owner/repo@main/d/m.gguf"),
        (f"{OWNER}/blob/v1/m.gguf?show=1#x", "hf://owner/repo@v1/m.gguf"),
        (f"{OWNER}/resolve/main/m.gguf", f"{OWNER}/resolve/main/m.gguf"),
        ("https://github.com/o/r/blob/main/m.gguf", "https://github.com/o/r/raw/main/m.gguf"),
        ("https://host/o/r/blob/main/m.gguf", "https://host/o/r/blob/main/m.gguf"),
    ],
)
def test_uri_is_normalized(uri: str, expected: str) -> None:
    assert normalize_uri(uri) == expected
    assert is_remote(uri) == ("://" in uri)
    assert normalize_uri(expected) == expected


@pytest.mark.parametrize(
    "uri", ["hf://o/r/m.gguf", "hf://o/r@main/m.gguf", "hf://o/r/blob/main/m.gguf", "hf://o/r/resolve/main/m.gguf"]
)
def test_hugging_face_file_and_its_page_are_the_same(uri: str) -> None:
    with ScriptedStore(lambda seen: object_reply(seen, DATA)) as store:
        open_source(uri, store.stores()).describe()
    assert store.seen[0].target == "/o/r/resolve/main/m.gguf"
    assert name_file(uri) == "m.gguf"


FILES = [
    "README.md", "m-Q4_K_M.gguf", "m-Q4_K_S.gguf", "m.Q8_0.gguf", "mmproj-Q8_0.gguf", "IQ4_XS/m-IQ4_XS.gguf",
    "BF16/m-BF16-00001-of-00002.gguf", "BF16/m-BF16-00002-of-00002.gguf", "a-F16.gguf", "b-F16.gguf",
]  # fmt: skip


@pytest.mark.parametrize(
    ("quantisation", "path"),
    [
        ("Q4_K_M", "m-Q4_K_M.gguf"),
        ("q4_k_m", "m-Q4_K_M.gguf"),
        ("Q8_0", "m.Q8_0.gguf"),
        ("IQ4_XS", "IQ4_XS/m-IQ4_XS.gguf"),
        ("BF16", "BF16/m-BF16-00001-of-00002.gguf"),
    ],
)
def test_quantisation_chooses_its_file(quantisation: str, path: str) -> None:
    assert choose_file("hf://o/r", FILES, quantisation) == path


@pytest.mark.parametrize(
    ("quantisation", "message"),
    [
        ("Q4_K", r"no file .* m-Q4_K_M\.gguf"),
        ("Q4", "no file"),
        ("F16", r"2 files .*: a-F16\.gguf, b-F16\.gguf\."),
    ],
)
def test_quantisation_without_one_file_lists_the_files(quantisation: str, message: str) -> None:
    with pytest.raises(ObjectNotFound, match=message):
        choose_file("hf://o/r", FILES, quantisation)


def repository(seen: Seen) -> ScriptedReply:
    """Serve the list of ``FILES``, and one file under every other address."""
    if seen.target.startswith("/api/"):
        return ScriptedReply(200, body=json.dumps({"siblings": [{"rfilename": name} for name in FILES]}).encode())
    return object_reply(seen, DATA)


def test_quantisation_is_fetched_under_the_name_of_its_file(tmp_path: Path) -> None:
    with ScriptedStore(repository) as store:
        fetched = fetch("hf://owner/repo:q4_k_m", cache=tmp_path, policy=QUICK, stores=store.stores(hf_token="t"))
        assert fetched.path.read_bytes() == DATA
    assert fetched.uri == "hf://owner/repo/m-Q4_K_M.gguf"
    assert fetched.path.name == fetched.name == "m-Q4_K_M.gguf"
    targets = [seen.target for seen in store.seen]
    assert targets[0] == "/api/models/owner/repo/revision/main"
    assert set(targets[1:]) == {"/owner/repo/resolve/main/m-Q4_K_M.gguf"}
    assert {seen.headers["authorization"] for seen in store.seen} == {"Bearer t"}


@pytest.mark.parametrize("kind", ["directory", "memory"])
def test_split_model_of_a_quantisation_is_fetched_completely(tmp_path: Path, kind: str) -> None:
    uri = "hf://o/r@v1:BF16"
    cache = tmp_path if kind == "directory" else MemoryDestination(uri)
    with ScriptedStore(repository) as store:
        fetched = fetch(uri, cache=cache, policy=QUICK, stores=store.stores())
        assert [part.read_bytes() for part in fetched.parts] == [DATA, DATA]
    assert fetched.uri == "hf://o/r@v1/BF16/m-BF16-00001-of-00002.gguf"
    assert fetched.size == 2 * len(DATA)
    fetched.close()
    targets = {seen.target for seen in store.seen[1:]}
    assert targets == {f"/o/r/resolve/v1/BF16/m-BF16-0000{n}-of-00002.gguf" for n in (1, 2)}


@pytest.mark.parametrize("uri", ["hf://o/r:", "hf://o/r:Q4/f.gguf", "hf://o/r:a b", "hf://o/r", "hf://o/:Q4_K_M"])
def test_malformed_hugging_face_name_is_rejected_with_examples(uri: str) -> None:
    with pytest.raises(UnknownScheme, match="hf://owner/repository:Q4_K_M"):
        open_source(uri, Stores())


def test_version_of_an_s3_object_is_read(s3: Store, tmp_path: Path) -> None:
    client = s3_client(s3)
    client.create_bucket(Bucket="versions")
    client.put_bucket_versioning(Bucket="versions", VersioningConfiguration={"Status": "Enabled"})
    first = client.put_object(Bucket="versions", Key="versioned.gguf", Body=DATA)["VersionId"]
    client.put_object(Bucket="versions", Key="versioned.gguf", Body=b"newer")
    uri = f"s3://versions/versioned.gguf?versionId={first}"
    fetched = fetch(uri, cache=tmp_path, policy=QUICK, stores=Stores.from_env(s3.env))
    assert fetched.path.read_bytes() == DATA
    assert fetched.path.name == "versioned.gguf"


def test_generation_of_a_google_object_is_read(tmp_path: Path) -> None:
    with FaultyStore(DATA) as store:
        uri = store.uri("gs")
        fetched = fetch(f"{uri}#1", cache=tmp_path, policy=QUICK, stores=store.stores)
        assert fetched.path.read_bytes() == DATA
        assert fetched.path.name == "model.gguf"
    with ScriptedStore(lambda seen: ScriptedReply(404)) as other, pytest.raises(ObjectNotFound):
        open_source("gs://models/m.gguf#17", other.stores()).describe()
    assert other.seen[0].target == "/storage/v1/b/models/o/m.gguf?generation=17"
