"""Snapshots: replies are the same bit for bit with and without one, and an invalid one is never used."""

import ctypes
import hashlib
import json
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from function.engine import Engine, KVContext, LoadOptions
from function.engine.llama.library import library
from function.engine.llama.model import Model
from function.engine.llama.state_layout import StateLayout
from function.errors import SourceError
from function.settings import Settings
from function.snapshot import file_format
from function.snapshot.file_format import SnapshotMismatch
from function.snapshot.prefix import find_prefix
from function.snapshot.store import snapshot_uri, store_file
from tests.servers.doors import ServedFunction, serving
from tests.servers.stores import Store
from tools.models import write_model
from tools.shapes import SHAPES

ROOT = Path(__file__).parent.parent
PROMPT = " ".join(f"word{i * i % 97} and" for i in range(40))  # varied, and longer than several chunks
SEEDED = {"messages": [{"role": "user", "content": "What is it?"}], "seed": 7, "temperature": 1.0, "max_tokens": 24}
PROMPT_TOKENS = tuple(5 + i * i % 900 for i in range(300))


HYBRID = ("tiny-qwen35", "tiny-lfm2", "tiny-recurrent")


@pytest.fixture(
    scope="module", params=["tiny", "tiny-gqa", "tiny-window", "tiny-qwen3", "tiny-gemma4", "tiny-gpt-oss", *HYBRID]
)
def path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models with all kinds of caches: as many key heads as query heads, fewer, sliding windows, recurrent layers."""
    name = str(request.param)
    return write_model(tmp_path_factory.mktemp(name) / f"{name}.gguf", SHAPES[name])


class Bare:
    """Model and its KV context in the test's own thread."""

    def __init__(self, path: Path, kv_type: str = "f16", prefix_bytes: int = 0) -> None:
        self.model = Model(path, n_ctx=1024, n_threads=1, n_gpu_layers=0, kv_type=kv_type)  # type: ignore[arg-type]
        self.memory = KVContext(self.model, prefix_bytes)
        self._flag = ctypes.create_string_buffer(2)
        self.model.set_abort_flag(self._flag)

    def logits(self, prompt: tuple[int, ...]) -> list[float]:
        """Return the logits after ``prompt``; compute only the tokens that are not in the context."""
        self.memory.reuse_prefix(prompt, exact=True)
        while len(self.memory) < len(prompt):
            self.memory.compute(self.memory.next_chunk(prompt))
        found: list[float] = library().llama_get_logits_ith(self.model.context, -1)[: self.model.vocabulary.size]
        return found

    def state(self, tokens: tuple[int, ...]) -> bytearray:
        self.logits(tokens)
        state = self.memory.save()
        assert state is not None
        return state

    def layout(self) -> StateLayout:
        assert self.memory.layout is not None
        return self.memory.layout


@pytest.fixture
def bare(path: Path) -> Iterator[Bare]:
    made = Bare(path)
    yield made
    made.model.free()


@pytest.mark.parametrize("kv_type", ["f16", "q8_0"])
def test_restored_state_gives_the_logits_of_a_prefill_bit_for_bit(path: Path, kv_type: str) -> None:
    for length in (64, 256):
        read, restored, cut = Bare(path, kv_type), Bare(path, kv_type), Bare(path, kv_type, 1_000_000)
        expected = read.logits(PROMPT_TOKENS)
        assert len(set(expected)) > 100, "the logits vary"
        state = restored.state(PROMPT_TOKENS[:length])
        restored.memory.clear()
        assert restored.memory.pin(PROMPT_TOKENS[:length], state)
        assert len(restored.memory) == length
        assert restored.logits(PROMPT_TOKENS) == expected
        cut.memory.mark_system_prompt(PROMPT_TOKENS[:length])
        whole = cut.state(PROMPT_TOKENS)
        assert cut.memory.holds(PROMPT_TOKENS[:length])
        checkpoint = cut.memory.find_checkpoint(length)
        made = cut.layout().cut(whole, len(PROMPT_TOKENS), PROMPT_TOKENS[:length], checkpoint)
        assert made == state, "the same from a longer conversation"
        for bare in (read, restored, cut):
            bare.model.free()


