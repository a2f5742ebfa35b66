"""Source of local files: its errors, and the version of a file that is read."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from function.errors import AccessDenied, ObjectChanged, ObjectNotFound, SourceError
from function.settings import Stores
from function.source import open_source
from function.source.file import FileSource

NOBODY = 65534


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Path]:
    """Yield a folder that this process may not enter, without root's right to enter all."""
    folder, user = tmp_path / "locked", os.geteuid()
    folder.mkdir(mode=0)
    if user == 0:
        os.seteuid(NOBODY)
    yield folder
    os.seteuid(user)


def describe_local(path: Path) -> object:
    return open_source(str(path), Stores()).describe()


def test_unreadable_file_is_an_access_error(locked: Path) -> None:
    with pytest.raises(AccessDenied, match="no permission to read the file"):
        describe_local(locked / "model.gguf")


def test_folder_missing_file_and_damaged_path_are_named(tmp_path: Path) -> None:
    with pytest.raises(ObjectNotFound, match=r"is a directory\. Name the file in it"):
        describe_local(tmp_path)
    with pytest.raises(ObjectNotFound, match="no such file"):
        describe_local(tmp_path / "model.gguf")
    (tmp_path / "file").touch()
    with pytest.raises(SourceError, match="Not a directory"):
        describe_local(tmp_path / "file" / "model.gguf")


def test_file_that_is_replaced_while_it_is_read_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"old bytes")
    source = open_source(str(path), Stores())
    assert isinstance(source, FileSource)
    info = source.describe()
    with source.open(info) as file:
        assert file.read() == b"old bytes"
    with pytest.raises(ObjectChanged), source.open(info):
        os.utime(path, ns=(1, 1))
    entered = False
    with pytest.raises(ObjectChanged), source.open(info):
        entered = True
    assert not entered, "nothing of the other version is read"


def test_read_past_the_end_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"0123456789")
    source = open_source(str(path), Stores())
    info = source.describe()
    buffer = bytearray(4)
    source.read(info, 6, memoryview(buffer))
    assert buffer == b"6789"
    with pytest.raises(SourceError, match="the file ends at 10, before 11"):
        source.read(info, 7, memoryview(buffer))
    path.unlink()
    with pytest.raises(SourceError, match="No such file"):
        source.read(info, 0, memoryview(buffer))
