"""Unusable cache directories: each is reported in a reply, and the function stays alive."""

import fcntl
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from function.errors import CacheUnusable, NoSpace
from function.fetch.destination.cache_dir import EVICTED_SUFFIX, acquire, make_room
from function.source import VERSION_DIGITS
from tests.servers.doors import serving
from tests.servers.gated import gated_store

TIMEOUT_SECONDS = 60.0
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts, and gives directories away")


def linked(cache: Path) -> None:
    cache.with_name("real").mkdir()
    cache.symlink_to(cache.with_name("real"))


def file(cache: Path) -> None:
    cache.write_text("a file")


def foreign(cache: Path) -> None:
    cache.mkdir()
    os.chown(cache, 12345, 12345)


def small(cache: Path) -> None:
    _mount(cache, "size=64k")


def read_only(cache: Path) -> None:
    _mount(cache, "ro")


def _mount(cache: Path, options: str) -> None:
    cache.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", cache], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("this machine does not let a test mount anything")


@pytest.mark.parametrize(
    ("prepare", "code", "word"),
    [
        (linked, "cache_unusable", "symbolic link"),
        (file, "cache_unusable", "File exists"),
        pytest.param(foreign, "cache_unusable", "user 12345", marks=ROOT_ONLY),
        pytest.param(small, "no_space", "or set MODEL_CACHE=memory", marks=ROOT_ONLY),
        pytest.param(read_only, "cache_unusable", "Read-only", marks=ROOT_ONLY),
    ],
)
def test_unusable_cache_directory_is_named_in_the_error(
    prepare: Callable[[Path], None], code: str, word: str, tmp_path: Path, tiny_model: Path
) -> None:
    cache = tmp_path / "cache"
    prepare(cache)
    try:
        with gated_store(tiny_model) as (uri, gate):
            gate.set()
            with serving(tmp_path, MODEL_URI=uri) as function:
                status, reply = function.ask("/chat", {"prompt": "hi", "max_tokens": 2})
                assert (status, reply["error"]["code"]) == (503, code), reply
                assert str(cache) in reply["error"]["message"]
                assert word in reply["error"]["message"]
                assert function.get("/health/live")[0] == 200
    finally:
        if os.path.ismount(cache):
            subprocess.run(["umount", "-l", cache], check=True)


def test_file_size_limit_is_named_in_the_error(tmp_path: Path, tiny_model: Path) -> None:
    with gated_store(tiny_model) as (uri, gate):
        gate.set()
        with serving(tmp_path, before=("prlimit", "--fsize=150000"), MODEL_URI=uri) as function:
            status, reply = function.ask("/chat", {"prompt": "hi", "max_tokens": 2})
            assert status == 503
            assert "File too large" in reply["error"]["message"]
            assert function.get("/health/live")[0] == 200


def test_waiting_process_continues_when_the_cache_is_removed(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = acquire(cache, "key", is_complete=lambda folder: False, pause=lambda: None)
    ended = threading.Event()

    removed = threading.Event()

    def pause() -> None:
        if not removed.is_set():
            shutil.rmtree(cache)
            removed.set()

    def wait() -> None:
        with closing(acquire(cache, "key", is_complete=lambda folder: False, pause=pause)) as second:
            assert second.lock(fcntl.LOCK_EX)
            ended.set()

    threading.Thread(target=wait, daemon=True).start()
    assert ended.wait(TIMEOUT_SECONDS)
    assert (cache.stat().st_mode & 0o077) == 0
    first.close()


def test_directory_without_new_folders_is_rejected() -> None:
    paused = []
    with pytest.raises(CacheUnusable, match="No such file"):
        acquire(Path("/proc"), "key", is_complete=lambda folder: False, pause=lambda: paused.append(1))
    assert paused, "pause leaves the CPU to others, and may cancel"


FULL_OF_FILES = """
import os, sys
from pathlib import Path
from function.errors import FunctionError
from function.fetch import fetch
from tests.fetch_data import DATA, QUICK
from tests.servers.faulty import FaultyStore

folder = Path(sys.argv[1])
for left in (4, 3, 2, 1, 0):
    for number in range(os.statvfs(folder).f_favail - left):
        (folder / f"{left}-{number}").touch()
    with FaultyStore(DATA) as store:
        try:
            fetch(store.uri("s3"), cache=folder / "cache", policy=QUICK, stores=store.stores)
        except FunctionError as e:
            print(e.code, "no free inodes" in str(e))
"""


def test_file_system_without_free_inodes_is_named(tmp_path: Path) -> None:
    mount = f"mount -t tmpfs -o nr_inodes=40,size=20m none {tmp_path}"
    inside = ["unshare", "-rm", "sh", "-c", f'{mount} && exec "$0" "$@"']
    if subprocess.run([*inside, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount")
    command = [*inside, sys.executable, "-c", FULL_OF_FILES, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent.parent, check=False)
    assert done.stdout.splitlines() == ["no_space True"] * 5, done.stderr


@pytest.mark.parametrize(("mode", "logged"), [(0o700, False), (0o755, False), (0o1777, False), (0o777, True)])
def test_folder_whose_files_others_can_replace_is_logged(
    mode: int, logged: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    cache.chmod(mode)
    with caplog.at_level("INFO"):
        acquire(cache, "model", lambda folder: False, lambda: None).close()
    assert ("has no sticky bit" in caplog.text) is logged


def test_folder_whose_removal_was_interrupted_is_removed_first(tmp_path: Path) -> None:
    (left := tmp_path / ("a" * VERSION_DIGITS + EVICTED_SUFFIX)).mkdir()
    (left / "model.gguf").write_bytes(b"x")
    (other := tmp_path / "another-program").mkdir()
    with pytest.raises(NoSpace):
        make_room(tmp_path, 1 << 62, tmp_path / "new")
    assert (left.exists(), other.exists()) == (False, True)
