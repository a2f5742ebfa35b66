"""Models on a FUSE or network mount: read in parallel into the cache, in place of a mapping."""

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import FileIO
from pathlib import Path

import pytest

from function.command.doctor_checks import examine
from function.errors import ObjectChanged, SourceError
from function.fetch import FetchJob, fetch, start_fetch
from function.fetch.destination.memory import MemoryDestination
from function.fetch.destination.partial_file import PartialFile
from function.fetch.transfer.transfer import Transfer
from function.source import ALGORITHMS, FileSource, ObjectInfo
from function.system.file_systems import find_network_mount
from tests.fetch_data import DATA, QUICK, SIZE
from tests.servers.doors import WAIT_SECONDS
from tests.split_model import split


class RecordingSource(FileSource):
    """File that lists the threads that read it. ``act`` runs after every opening."""

    def __init__(self, uri: str, act: Callable[[], object] = lambda: None) -> None:
        super().__init__(uri)
        self.readers: set[int] = set()
        self._act = act

    @contextmanager
    def open(self, info: ObjectInfo) -> Iterator[FileIO]:
        with super().open(info) as file:
            self.readers.add(threading.get_ident())
            self._act()
            yield file


def copy(source: FileSource, info: ObjectInfo, target: Path) -> None:
    """Transfer the file of ``source`` to ``target`` as a fetch does."""
    target.touch()
    partial = PartialFile(target, info, ALGORITHMS["crc32c"], 16 << 10, lambda error: SourceError(str(error)))
    policy = replace(QUICK, max_attempts=2)
    try:
        assert Transfer(source, info, partial, policy, lambda _: None, lambda _: None, lambda: None).run()
    finally:
        partial.close()


def test_file_is_read_in_parallel(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(DATA)
    second = threading.Event()

    def await_second() -> None:
        if len(source.readers) > 1:
            second.set()
        assert second.wait(WAIT_SECONDS), "one thread reads all"

    source = RecordingSource(str(tmp_path / "model.gguf"), await_second)
    copy(source, source.describe(), tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == DATA
    assert len(source.readers) > 1


def test_file_that_is_replaced_during_the_read_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(DATA)
    source = RecordingSource(str(path), lambda: path.write_bytes(bytes(SIZE)))
    with pytest.raises(ObjectChanged, match="was replaced while it was read"):
        copy(source, source.describe(), tmp_path / "copy")


@pytest.mark.parametrize(("left", "message"), [(None, "No such file"), (1000, "ends at byte|was replaced")])
def test_file_that_vanishes_or_shrinks_is_an_error_with_its_cause(
    left: int | None, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(DATA)
    source = FileSource(str(path))
    info = source.describe()
    if left is None:
        path.unlink()
    else:
        os.truncate(path, left)
    with pytest.raises(SourceError, match=message):
        copy(source, info, tmp_path / "copy")


@pytest.fixture(scope="module")
def mounted(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[Path]:
    """Folder on a FUSE mount, with a model and with another one that is split."""
    bindfs = shutil.which("bindfs")
    if bindfs is None or not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("bindfs is not installed, or there is no FUSE")
    folder, mount = tmp_path_factory.mktemp("bucket"), tmp_path_factory.mktemp("mount")
    shutil.copyfile(tiny_model, folder / "model.gguf")
    split(tiny_model, folder, 8)
    if subprocess.run([bindfs, folder, mount], check=False).returncode:
        pytest.skip("this user may not mount")
    try:
        yield mount
    finally:
        subprocess.run(["umount", mount], check=True)


def test_model_on_a_fuse_mount_is_fetched(mounted: Path, tmp_path: Path, tiny_model: Path) -> None:
    assert find_network_mount(mounted) == "fuse"
    for cached in (False, True):
        fetched = fetch(str(mounted / "model.gguf"), cache=tmp_path, policy=QUICK)
        assert fetched.path.is_relative_to(tmp_path)
        assert fetched.path.read_bytes() == tiny_model.read_bytes()
        assert (fetched.cached, fetched.verified) == (cached, False)
        fetched.close()


def test_split_model_on_a_fuse_mount_is_fetched(mounted: Path) -> None:
    parts = sorted(mounted.glob("part-*.gguf"))
    fetched = fetch(f"file://{parts[0]}", cache=MemoryDestination(str(parts[0])), policy=QUICK)
    assert [part.read_bytes() for part in fetched.parts] == [part.read_bytes() for part in parts]
    fetched.close()


def test_model_on_a_fuse_mount_is_used_in_place_where_no_copy_fits(
    mounted: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class FullMemory(MemoryDestination):
        def make_room(self, missing: int) -> None:
            super().make_room(1 << 60)

    uri = str(mounted / "model.gguf")
    caplog.set_level("INFO")
    running = start_fetch(FetchJob(uri, FullMemory(uri)))
    running.follow()
    for fetched in (running.result(threading.Event()), FetchJob(uri, FullMemory(uri)).run()):
        assert fetched.path == mounted / "model.gguf"
        assert fetched.lease is None
    assert f"{uri} is on a mount of type fuse: it is read in parallel into the cache, not mapped" in caplog.text
    assert f"{uri} is used in place, although it is on a network mount: The model has" in caplog.text


def test_doctor_names_the_mount(mounted: Path) -> None:
    found = {finding.about: finding for finding in examine(str(mounted / "model.gguf"))}
    assert found["mount"].grade == "fair"
    assert "is on a mount of type fuse: each start reads it in parallel into the cache" in found["mount"].found
    assert "cache" in found
