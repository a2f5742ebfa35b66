"""The function behind each server, with a model from each kind of store."""

import itertools
import json
import subprocess
import threading
import urllib.request
from pathlib import Path

import pytest

from tests.servers.doors import DOORS, ROOT, WAIT_SECONDS, serving
from tests.servers.scripted import ScriptedReply, ScriptedStore, Seen, object_reply
from tests.servers.stores import Store
from tests.split_model import split

SEEDED = {"prompt": "hi", "seed": 7, "max_tokens": 24}


@pytest.mark.parametrize("door", DOORS)
def test_every_door_serves_the_default_model(door: str, tmp_path: Path) -> None:
    with serving(tmp_path, door, MODEL_URI="") as function:
        status, text = function.ask("/chat", SEEDED)
        assert status == 200, text
        assert text
        assert function.ask("/", SEEDED) == (200, text)
        assert function.get("/health/ready") == (200, {"state": "ready"})
        assert function.get("/health/live")[0] == 200


@pytest.mark.parametrize("door", DOORS)
def test_server_streams_piece_by_piece(door: str, tmp_path: Path) -> None:
    with serving(tmp_path, door) as function:
        request = urllib.request.Request(function.url + "/chat", json.dumps(SEEDED | {"ignore_eos": True}).encode())
        with urllib.request.urlopen(request, timeout=WAIT_SECONDS) as response:
            assert response.headers["Transfer-Encoding"] == "chunked" or response.headers["Connection"] == "close"
            chunks = list(iter(lambda: response.read1(65536), b""))
        assert len(chunks) > 4, "a reply of 24 tokens comes in many pieces"


@pytest.mark.parametrize("place", ["s3", "gcs", "path", "file"])
@pytest.mark.parametrize("door", ["gunicorn", "functions-framework"])
def test_model_from_each_store_is_fetched_loaded_and_streamed(
    door: str, place: str, tmp_path: Path, tiny_model: Path, s3: Store, gcs: Store
) -> None:
    settings = {}
    if place in ("s3", "gcs"):
        store = s3 if place == "s3" else gcs
        settings = {**store.env, "MODEL_URI": store.put("dir/tiny model.gguf", tiny_model.read_bytes())}
    else:
        settings = {"MODEL_URI": str(tiny_model) if place == "path" else tiny_model.as_uri()}
    with serving(tmp_path, door, **settings) as function:
        status, text = function.ask("/chat", SEEDED)
        assert status == 200, text
        assert function.get("/v1/models")[1]["data"][0]["id"] == "tiny random"
    kept = list((tmp_path / "cache").rglob("*")) if (tmp_path / "cache").exists() else []
    if place in ("s3", "gcs"):
        assert any(path.is_file() and path.stat().st_size == tiny_model.stat().st_size for path in kept)
    else:
        assert not kept, "a local file is used in place"


def test_seeded_reply_is_equal_from_every_store(tmp_path: Path, tiny_model: Path, s3: Store, gcs: Store) -> None:
    answers = []
    for number, (uri, env) in enumerate(
        [
            (str(tiny_model), {}),
            (s3.put("same.gguf", tiny_model.read_bytes()), s3.env),
            (gcs.put("same.gguf", tiny_model.read_bytes()), gcs.env),
        ]
    ):
        (tmp_path / str(number)).mkdir()
        with serving(tmp_path / str(number), **{**env, "MODEL_URI": uri}) as function:
            answers.append(function.ask("/chat", SEEDED)[1])
    assert len(set(answers)) == 1
    assert len(answers[0]) > 20


@pytest.mark.parametrize(
    ("settings", "code", "word"),
    [
        ({"MODEL_URI": "ftp://bucket/x.gguf"}, "unknown_scheme", "ftp"),
        ({"MODEL_URI": "/no/such/model.gguf"}, "model_not_found", "/no/such/model.gguf"),
        ({"MODEL_URI": str(ROOT / "README.md")}, "not_gguf", "GGUF"),
    ],
)
def test_permanent_load_failure_is_reported_and_process_stays_up(
    settings: dict[str, str], code: str, word: str, tmp_path: Path
) -> None:
    with serving(tmp_path, **settings) as function:
        function.wait("failed")
        for _ in range(2):
            status, headers, text = function.exchange("/chat", SEEDED)
            error = json.loads(text)["error"]
            assert (status, error["code"]) == (503, code)
            assert word in error["message"]
            assert headers["x-should-retry"] == "false"
        status, told = function.get("/health/ready")
        assert (status, told["state"], told["error"]["code"]) == (503, "failed", code)
        assert function.get("/health/live")[0] == 200


