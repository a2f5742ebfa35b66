"""Fetch into a cache directory: resumption, concurrent use, eviction, verification and unusable directories."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import replace
from pathlib import Path

import pytest

from function.errors import CacheUnusable, ChecksumMismatch, NoSpace, Stopping
from function.fetch import Fetched, Progress, fetch
from function.fetch.destination.cache_dir import make_room
from function.source import ALGORITHMS
from tests.fetch_data import DATA, QUICK, SIZE
from tests.servers.faulty import Fault, FaultyStore

BLOCK = QUICK.min_block_bytes
CHILD = """
import sys
from pathlib import Path
from function.fetch import fetch
from function.fetch.policy import Policy
from function.settings import Stores
fetched = fetch(sys.argv[1], cache=Path(sys.argv[2]), policy=eval(sys.argv[3]), stores=eval(sys.argv[4]))
print(fetched.cached, flush=True)
if len(sys.argv) > 5:
    sys.stdin.read()
"""


def child(store: FaultyStore, cache: Path, *, hold: bool = False) -> subprocess.Popen[str]:
    """Start the same fetch in another process."""
    command = [sys.executable, "-c", CHILD, store.uri("s3"), str(cache), repr(QUICK), repr(store.stores)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command + ["hold"] * hold, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def journaled(cache: Path) -> int:
    """Return the bytes of the blocks that the journal lists as complete."""
    found = list(cache.rglob("*.journal"))
    if not found:
        return 0
    blocks = {int(line.split()[0]) for line in found[0].read_text().split("\n")[1:-1]}
    return sum(min(BLOCK, SIZE - block * BLOCK) for block in blocks)


def test_killed_fetch_resumes_from_its_journal(tmp_path: Path) -> None:
    chance = random.Random(5)
    for _ in range(5):
        cache = tmp_path / f"{chance.random()}"
        with FaultyStore(DATA, always=Fault("throttle")) as store:
            enough, reached = chance.randrange(1, 12), threading.Event()
            store.on_request = lambda count, enough=enough, reached=reached: count >= enough and reached.set()  # type: ignore[misc]
            process = child(store, cache)
            assert reached.wait(60)
            time.sleep(chance.random() * 0.1)
            process.kill()
            process.communicate()
            kept = journaled(cache)
            whole = list(cache.rglob("model.gguf"))
            time.sleep(0.05)  # the store still sends to the dead process
            store.always = None
            with store.lock:
                store.served.clear()
            fetched = fetch(store.uri("s3"), cache=cache, policy=QUICK, stores=store.stores)
            assert fetched.path.read_bytes() == DATA
            asked = sum(one.stop - one.start for one in store.served if one.fault is None)
            assert asked == (0 if whole else SIZE - kept)


@pytest.mark.slow
def test_fetch_killed_many_times_ends_with_the_right_bytes(tmp_path: Path) -> None:
    chance = random.Random(7)
    with FaultyStore(DATA, always=Fault("throttle")) as store:
        for _ in range(60):
            process = child(store, tmp_path)
            time.sleep(0.2 + chance.random() * 0.2)
            process.kill()
            process.communicate()
        store.always = None
        fetched = fetch(store.uri("s3"), cache=tmp_path, policy=QUICK, stores=store.stores)
        assert fetched.path.read_bytes() == DATA


def interrupted(store: FaultyStore, cache: Path, after: int = 3) -> None:
    """Leave a partial file of a fetch that is cancelled after some requests."""
    cancel = threading.Event()
    store.always = Fault("throttle")
    store.on_request = lambda count: cancel.set() if count > after else None
    with pytest.raises(Stopping):
        fetch(store.uri("s3"), cache=cache, policy=QUICK, stores=store.stores, cancel=cancel)
    store.always, store.on_request = None, lambda count: None


def test_block_damaged_on_disk_is_fetched_again(tmp_path: Path) -> None:
    with FaultyStore(DATA) as store:
        interrupted(store, tmp_path, after=6)
        part = next(tmp_path.rglob("*.part"))
        kept = journaled(tmp_path)
        assert kept
        part.write_bytes(bytes(len(DATA)))
        store.served.clear()
        assert fetch(store.uri("s3"), cache=tmp_path, policy=QUICK, stores=store.stores).path.read_bytes() == DATA
        assert sum(one.stop - one.start for one in store.served if one.fault is None) == SIZE


@pytest.mark.parametrize("damage", [b"", b"\xff\xfe", b"{}\n0 00\n", b"not a journal"])
def test_damaged_journal_is_ignored(damage: bytes, tmp_path: Path) -> None:
    with FaultyStore(DATA) as store:
        interrupted(store, tmp_path)
        next(tmp_path.rglob("*.journal")).write_bytes(damage)
        with next(tmp_path.rglob("*.part")).open("rb") as held:
            fetched = fetch(store.uri("s3"), cache=tmp_path, policy=QUICK, stores=store.stores)
            assert fetched.path.read_bytes() == DATA
            assert os.fstat(held.fileno()).st_nlink == 0, "a process that has it mapped keeps the whole file"


def test_cancelled_fetch_stops_at_once_on_a_silent_store(tmp_path: Path) -> None:
    cancel, silent = threading.Event(), threading.Event()
    with FaultyStore(DATA, always=Fault("stall", 0.1)) as store:
        store.on_request = lambda count: silent.set()
        patient = replace(QUICK, stall_seconds=600.0)
        ended = threading.Event()

        def run() -> None:
            with pytest.raises(Stopping):
                fetch(store.uri("s3"), cache=tmp_path, policy=patient, stores=store.stores, cancel=cancel)
            ended.set()

        threading.Thread(target=run, daemon=True).start()
        assert silent.wait(30)
        cancel.set()
        assert ended.wait(30)


def test_concurrent_processes_fetch_the_model_once(tmp_path: Path) -> None:
    with FaultyStore(DATA) as store:
        processes = [child(store, tmp_path) for _ in range(3)]
        outcomes = [process.communicate(timeout=120) for process in processes]
        assert sorted(out for out, _ in outcomes) == ["False\n", "True\n", "True\n"], outcomes
        assert store.sent_bytes() == SIZE


def test_second_process_takes_over_when_the_first_dies(tmp_path: Path) -> None:
    with FaultyStore(DATA, always=Fault("stall", 0.5)) as store:
        reached = threading.Event()
        store.on_request = lambda count: reached.set()
        first = child(store, tmp_path)
        assert reached.wait(60)
        result: list[Fetched] = []
        second = threading.Thread(
            target=lambda: result.append(fetch(store.uri("s3"), cache=tmp_path, policy=QUICK, stores=store.stores))
        )
        second.start()
        store.always = None
        first.send_signal(signal.SIGKILL)
        first.communicate()
        second.join(60)
        assert result[0].path.read_bytes() == DATA


def test_same_process_can_hold_a_model_twice(tmp_path: Path) -> None:
    with FaultyStore(DATA) as store:
        first = fetch(store.uri("gs"), cache=tmp_path, policy=QUICK, stores=store.stores)
        second = fetch(store.uri("gs"), cache=tmp_path, policy=QUICK, stores=store.stores)
        assert not first.cached
        assert second.cached


def test_changed_object_is_fetched_again(tmp_path: Path) -> None:
    with FaultyStore(DATA) as store:
        first = fetch(store.uri("gs"), cache=tmp_path, policy=QUICK, stores=store.stores)
        store.change()
        second = fetch(store.uri("gs"), cache=tmp_path, policy=QUICK, stores=store.stores)
        assert second.path.read_bytes() == store.data != DATA
        assert first.path.read_bytes() == DATA


def test_make_room_evicts_unused_folders(tmp_path: Path) -> None:
    with FaultyStore(DATA) as store:
        held = fetch(store.uri("s3"), cache=tmp_path, policy=QUICK, stores=store.stores)
        idle = fetch(store.uri("gs"), cache=tmp_path, policy=QUICK, stores=store.stores)
        assert idle.lease is not None
        idle.lease.close()
        with pytest.raises(NoSpace, match=r"bytes free, the model needs \d+ more"):
            make_room(tmp_path, 1 << 60, tmp_path / "new")
        assert held.path.exists()
        assert not idle.path.exists()


def test_object_larger_than_the_disk_is_rejected_before_the_first_byte(tmp_path: Path) -> None:
    with FaultyStore(DATA) as store, pytest.raises(NoSpace):
        source = fetch(store.uri("s3"), cache=tmp_path, policy=QUICK, stores=store.stores)
        assert source.lease is not None
        make_room(tmp_path, 1 << 62, source.path.parent)


def test_full_disk_raises_a_clear_error(tmp_path: Path) -> None:
    """A process with a file size limit of half the model simulates a full disk: the same calls fail."""
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({SIZE // 2}, {SIZE // 2}))\n"
    )
    with FaultyStore(DATA) as store:
        command = [sys.executable, "-c", code + CHILD, store.uri("s3"), str(tmp_path), repr(QUICK), repr(store.stores)]
        outcome = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert "CacheUnusable" in outcome.stderr or "NoSpace" in outcome.stderr
        assert not list(tmp_path.rglob("model.gguf"))


def test_symbolic_link_as_cache_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "cache").symlink_to(tmp_path / "real")
    with FaultyStore(DATA) as store, pytest.raises(CacheUnusable, match="symbolic link"):
        fetch(store.uri("s3"), cache=tmp_path / "cache", policy=QUICK, stores=store.stores)


def test_file_as_cache_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("")
    with FaultyStore(DATA) as store, pytest.raises(CacheUnusable, match="MODEL_CACHE_DIR"):
        fetch(store.uri("s3"), cache=tmp_path / "cache", policy=QUICK, stores=store.stores)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_foreign_directory_as_cache_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    os.chown(tmp_path / "cache", 12345, 12345)
    with FaultyStore(DATA) as store, pytest.raises(CacheUnusable, match="12345"):
        fetch(store.uri("s3"), cache=tmp_path / "cache", policy=QUICK, stores=store.stores)


def test_wrong_sha256_raises_and_keeps_no_file(tmp_path: Path) -> None:
    with FaultyStore(DATA) as store:
        with pytest.raises(ChecksumMismatch, match="MODEL_SHA256") as caught:
            fetch(store.uri("s3"), cache=tmp_path, sha256="0" * 64, policy=QUICK, stores=store.stores)
        assert caught.value.permanent
        assert not list(tmp_path.rglob("model.gguf"))


@pytest.mark.parametrize("scheme", ["s3", "gs", "http", "hf"])
def test_right_sha256_is_the_digest_of_the_result(scheme: str, tmp_path: Path) -> None:
    sha256 = hashlib.sha256(DATA).hexdigest()
    with FaultyStore(DATA) as store:
        for cached in (False, True):
            got = fetch(store.uri(scheme), cache=tmp_path, sha256=sha256, policy=QUICK, stores=store.stores)
            assert (got.digest, got.verified, got.cached) == (f"sha256:{sha256}", True, cached)
        with pytest.raises(ChecksumMismatch):
            fetch(store.uri(scheme), cache=tmp_path, sha256="0" * 64, policy=QUICK, stores=store.stores)


@pytest.mark.parametrize(("scheme", "algorithm"), [("gs", "crc32c"), ("s3", "crc64nvme"), ("hf", ""), ("http", "")])
def test_split_model_is_fetched_under_its_file_names(tmp_path: Path, scheme: str, algorithm: str) -> None:
    with FaultyStore(DATA) as store:
        uri = store.uri(scheme, "m-00001-of-00003.gguf")
        got = fetch(uri, cache=tmp_path, policy=QUICK, stores=store.stores)
        assert [path.name for path in got.parts] == [f"m-0000{n}-of-00003.gguf" for n in (1, 2, 3)]
        assert all(path.read_bytes() == DATA for path in got.parts)
        assert got.path == got.parts[0]
        assert got.size == 3 * SIZE
        if algorithm:
            check = ALGORITHMS[algorithm].load()(0, memoryview(DATA * 3))
            assert got.digest == f"{algorithm}:{ALGORITHMS[algorithm].format_hex(check)}"
        else:
            assert got.digest is None


def test_progress_is_readable_from_another_thread(tmp_path: Path) -> None:
    progress, seen = Progress(), []
    with FaultyStore(DATA, always=Fault("throttle")) as store:
        store.on_request = lambda count: seen.append((progress.done, progress.total, progress.eta))
        fetch(store.uri("s3"), cache=tmp_path, policy=QUICK, stores=store.stores, progress=progress)
    assert (progress.done, progress.total) == (SIZE, SIZE)
    assert [done for done, _, _ in seen] == sorted(done for done, _, _ in seen)
    assert all(total == SIZE for _, total, _ in seen)
    assert any(eta is not None for _, _, eta in seen)


def test_empty_object_becomes_an_empty_file(tmp_path: Path) -> None:
    with FaultyStore(b"") as store:
        assert fetch(store.uri("gs"), cache=tmp_path, policy=QUICK, stores=store.stores).path.read_bytes() == b""


def test_connections_are_reused(tmp_path: Path) -> None:
    with FaultyStore(DATA, faults=deque()) as store:
        fetch(store.uri("s3"), cache=tmp_path, policy=QUICK, stores=store.stores)
        assert store.connections <= QUICK.connections + 1
