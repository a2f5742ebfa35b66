"""MODEL_CACHE=memory: the model is in memory only, once, for as long as it is needed."""

import gc
import hashlib
import mmap
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from function.errors import ChecksumMismatch, DoesNotFit, FunctionError, ObjectNotFound
from function.fetch import Progress, fetch
from function.fetch.destination.memory import MemoryDestination
from function.lifecycle.service import Service
from function.settings import Settings
from tests.drip import FIRST, MAPPED, SEEDED, WIDE, children, fetch_process, until, worker
from tests.fetch_data import DATA, QUICK, SIZE
from tests.servers.doors import WAIT_SECONDS, ServedFunction, serving
from tests.servers.faulty import Fault, FaultyStore
from tests.servers.filling import filling_store
from tests.servers.stores import Store
from tests.split_model import split
from tests.test_adapter import write_adapter
from tools.models import write_model


def open_files(pid: int | str) -> list[tuple[str, int]]:
    """Return name and inode of each memory file that a process has open."""
    files = []
    for path in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(path.readlink())
        except FileNotFoundError:  # the descriptor of this listing
            continue
        if target.startswith("/memfd:"):
            files.append((target.removeprefix("/memfd:").removesuffix(" (deleted)"), path.stat().st_ino))
    return sorted(files)


def held(pid: int | str = "self") -> list[str]:
    """Return the names of a process's memory files."""
    return [name for name, _ in open_files(pid)]


@pytest.fixture(autouse=True)
def nothing_is_left_open() -> Iterator[None]:
    gc.collect()  # files referenced by an earlier test's error
    before = held()
    yield
    assert held() == before


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("wide") / "wide.gguf", WIDE)


@pytest.fixture(scope="module")
def expected(wide: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, object]:
    """Return the model's reply from a file."""
    with serving(tmp_path_factory.mktemp("local"), MODEL_URI=str(wide), **MAPPED) as function:
        return function.ask("/chat", SEEDED)


@contextmanager
def in_memory(tmp_path: Path, uri: str, **settings: str) -> Iterator[ServedFunction]:
    """Serve with MODEL_CACHE=memory, which does not touch the cache directory."""
    with serving(tmp_path, MODEL_URI=uri, MODEL_CACHE="memory", **MAPPED, **settings) as function:
        yield function
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("scheme", ["s3", "gs", "http", "hf"])
def test_memory_fetch_is_verified_like_a_fetch_to_disk(scheme: str, tmp_path: Path) -> None:
    with FaultyStore(DATA) as store:
        uri = store.uri(scheme)
        kept = fetch(uri, cache=tmp_path, policy=QUICK, stores=store.stores)
        got = fetch(uri, cache=MemoryDestination(uri), policy=QUICK, stores=store.stores)
    assert got.path.read_bytes() == DATA
    assert (got.digest, got.verified, got.version, got.size) == (kept.digest, kept.verified, kept.version, SIZE)
    assert held() == ["model.gguf"]
    got.close()


def test_memory_files_close_with_their_last_reference() -> None:
    with FaultyStore(DATA) as store:
        got = fetch(store.uri("s3"), cache=MemoryDestination(store.uri("s3")), policy=QUICK, stores=store.stores)
    assert len(held()) == 1
    del got
    assert not held()


def test_local_files_are_used_in_place(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(DATA)
    uri = str(tmp_path / "model.gguf")
    fetched = fetch(uri, cache=MemoryDestination(uri))
    assert (fetched.path, fetched.lease) == (tmp_path / "model.gguf", None)
    assert not held()


def test_split_model_becomes_several_files() -> None:
    with FaultyStore(DATA) as store:
        uri = store.uri("gs", "m-00001-of-00003.gguf")
        got = fetch(uri, cache=MemoryDestination(uri), policy=QUICK, stores=store.stores)
    assert [path.read_bytes() == DATA for path in got.parts] == [True] * 3
    assert held() == [f"m-0000{n}-of-00003.gguf" for n in (1, 2, 3)]
    got.close()


@pytest.mark.parametrize("kind", ["reset", "stall", "corrupt", "429", "ignore_range"])
def test_transient_fault_does_not_change_the_bytes(kind: str) -> None:
    with FaultyStore(DATA) as store:
        store.faults.extend([None, Fault(kind), Fault(kind)])
        got = fetch(store.uri("s3"), cache=MemoryDestination(store.uri("s3")), policy=QUICK, stores=store.stores)
    assert got.path.read_bytes() == DATA
    got.close()


def test_object_that_changes_midway_is_fetched_again() -> None:
    with FaultyStore(DATA) as store:
        store.faults.extend([None, None, Fault("change")])
        got = fetch(store.uri("gs"), cache=MemoryDestination(store.uri("gs")), policy=QUICK, stores=store.stores)
        assert got.path.read_bytes() == store.data != DATA
    got.close()


class Mapping(Progress):
    """Progress that maps the first file that is filled, as an engine does; ``inodes`` are those of all files."""

    def __init__(self) -> None:
        super().__init__()
        self.inodes: set[int] = set()
        self.mapped: mmap.mmap | None = None

    def fill(self, part: Path | None, prefix: int) -> None:
        super().fill(part, prefix)
        if part is not None:
            self.inodes.add(part.stat().st_ino)
            with part.open("rb") as file:
                self.mapped = self.mapped or mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)