@pytest.mark.parametrize("name", ["s3", "gcs"])
def test_missing_object_or_bucket_is_named(name: str, tmp_path: Path, s3: Store, gcs: Store) -> None:
    store = s3 if name == "s3" else gcs
    for number, uri in enumerate([store.uri("nothing.gguf"), f"{store.scheme}://nobodys-bucket/x.gguf"]):
        (tmp_path / str(number)).mkdir()
        with serving(tmp_path / str(number), **{**store.env, "MODEL_URI": uri}) as function:
            status, told = function.ask("/chat", SEEDED)
            assert (status, told["error"]["code"]) == (503, "model_not_found"), told
            assert uri.split("/")[-1] in told["error"]["message"]


def test_truncated_model_is_rejected_and_leaves_no_file(tmp_path: Path, tiny_model: Path, s3: Store) -> None:
    uri = s3.put("cut.gguf", tiny_model.read_bytes()[:-1000])
    with serving(tmp_path, **{**s3.env, "MODEL_URI": uri}) as function:
        status, told = function.ask("/chat", SEEDED)
        assert (status, told["error"]["code"]) == (503, "not_gguf"), told


def test_transient_failure_is_retried_by_next_request(tmp_path: Path, tiny_model: Path, s3: Store) -> None:
    data, healthy = tiny_model.read_bytes(), threading.Event()

    def script(seen: Seen) -> ScriptedReply:
        # A status that a fetch does not try again by itself, which would take 20 s.
        return object_reply(seen, data) if healthy.is_set() else ScriptedReply(409)

    with ScriptedStore(script) as store:
        endpoint = {"AWS_ENDPOINT_URL": store.url, "MODEL_URI": "s3://models/later.gguf"}
        with serving(tmp_path, **{**s3.env, **endpoint}) as function:
            status, headers, text = function.exchange("/chat", SEEDED)
            assert (status, json.loads(text)["error"]["code"]) == (503, "source_unavailable"), text
            assert "x-should-retry" not in headers
            healthy.set()
            assert function.exchange("/chat", SEEDED)[0] == 200


@pytest.mark.parametrize("door", ["gunicorn", "functions-framework"])
def test_wrong_setting_stops_start_with_message(door: str) -> None:
    done = subprocess.run(
        DOORS[door], cwd=ROOT, env={"PATH": "", "N_CTX": "lots"}, capture_output=True, text=True, timeout=WAIT_SECONDS
    )
    assert done.returncode != 0
    assert "N_CTX='lots' is not a whole number" in done.stdout + done.stderr


def test_simultaneous_first_requests_load_once(tmp_path: Path, tiny_model: Path) -> None:
    with serving(tmp_path, MODEL_URI=str(tiny_model), QUEUE_SIZE="8") as function:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: function.ask("/chat", SEEDED), range(8)))
        assert {status for status, _ in answers} == {200}
        assert len({str(text) for _, text in answers}) == 1
        ready = [line for line in function.log.read_text().splitlines() if '"ready' in line]
        assert len(ready) == 1


def test_llama_cpp_is_built_without_openmp() -> None:
    from function.engine.llama import library

    assert not library.has_openmp(), library.read_system_info()


def test_stream_chunks_join_to_whole_reply(tmp_path: Path) -> None:
    with serving(tmp_path) as function:
        whole = function.ask("/chat", SEEDED)[1]
        status, events = function.ask("/chat", SEEDED, {"Accept": "text/event-stream"})
        assert status == 200
        lines = [line[6:] for line in events.splitlines() if line.startswith("data: ")]
        assert lines[-1] == "[DONE]"
        pieces = itertools.chain.from_iterable(json.loads(line)["choices"] for line in lines[:-1])
        assert "".join(piece["delta"].get("content") or "" for piece in pieces) == whole


def test_split_model_is_served_as_one(tmp_path: Path, tiny_model: Path, s3: Store) -> None:
    parts = split(tiny_model, tmp_path, tensors=8)
    assert len(parts) > 2
    uris = [s3.put(f"split/{part.name}", part.read_bytes()) for part in parts]
    answers = []
    for uri in (str(tiny_model), str(parts[0]), uris[0]):
        with serving(tmp_path, **s3.env, MODEL_URI=uri) as function:
            answers.append(function.ask("/chat", SEEDED))
    assert answers == [(200, answers[0][1])] * 3


def test_wrong_part_of_split_model_is_named(tmp_path: Path, tiny_model: Path) -> None:
    parts = split(tiny_model, tmp_path, tensors=8)
    parts[1].write_bytes(parts[2].read_bytes())
    with serving(tmp_path, MODEL_URI=str(parts[0])) as function:
        status, told = function.ask("/chat", SEEDED)
        assert (status, told["error"]["code"]) == (503, "model_unusable")
        assert parts[1].name in told["error"]["message"]
