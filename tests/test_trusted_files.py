"""Trusted files: this user's and root's, without the write permission of others."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from function.errors import CacheUnusable
from function.system.trusted_files import open_trusted, write_atomically

NOBODY = 65534


@pytest.fixture
def unprivileged() -> Iterator[None]:
    """Give up root's rights."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    yield
    os.seteuid(user)


def test_file_of_root_is_trusted_as_it_is(unprivileged: None) -> None:
    os.close(open_trusted(Path("/etc/passwd")))


def test_new_file_belongs_to_this_user_alone(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        os.close(open_trusted(tmp_path / "new", os.O_WRONLY | os.O_CREAT))
    finally:
        os.umask(umask)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o666, 0o620])
def test_write_permission_of_others_is_removed(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    path.chmod(mode)
    os.close(open_trusted(path))
    assert stat.S_IMODE(path.stat().st_mode) == mode & 0o755


def test_folder_pipe_and_link_are_no_trusted_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "file")
    for name, reason in (("", "no file"), ("pipe", "no file"), ("link", "a symbolic link")):
        with pytest.raises(CacheUnusable, match=f"it is {reason}"):
            open_trusted(tmp_path / name)
    with pytest.raises(NotADirectoryError):
        open_trusted(tmp_path / "file", os.O_RDONLY | os.O_DIRECTORY)


def test_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_trusted(tmp_path / "missing")


def test_text_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "text"
    write_atomically(path, "one")
    write_atomically(path, "two")
    assert path.read_text() == "two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    with pytest.raises(OSError, match="folder"):
        write_atomically(tmp_path / "folder", "x")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["folder", "text"]
