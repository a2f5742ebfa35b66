"""Trust in cached files: only those of this user, unmodified since their verification."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from function.errors import CacheUnusable, NoSpace
from function.fetch import Fetched, fetch
from function.fetch.destination.cache_dir import EVICTED_SUFFIX, make_room
from function.fetch.destination.verification_record import RECORD_NAME, VerificationRecord
from function.source import VERSION_DIGITS
from tests.fetch_data import DATA, QUICK, SIZE
from tests.servers.doors import serving
from tests.servers.faulty import FaultyStore
from tests.servers.gated import gated_store

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
NOBODY = 65534


def got(
    store: FaultyStore, cache: Path, scheme: str = "s3", name: str = "model.gguf", sha256: str | None = None
) -> Fetched:
    return fetch(store.uri(scheme, name), cache=cache, sha256=sha256, policy=QUICK, stores=store.stores)


def fetched(store: FaultyStore, cache: Path, scheme: str = "s3") -> Path:
    """Return the file of a completed fetch, whose lease is closed."""
    one = got(store, cache, scheme)
    one.close()
    return one.path


def read_by(action: Callable[[], Fetched]) -> tuple[Fetched, int]:
    """Return an action's result and the bytes that this process read during it, from files and sockets."""

    def read() -> int:
        return int(Path("/proc/self/io").read_text().split()[1])

    before = read()
    return action(), read() - before


def touched(path: Path, change: Callable[[], object]) -> None:
    """Change a file until its times differ: the kernel's clock for them moves in steps of milliseconds."""
    before = path.stat().st_ctime_ns
    while path.stat().st_ctime_ns == before:
        change()