@pytest.mark.parametrize("kind", ["change", "corrupt"])
def test_each_attempt_has_its_own_file(kind: str) -> None:
    progress = Mapping()
    with FaultyStore(DATA, faults=deque([None, None, Fault(kind)]), replacement=DATA[: SIZE // 2]) as store:
        uri = store.uri("gs")
        got = fetch(uri, cache=MemoryDestination(uri), progress=progress, policy=QUICK, stores=store.stores)
        assert got.path.read_bytes() == store.data
    assert len(progress.inodes) == 2
    assert got.path.stat().st_ino in progress.inodes
    assert progress.mapped is not None
    with progress.mapped as mapped:
        assert bytes(mapped) == bytes(SIZE), "the first file takes no memory, and reading its mapping kills no process"
    got.close()


@pytest.mark.parametrize("scheme", ["s3", "http"])
def test_sha256_is_compared_with_the_bytes(scheme: str) -> None:
    sha256 = hashlib.sha256(DATA).hexdigest()
    with FaultyStore(DATA) as store:
        uri = store.uri(scheme)
        got = fetch(uri, cache=MemoryDestination(uri), sha256=sha256, policy=QUICK, stores=store.stores)
        assert (got.digest, got.verified) == (f"sha256:{sha256}", True)
        got.close()
        with pytest.raises(ChecksumMismatch, match="MODEL_SHA256") as caught:
            fetch(uri, cache=MemoryDestination(uri), sha256="0" * 64, policy=QUICK, stores=store.stores)
        assert caught.value.permanent


def test_split_model_sha256_covers_the_concatenated_parts() -> None:
    sha256 = hashlib.sha256(DATA * 2).hexdigest()
    with FaultyStore(DATA) as store:
        uri = store.uri("hf", "m-00001-of-00002.gguf")
        fetch(uri, cache=MemoryDestination(uri), sha256=sha256, policy=QUICK, stores=store.stores).close()
        with pytest.raises(ChecksumMismatch):
            wrong = hashlib.sha256(DATA).hexdigest()
            fetch(uri, cache=MemoryDestination(uri), sha256=wrong, policy=QUICK, stores=store.stores)


def test_failed_fetch_leaves_no_file_open() -> None:
    with FaultyStore(DATA, always=Fault("corrupt")) as store:
        with pytest.raises(FunctionError):
            fetch(store.uri("s3"), cache=MemoryDestination(store.uri("s3")), policy=QUICK, stores=store.stores)
        missing = store.uri("s3", "missing.gguf")
        with pytest.raises(ObjectNotFound):
            fetch(missing, cache=MemoryDestination(missing), policy=QUICK, stores=store.stores)


def test_model_larger_than_memory_is_rejected_before_the_first_byte() -> None:
    memory = MemoryDestination("s3://bucket/model.gguf")
    with pytest.raises(DoesNotFit, match=r"has 1125899907 MB.*the container has \d+ MB"):
        memory.make_room(1 << 50)
    memory.close()


def test_file_size_limit_is_named_in_the_error() -> None:
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({SIZE // 2}, {SIZE // 2}))\n"
        "from function.fetch import fetch\n"
        "from function.fetch.destination.memory import MemoryDestination\n"
        "from function.settings import Stores\n"
        "fetch(sys.argv[1], cache=MemoryDestination(sys.argv[1]), stores=eval(sys.argv[2]))"
    )
    with FaultyStore(DATA) as store:
        command = [sys.executable, "-c", code, store.uri("s3"), repr(store.stores)]
        outcome = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_SECONDS, check=False)
    assert "cannot be kept in memory (File too large)" in outcome.stderr


def test_lack_of_descriptors_for_memory_is_reported() -> None:
    code = (
        "import resource\n"
        "from function.errors import CacheUnusable\n"
        "from function.fetch.destination.memory import MemoryDestination\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))\n"
        "try:\n    MemoryDestination('s3://bucket/model.gguf')\nexcept CacheUnusable as e:\n    print(e)"
    )
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "no files in memory ([Errno 24] Too many open files)" in outcome.stdout
    assert "Set MODEL_CACHE=directory" in outcome.stdout


def test_cold_start_from_memory_replies_as_from_a_file(wide: Path, expected: object, tmp_path: Path) -> None:
    with filling_store(wide, FIRST) as store, in_memory(tmp_path, store.url) as function:
        until(function, "load mode mapped")
        assert function.get("/health/ready")[1]["state"] == "fetching"
        store.gate.set()
        assert function.ask("/chat", SEEDED) == expected
        assert function.get("/events")[1]["file"] == "wide.gguf"
        assert "unverified" in function.log.read_text()
        process = worker(function)
        assert held(process) == ["wide.gguf"]
        assert len(children(process)) == 1, "only the renderer of templates"
        lines = Path(f"/proc/{process}/maps").read_text().splitlines()
        mapped = {int(line.split()[4]) for line in lines if "/memfd:" in line}
        assert mapped == {inode for _, inode in open_files(process)}, "and no placeholder file"


def test_fetch_continues_in_the_server_when_its_process_dies(wide: Path, expected: object, tmp_path: Path) -> None:
    with filling_store(wide, FIRST) as store, in_memory(tmp_path, store.url) as function:
        until(function, "load mode mapped")
        fetching = fetch_process(worker(function))
        (filled,) = set(open_files(fetching))
        os.kill(fetching, signal.SIGKILL)
        until(function, "died: continuing in a thread")
        store.gate.set()
        assert function.ask("/chat", SEEDED) == expected
        assert held(worker(function)) == ["wide.gguf"]
        assert filled not in open_files(worker(function)), "the unfinished file is neither truncated nor filled again"


@pytest.mark.parametrize("moment", ["fetching", "ready"])
def test_restarted_worker_fetches_again(moment: str, wide: Path, expected: object, tmp_path: Path) -> None:
    with filling_store(wide, FIRST) as store, in_memory(tmp_path, store.url) as function:
        if moment == "ready":
            store.gate.set()
        function.wait(moment)
        first = worker(function)
        os.kill(first, signal.SIGKILL)
        deadline = time.monotonic() + WAIT_SECONDS
        while not (found := children(function.process.pid)) or found == [first]:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        store.gate.set()
        assert function.ask("/chat", SEEDED) == expected


def test_object_replaced_after_the_load_is_loaded_again(wide: Path, tmp_path: Path) -> None:
    other = write_model(tmp_path / "other.gguf", WIDE, seed=1, name="the other")
    with filling_store(wide, FIRST) as store, in_memory(tmp_path, store.url) as function:
        until(function, "load mode mapped")
        store.exchange(other)
        assert function.ask("/chat", SEEDED)[0] == 200
        assert function.get("/v1/models")[1]["data"][0]["id"] == "the other"
        assert held(worker(function)) == ["wide.gguf"]


def test_wrong_bytes_are_reported_and_released(wide: Path, tmp_path: Path) -> None:
    with filling_store(wide, FIRST) as store, in_memory(tmp_path, store.url, MODEL_SHA256="0" * 64) as function:
        until(function, "load mode mapped")
        store.gate.set()
        status = function.wait("failed")
        assert status["error"]["code"] == "checksum_mismatch"
        assert not held(worker(function))


def test_model_that_does_not_fit_is_released(wide: Path) -> None:
    with filling_store(wide, FIRST) as store:
        service = Service(Settings(model_uri=store.url, model_cache="memory", n_ctx=1 << 24))
        service.start()
        error = service.await_ready(WAIT_SECONDS).error
        assert not store.gate.is_set()
        assert error is not None
        assert error.code == "model_does_not_fit"
        service.close()
        deadline = time.monotonic() + WAIT_SECONDS
        while held():  # the fetch's thread closes them at its next poll
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_split_model_adapter_and_snapshot_work_in_memory(s3: Store, tmp_path: Path, tiny_model: Path) -> None:
    """All are in memory, and the reply is the one from files."""
    parts = split(tiny_model, tmp_path, 8)
    for path in parts:
        s3.put(path.name, path.read_bytes())
    adapter = s3.put("adapter.gguf", write_adapter(tmp_path / "adapter.gguf", 1).read_bytes())
    uri = s3.uri(parts[0].name)
    settings = {**s3.env, "LORA_URI": adapter, "SYSTEM_PROMPT": "You are brief. " * 20, "SNAPSHOT": "auto"}
    (tmp_path / "memory").mkdir()
    with serving(tmp_path, MODEL_URI=uri, N_CTX="1024", **settings) as function:
        expected = function.ask("/chat", SEEDED)
        until(function, "stored the system prompt")
    settings |= {"N_CTX": "1024"}
    with serving(tmp_path / "memory", MODEL_URI=uri, MODEL_CACHE="memory", **settings) as function:
        assert function.ask("/chat", SEEDED) == expected
        until(function, "restored the system prompt")
        assert set(held(worker(function))) == {
            "adapter.gguf",
            f"{parts[0].name}.snapshot",
            *(path.name for path in parts),
        }
    assert not (tmp_path / "memory" / "cache").exists()


def test_split_model_with_a_foreign_part_is_rejected(s3: Store, tmp_path: Path, tiny_model: Path) -> None:
    first, *others = split(tiny_model, tmp_path, 8)
    for number, path in enumerate([first, *reversed(others)], 1):
        s3.put(f"bent-{number:05}-of-{len(others) + 1:05}.gguf", path.read_bytes())
    uri = s3.uri(f"bent-00001-of-{len(others) + 1:05}.gguf")
    with in_memory(tmp_path, uri, **s3.env) as function:
        status = function.wait("failed")
        assert status["error"]["code"] == "model_unusable"
        assert "is not part 2 of" in status["error"]["message"]
        assert not held(worker(function))