def test_pinned_prefix_survives_other_conversations(bare: Bare) -> None:
    expected = bare.logits(PROMPT_TOKENS)
    bare.memory.clear()
    state = bare.state(PROMPT_TOKENS[:256])
    bare.memory.clear()
    assert bare.memory.pin(PROMPT_TOKENS[:256], state)
    for _ in range(2):
        assert bare.memory.reuse_prefix(tuple(reversed(PROMPT_TOKENS)), exact=True) == 0
        bare.logits(tuple(reversed(PROMPT_TOKENS)))
        assert bare.memory.reuse_prefix(PROMPT_TOKENS, exact=True) == 256
        assert bare.logits(PROMPT_TOKENS) == expected


def test_state_that_llama_cpp_would_not_write_is_rejected(bare: Bare, path: Path) -> None:
    """A correct hash does not help: the engine verifies the state itself."""
    state = bare.state(PROMPT_TOKENS[:128])
    layout = bare.layout()
    assert layout.fits(state, PROMPT_TOKENS[:128])
    assert not layout.fits(state, PROMPT_TOKENS[:64])
    cells = 8 if path.stem == "tiny-recurrent" else 8 + 128 * 12  # counts, positions
    fixed = range(8 + cells + 20)  # head, cells, the first layer's head
    for at in fixed[:: max(1, len(fixed) // 97)]:
        for bit in (0, 7):
            hostile = bytearray(state)
            hostile[at] ^= 1 << bit
            assert not layout.fits(hostile, PROMPT_TOKENS[:128]), at
    for cut in (0, 7, 16, len(state) // 2, len(state) - 1):
        assert not layout.fits(state[:cut], PROMPT_TOKENS[:128])
    assert not layout.fits(state + b"\0", PROMPT_TOKENS[:128])
    floats, halves = (0x7F80, 0xFF80, 0x7FC1), (0x7C00, 0xFC00, 0x7E01)
    for not_finite in floats if path.stem in HYBRID else halves:
        hostile = bytearray(state)
        struct.pack_into("<H", hostile, len(state) - 2, not_finite)
        assert not layout.fits(hostile, PROMPT_TOKENS[:128])
        bare.memory.clear()
        assert not bare.memory.pin(PROMPT_TOKENS[:128], hostile)
        assert len(bare.memory) == 0


def test_hybrid_model_with_a_window_has_no_snapshot(tmp_path: Path) -> None:
    bare = Bare(write_model(tmp_path / "w.gguf", SHAPES["tiny-lfm2-window"]))
    bare.logits(PROMPT_TOKENS)
    assert bare.memory.layout is None
    assert bare.memory.save() is None
    assert not bare.memory.pin(PROMPT_TOKENS[:64], bytearray(1000))
    bare.model.free()


def test_file_format_reads_what_it_wrote(tmp_path: Path) -> None:
    path = tmp_path / "s"
    file_format.write(path, {"a": 1, "b": "x"}, b"state" * 100)
    assert bytes(file_format.read(path, {"b": "x", "a": 1})) == b"state" * 100
    with pytest.raises(SnapshotMismatch, match=r"another b$"):
        file_format.read(path, {"a": 1, "b": "y"})
    assert [item.name for item in tmp_path.iterdir()] == ["s"]


def test_file_format_rejects_any_changed_byte(tmp_path: Path) -> None:
    path, binding = tmp_path / "s", {"a": 1}
    file_format.write(path, binding, b"state")
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(SnapshotMismatch):
            file_format.read(path, binding)
    for at in range(len(data)):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        with pytest.raises(SnapshotMismatch):
            file_format.read(path, binding)
    with pytest.raises(SnapshotMismatch, match="cannot be read"):
        file_format.read(tmp_path / "none", binding)


def test_snapshot_uri_is_the_models_with_a_suffix_or_the_one_set() -> None:
    assert snapshot_uri(Settings(model_uri="gs://b/m.gguf")) == "gs://b/m.gguf.snapshot"
    assert snapshot_uri(Settings(model_uri="https://h/m.gguf?k=1")) == "https://h/m.gguf.snapshot?k=1"
    assert snapshot_uri(Settings(model_uri="gs://b/m.gguf", snapshot_uri="s3://c/x")) == "s3://c/x"


def test_prefix_is_common_to_all_conversations_in_whole_chunks(tiny_model: Path) -> None:
    engine = Engine.load(tiny_model, LoadOptions(n_ctx=1024))
    try:
        tokens = find_prefix(engine, PROMPT)
        assert len(tokens) > 0
        assert len(tokens) % 64 == 0
        for question in ("What is it?", "Why?", " ", "\n\n"):
            messages = [{"role": "system", "content": PROMPT}, {"role": "user", "content": question}]
            assert engine.tokenize_chat(messages)[: len(tokens)] == tokens
        assert find_prefix(engine, "Be brief.") == ()
    finally:
        engine.close()


# Over HTTP and the command line.


def command(env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "function", "snapshot", *arguments]
    return subprocess.run(line, capture_output=True, text=True, cwd=ROOT, env=os.environ | env)


def environment(model: str, **more: str) -> dict[str, str]:
    return {"MODEL_URI": model, "SYSTEM_PROMPT": PROMPT, "N_CTX": "1024", "N_THREADS": "1", **more}


def ask(function: ServedFunction) -> tuple[str, int]:
    """Return the reply, and the number of its cached prompt tokens."""
    status, body = function.ask("/v1/chat/completions", SEEDED)
    assert status == 200, body
    return body["choices"][0]["message"]["content"], body["usage"]["prompt_tokens_details"]["cached_tokens"]


def first_reply(tmp_path: Path, env: dict[str, str]) -> tuple[str, int, str]:
    """Return the first reply of a new instance, its cached prompt tokens, and the log."""
    with serving(tmp_path, **env) as function:
        function.wait("ready")
        return *ask(function), function.log.read_text()


def test_snapshot_of_the_command_is_used_by_the_next_instance(tmp_path: Path, tiny_model: Path) -> None:
    model = tmp_path / "m.gguf"
    model.write_bytes(tiny_model.read_bytes())
    env = environment(str(model))
    expected, cached, log = first_reply(tmp_path, env)
    assert cached == 0
    assert "no snapshot" in log
    dry = json.loads(command(env, "--dry-run", "--json").stdout)
    assert (dry["stored"], Path(dry["uri"]).exists()) == (False, False)
    made = json.loads(command(env, "--json").stdout)
    assert made["stored"] is True
    assert made["tokens"] == dry["tokens"] > 0
    assert json.loads(command(env, "--json").stdout)["skipped"] is True
    reply, cached, log = first_reply(tmp_path, env)
    assert (reply, cached) == (expected, made["tokens"])
    assert "restored the system prompt" in log

    snapshot = Path(made["uri"])
    good = snapshot.read_bytes()
    middle = len(good) // 2
    faults = {
        "cut": good[:middle],
        "flipped": good[:middle] + bytes([good[middle] ^ 0x10]) + good[middle + 1 :],
        "empty": b"",
        "foreign": b"<html>" * 100,
    }
    for name, data in faults.items():
        snapshot.write_bytes(data)
        reply, cached, log = first_reply(tmp_path, env)
        assert (reply, cached) == (expected, 0), name
        assert "is not used" in log, name
    snapshot.write_bytes(rebind(good, build="another"))
    reply, cached, log = first_reply(tmp_path, env)
    assert (reply, cached) == (expected, 0)
    assert "made with another build" in log
    snapshot.write_bytes(good)
    other = environment(str(model), N_CTX="768")
    assert "made with another context" in first_reply(tmp_path, other)[2]
    write_model(model, SHAPES["tiny"], seed=1)
    reply, cached, log = first_reply(tmp_path, env)
    assert cached == 0
    assert "made with another version" in log


def rebind(data: bytes, **changes: str) -> bytes:
    """Return a snapshot with a valid hash and another binding."""
    length = struct.unpack_from("<I", data, 8)[0]
    text = json.dumps(json.loads(data[12 : 12 + length]) | changes, sort_keys=True).encode()
    made = data[:8] + struct.pack("<I", len(text)) + text + data[12 + length : -32]
    return made + hashlib.sha256(made).digest()


@pytest.mark.parametrize("kind", ["s3", "gcs"])
def test_instance_without_a_snapshot_stores_one_for_the_next(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, tiny_model: Path
) -> None:
    store: Store = request.getfixturevalue(kind)
    model = store.put("auto/m.gguf", tiny_model.read_bytes())
    env = environment(model, SNAPSHOT="auto", **store.env)
    (tmp_path / "1").mkdir()
    with serving(tmp_path / "1", **env) as function:
        function.wait("ready")
        expected, cached = ask(function)
        assert cached == 0
        for _ in range(20):  # one reply is enough, unless the machine is too busy to notice that it is idle
            assert function.ask("/events", {})[0] == 200  # waits until the snapshot is stored
            if "stored the system prompt" in function.log.read_text():
                break
            assert ask(function)[0] == expected
        assert "stored the system prompt" in function.log.read_text()
        assert ask(function)[0] == expected
        assert function.ask("/events", {})[0] == 200
        assert function.log.read_text().count("stored the system prompt") == 1
    (tmp_path / "2").mkdir()
    reply, cached, log = first_reply(tmp_path / "2", env)
    assert reply == expected
    assert cached > 0
    assert "restored the system prompt" in log
    assert '"stored the system prompt' not in log


def test_hybrid_model_stores_a_snapshot_that_its_command_accepts(tmp_path: Path) -> None:
    env = environment(str(write_model(tmp_path / "m.gguf", SHAPES["tiny-qwen35"])), SNAPSHOT="auto")
    expected, cached, log = first_reply(tmp_path, env)
    assert cached == 0
    (tmp_path / "2").mkdir()
    with serving(tmp_path / "2", **env) as function:
        function.wait("ready")
        for _ in range(20):  # one reply is enough, unless the machine is too busy to notice that it is idle
            assert ask(function)[0] == expected
            assert function.ask("/events", {})[0] == 200  # waits until the snapshot is stored
            if "stored the system prompt" in function.log.read_text():
                break
    made = json.loads(command(env, "--json").stdout)
    assert made["skipped"] is True
    (tmp_path / "3").mkdir()
    reply, cached, log = first_reply(tmp_path / "3", env)
    assert (reply, cached) == (expected, made["tokens"])
    assert "restored the system prompt" in log
    again = Path(made["uri"]).read_bytes()
    assert json.loads(command(env, "--again", "--json").stdout)["stored"] is True
    assert Path(made["uri"]).read_bytes() == again, "the command reads the prompt alone, and has the same state"


class _NoWriting(BaseHTTPRequestHandler):
    """An empty bucket without write permission."""

    def do_HEAD(self) -> None:
        self._answer(404)

    def do_GET(self) -> None:
        self._answer(404)

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self._answer(403)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def read_only() -> Iterator[dict[str, str]]:
    """Environment of an S3 without write permission."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _NoWriting)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}
    yield keys | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_address[1]}"}
    server.shutdown()
    thread.join()
    server.server_close()


def test_missing_write_permission_is_logged_once(tmp_path: Path, tiny_model: Path, read_only: dict[str, str]) -> None:
    env = environment(str(tiny_model), SNAPSHOT="auto", SNAPSHOT_URI="s3://models/x.snapshot", **read_only)
    with serving(tmp_path, **env) as function:
        function.wait("ready")
        for _ in range(3):
            ask(function)
            assert function.ask("/events", {})[0] == 200
        log = function.log.read_text()
    assert log.count("the snapshot is not stored") == 1
    assert "s3:PutObject" in log


def test_concurrent_stores_to_a_file_leave_a_valid_snapshot(tmp_path: Path) -> None:
    target, places = tmp_path / "s", []
    for number in range(2):
        file_format.write(tmp_path / f"made{number}", {"a": 1}, bytes([number]) * 1_000_000)
        places.append(tmp_path / f"made{number}")
    threads = [threading.Thread(target=store_file, args=(made, f"file://{target}")) for made in places * 5]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        if target.exists():
            assert len(set(bytes(file_format.read(target, {"a": 1})))) == 1
    for thread in threads:
        thread.join()
    assert sorted(item.name for item in tmp_path.iterdir()) == ["made0", "made1", "s"]


@pytest.mark.parametrize("kind", ["s3", "gcs"])
def test_concurrent_stores_to_a_bucket_leave_a_valid_snapshot(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, tiny_model: Path
) -> None:
    store: Store = request.getfixturevalue(kind)
    env = environment(store.put("two/m.gguf", tiny_model.read_bytes()), **store.env)
    caches = [env | {"MODEL_CACHE_DIR": str(tmp_path / f"cache{number}")} for number in range(2)]
    made: list[subprocess.CompletedProcess[str]] = []
    threads = [threading.Thread(target=lambda env=env: made.append(command(env, "--again"))) for env in caches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [done.returncode for done in made] == [0, 0], [done.stderr for done in made]
    assert json.loads(command(env | {"MODEL_CACHE_DIR": str(tmp_path / "third")}, "--json").stdout)["skipped"] is True


def test_store_to_a_missing_folder_is_a_source_error(tmp_path: Path) -> None:
    file_format.write(tmp_path / "s", {"a": 1}, b"x")
    with pytest.raises(SourceError, match="none"):
        store_file(tmp_path / "s", str(tmp_path / "none" / "s"))