def zeroed(path: Path) -> None:
    """Zero bytes in the middle of a file; keep its length and modification time."""
    kept = path.stat()

    def change() -> None:
        with path.open("r+b") as file:
            file.seek(SIZE // 2)
            file.write(bytes(1000))
        os.utime(path, ns=(kept.st_atime_ns, kept.st_mtime_ns))

    touched(path, change)


def booted(path: Path) -> None:
    """Change the record as if the machine had rebooted since the file was written."""
    note = path.parent / RECORD_NAME
    values = json.loads(note.read_text())
    for one in values["files"].values():
        one["boot"] = "another"
    note.write_text(json.dumps(values))


# Ownership


def theirs(path: Path) -> None:
    os.chown(path, NOBODY, NOBODY)


def linked(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def pipe(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    os.mkfifo(path)


PLANTED = [
    pytest.param(theirs, "it belongs to the user 65534", marks=ROOT_ONLY),
    (linked, "it is a symbolic link"),
]


@pytest.mark.parametrize("name", ["", "model.gguf", RECORD_NAME, ".lock"])
@pytest.mark.parametrize(("plant", "reason"), [*PLANTED, (pipe, "(it is no file|Not a directory)")])
def test_foreign_file_in_the_cache_is_named_in_the_error(
    name: str, plant: Callable[[Path], None], reason: str, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    cache.chmod(0o1777)
    with FaultyStore(DATA) as store:
        path = fetched(store, cache).parent / name
        plant(path)
        with pytest.raises(CacheUnusable) as caught:
            fetched(store, cache)
    assert re.search(reason, caught.value.message)
    assert str(path) in caught.value.message
    assert "MODEL_CACHE_DIR" in caught.value.message


@pytest.mark.parametrize(("plant", "reason"), PLANTED)
@pytest.mark.parametrize("name", ["model.gguf.part", "model.gguf.part.journal"])
def test_foreign_partial_file_is_not_resumed(
    name: str, plant: Callable[[Path], None], reason: str, tmp_path: Path
) -> None:
    with FaultyStore(DATA) as store:
        file = fetched(store, tmp_path)
        file.rename(file.with_name(name))
        plant(file.with_name(name))
        with pytest.raises(CacheUnusable, match=reason):
            fetched(store, tmp_path)


@ROOT_ONLY
def test_planted_model_is_not_served(tmp_path: Path, tiny_model: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    cache.chmod(0o1777)
    with gated_store(tiny_model) as (uri, gate):
        gate.set()
        planted = fetch(uri, cache=cache)
        planted.close()
        folder = planted.path.parent
        (folder / RECORD_NAME).unlink()
        for path in (*folder.iterdir(), folder):
            theirs(path)
        with serving(tmp_path, MODEL_URI=uri) as function:
            status, reply = function.ask("/chat", {"prompt": "hi", "max_tokens": 2})
    assert (status, reply["error"]["code"]) == (503, "cache_unusable")
    assert f"{folder} is not trusted: it belongs to the user {NOBODY}" in reply["error"]["message"]


@ROOT_ONLY
def test_foreign_files_in_the_directory_are_left_alone(tmp_path: Path) -> None:
    """A directory like /tmp, in which others use names like the cache's."""
    tmp_path.chmod(0o1777)
    key = "0" * VERSION_DIGITS
    others = [tmp_path / name for name in (key, f"{key}{EVICTED_SUFFIX}", f"notes{EVICTED_SUFFIX}", "file")]
    for path in others:
        path.mkdir()
        (path / ".lock").touch()
        theirs(path)
    (own := tmp_path / f"mine{EVICTED_SUFFIX}").mkdir()
    with FaultyStore(DATA) as store:
        path = fetched(store, tmp_path)
        assert got(store, tmp_path).cached
        with pytest.raises(NoSpace):
            make_room(tmp_path, 1 << 62, path.parent)
    assert all(path.exists() for path in (*others, own))


def test_write_permission_of_others_is_removed(tmp_path: Path) -> None:
    """Such folders come from an open umask, and from volumes with open rules."""
    with FaultyStore(DATA) as store:
        path = fetched(store, tmp_path)
        for one in (path, path.parent):
            one.chmod(0o777)
        assert got(store, tmp_path).cached
        assert store.sent_bytes() == SIZE
    assert not any(one.stat().st_mode & 0o022 for one in (path, path.parent))


def test_created_files_are_writable_by_their_owner_only(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        with FaultyStore(DATA) as store:
            path = fetched(store, tmp_path / "cache")
    finally:
        os.umask(umask)
    assert not any(one.stat().st_mode & 0o022 for one in (tmp_path / "cache", path.parent, *path.parent.iterdir()))


# Modification


def test_second_start_does_not_read_the_file(tmp_path: Path) -> None:
    sha256 = hashlib.sha256(DATA).hexdigest()
    with FaultyStore(DATA) as store:
        got(store, tmp_path, sha256=sha256).close()
        for _ in range(2):
            again, read = read_by(lambda: got(store, tmp_path, sha256=sha256))
            assert again.cached
            assert read < SIZE
            again.close()


@pytest.mark.parametrize("scheme", ["s3", "gs", "hf", "http"])
@pytest.mark.parametrize("sha256", [None, hashlib.sha256(DATA).hexdigest()])
@pytest.mark.parametrize("restarted", [False, True])
def test_modified_file_is_fetched_again(scheme: str, sha256: str | None, restarted: bool, tmp_path: Path) -> None:
    with FaultyStore(DATA) as store:
        path = fetched(store, tmp_path, scheme)
        got(store, tmp_path, scheme, sha256=sha256).close()
        zeroed(path)
        if restarted:
            booted(path)
        again = got(store, tmp_path, scheme, sha256=sha256)
        assert again.path.read_bytes() == DATA
        assert not again.cached
        assert store.sent_bytes() == 2 * SIZE


@pytest.mark.parametrize("scheme", ["s3", "gs", "hf", "http"])
def test_copied_cache_is_verified_once(scheme: str, tmp_path: Path) -> None:
    with FaultyStore(DATA) as store:
        fetched(store, tmp_path / "first", scheme)
        shutil.copytree(tmp_path / "first", tmp_path / "second")
        one, read = read_by(lambda: got(store, tmp_path / "second", scheme))
        assert one.cached
        assert read >= SIZE
        _, read = read_by(lambda: got(store, tmp_path / "second", scheme))
        assert read < SIZE
        assert store.sent_bytes() == SIZE


def test_file_from_before_a_reboot_is_read_back_once(tmp_path: Path) -> None:
    sha256 = hashlib.sha256(DATA).hexdigest()
    with FaultyStore(DATA) as store:
        got(store, tmp_path, sha256=sha256).close()
        path = fetched(store, tmp_path)
        booted(path)
        one, read = read_by(lambda: got(store, tmp_path, sha256=sha256))
        assert one.cached
        assert SIZE <= read < 2 * SIZE, "the store's checksum is enough to verify the bytes"
        one.close()
        values = json.loads((path.parent / RECORD_NAME).read_text())
        assert values["files"]["model.gguf"]["boot"] == "", "bytes read from the disk are on the disk"


def test_bytes_are_forced_to_disk_without_a_boot_id(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(DATA)
    record = VerificationRecord(tmp_path, boot=tmp_path / "nonexistent")
    record.add(file, check=None)
    assert VerificationRecord(tmp_path).matches(file, file.stat())


@pytest.mark.parametrize("damage", ["", "[]", "{}", '{"files": 1, "sha256": null}', '{"files": {"model.gguf": {}}}'])
def test_damaged_record_is_ignored(damage: str, tmp_path: Path) -> None:
    with FaultyStore(DATA) as store:
        path = fetched(store, tmp_path)
        (path.parent / RECORD_NAME).write_text(damage)
        one, read = read_by(lambda: got(store, tmp_path))
        assert one.cached
        assert read >= SIZE


def test_file_without_any_checksum_is_fetched_again(tmp_path: Path) -> None:
    with FaultyStore(DATA, checksums=False) as store:
        path = fetched(store, tmp_path, "http")
        (path.parent / RECORD_NAME).unlink()
        assert not got(store, tmp_path, "http").cached


def test_modified_file_in_use_raises(tmp_path: Path) -> None:
    with FaultyStore(DATA) as store:
        held = got(store, tmp_path)
        zeroed(held.path)
        with pytest.raises(CacheUnusable, match="another process uses it"):
            got(store, tmp_path)
        held.close()
        assert got(store, tmp_path).path.read_bytes() == DATA


def test_modified_cache_is_not_served(tmp_path: Path, tiny_model: Path) -> None:
    sha256 = hashlib.sha256(tiny_model.read_bytes()).hexdigest()
    question = {"prompt": "hi", "max_tokens": 4, "seed": 1}
    with gated_store(tiny_model) as (uri, gate):
        gate.set()
        with serving(tmp_path, MODEL_URI=uri, MODEL_SHA256=sha256) as function:
            expected = function.ask("/chat", question)
        path = next((tmp_path / "cache").rglob(tiny_model.name))
        touched(path, lambda: path.write_bytes(tiny_model.read_bytes()[:-1000] + bytes(1000)))
        with serving(tmp_path, MODEL_URI=uri, MODEL_SHA256=sha256) as function:
            assert function.ask("/chat", question) == expected
            assert f"{path} is not" in function.log.read_text()
    assert path.read_bytes() == tiny_model.read_bytes()


# Names


@pytest.mark.parametrize("name", ["x" * 242, "x" * 243, "x" * 250, "x" * 255, "ü" * 300, ".lock", RECORD_NAME])
def test_object_can_have_any_name(name: str, tmp_path: Path) -> None:
    with FaultyStore(DATA) as store:
        first = got(store, tmp_path, name=name)
        assert first.path.read_bytes() == DATA
        assert first.name == name
        assert (first.path.name == name) == (name == "x" * 242)
        first.close()
        assert got(store, tmp_path, name=name).cached


# Removal


def test_cache_removed_during_the_fetch_is_fetched_again(tmp_path: Path) -> None:
    with FaultyStore(DATA) as store:
        store.on_request = lambda count: shutil.rmtree(tmp_path / "cache", ignore_errors=True)
        with pytest.raises(CacheUnusable, match="removed during") as caught:
            got(store, tmp_path / "cache")
        assert not caught.value.permanent
        store.on_request = lambda count: None
        assert got(store, tmp_path / "cache").path.read_bytes() == DATA
