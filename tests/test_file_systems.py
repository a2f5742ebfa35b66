"""Kinds of file systems: files in memory and on disks."""

import os
import subprocess
from pathlib import Path

import pytest

from function.system.file_systems import is_in_memory


def kind(path: Path) -> str:
    """Return coreutils' name of the file system at ``path``."""
    return subprocess.run(["stat", "-f", "-c", "%T", path], check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.parametrize("folder", [Path("/dev/shm"), Path("/tmp"), Path("/")])
def test_files_of_a_tmpfs_are_in_memory(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    assert is_in_memory(descriptor) is (kind(folder) in ("tmpfs", "ramfs"))
    os.close(descriptor)


def test_file_without_a_name_is_in_memory() -> None:
    descriptor = os.memfd_create("model")
    assert is_in_memory(descriptor)
    os.close(descriptor)
