"""Kinds of file systems."""

import os
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")


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
