"""Kinds of file systems."""

import os
import re
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
NETWORK_TYPES = frozenset(
    {"afs", "beegfs", "ceph", "cifs", "gfs2", "gpfs", "lustre", "nfs", "nfs4", "ocfs2", "smb3", "smbfs", "wekafs"}
)
LOCAL_FUSE_TYPES = frozenset({"fuse.fuse-overlayfs", "fuse.lxcfs", "fuse.mergerfs", "fuse.portal", "fuse.snapfuse"})
"""Types of FUSE whose files are on this machine. A disk that FUSE mounts (``fuseblk``) has a type of its own."""
_ESCAPED = re.compile(r"\\([0-7]{3})")


def is_in_memory(descriptor: int) -> bool:
    """Return True if an open file is kept in memory: on a tmpfs, or without a file system that is mounted."""
    device = os.fstat(descriptor).st_dev
    if os.major(device):
        return False
    try:
        mounts = MOUNTS.read_text(errors="replace").splitlines()
    except OSError:
        return False
    number = f"{os.major(device)}:{os.minor(device)}"
    kinds = {line.partition(" - ")[2].split(" ")[0] for line in mounts if line.split(" ")[2] == number}
    return kinds <= {"tmpfs"}


def find_network_mount(path: Path, mounts: Path = MOUNTS) -> str | None:
    """Return the type of the FUSE or network file system that holds ``path``; None for any other.

    The mount is found by its place, without a request to the file system, which may not respond.
    """
    absolute = os.path.abspath(path)  # noqa: PTH100  resolve() would send requests
    for name in dict.fromkeys((absolute, os.path.realpath(path))):
        kind = _find_type(name, mounts)
        if kind in NETWORK_TYPES or (kind.split(".")[0] == "fuse" and kind not in LOCAL_FUSE_TYPES):
            return kind
    return None


def _find_type(path: str, mounts: Path) -> str:
    """Return the type of the file system that is mounted above ``path``; empty if unknown."""
    try:
        lines = mounts.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return ""
    found, length = "", 0
    for line in lines:
        mount, _, kind = line.partition(" - ")
        point = _ESCAPED.sub(lambda code: chr(int(code[1], 8)), mount.split(" ")[4]).rstrip("/")
        if len(point) >= length and f"{path}/".startswith(f"{point}/"):  # the last mount on a folder counts
            found, length = kind.split(" ")[0], len(point)
    return found
