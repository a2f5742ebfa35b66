"""Kinds of file systems: files in memory and on disks."""

import os
import subprocess
from pathlib import Path

import pytest

from function.system.file_systems import find_network_mount, is_in_memory


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


MOUNTINFO = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
23 22 0:21 / /proc rw - proc proc rw
30 22 0:40 / /mnt/bucket rw,nosuid - fuse.gcsfuse models rw,user_id=0
31 30 0:41 / /mnt/bucket/inner rw - tmpfs tmpfs rw
32 22 0:42 / /mnt/my\\040share ro - nfs4 server:/models ro
33 22 8:17 / /mnt/usb rw - fuseblk /dev/sdb1 rw
34 22 0:43 / /mnt/s3 rw - fuse mountpoint-s3 rw
35 22 0:44 / /mnt/windows rw - cifs //server/share rw
36 22 0:45 / /var/lib/containers rw - fuse.fuse-overlayfs fuse-overlayfs rw
37 22 0:46 / /mnt/twice rw - nfs server:/models rw
38 22 0:47 / /mnt/twice rw - xfs /dev/sdc rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/model.gguf", None),
        ("/mnt/model.gguf", None),
        ("/mnt/bucket/folder/model.gguf", "fuse.gcsfuse"),
        ("/mnt/bucket", "fuse.gcsfuse"),
        ("/mnt/bucket2/model.gguf", None),
        ("/mnt/../mnt/bucket/./model.gguf", "fuse.gcsfuse"),
        ("/mnt/bucket/inner/model.gguf", None),
        ("/mnt/my share/model.gguf", "nfs4"),
        ("/mnt/usb/model.gguf", None),
        ("/mnt/s3/model.gguf", "fuse"),
        ("/mnt/windows/model.gguf", "cifs"),
        ("/var/lib/containers/model.gguf", None),
        ("/mnt/twice/model.gguf", None),
    ],
)
def test_network_mount_is_found_by_the_place_of_a_file(path: str, kind: str | None, tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTINFO)
    assert find_network_mount(Path(path), mounts) == kind


def test_network_mount_is_found_behind_a_link(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTINFO)
    (tmp_path / "link.gguf").symlink_to("/mnt/bucket/model.gguf")
    assert find_network_mount(tmp_path / "link.gguf", mounts) == "fuse.gcsfuse"


def test_missing_list_of_mounts_means_no_network_mount(tmp_path: Path) -> None:
    assert find_network_mount(Path("/mnt/bucket/model.gguf"), tmp_path / "none") is None


def test_network_mount_may_be_the_root(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text("22 1 0:9 / / rw - nfs4 server:/root rw\n")
    assert find_network_mount(Path("/srv/model.gguf"), mounts) == "nfs4"
