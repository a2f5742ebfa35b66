"""Memory and CPU limits of this process: cgroups (v1 and v2), CPU affinity and the machine's own resources."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

from function.settings import Telemetry

ROOT = Path("/")
LAMBDA_MIB_PER_CPU = 1769
"""Memory for which Lambda grants the time of one CPU, although the function sees more CPUs."""
DISK_TYPES = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "nfs", "nfs4", "virtiofs", "fuseblk"})
"""File systems whose files take no memory. The others, a container's overlay among them, may or may not."""


def memory_limit(root: Path = ROOT) -> int | None:
    """Return the bytes this process may use: the least of its cgroups' limits and the machine's memory, or None.

    Reserved huge pages are not counted, as only programs that ask for them can use them. Above ``memory.high`` the
    kernel slows a process down until it stands still, so that it counts as a limit. ``root`` is the folder of ``proc``
    and ``sys``.
    """
    limits = [
        int(text)
        for folder in _cgroups("memory", root)
        for name in ("memory.max", "memory.high", "memory.limit_in_bytes")
        if (text := _read(folder / name)).isdecimal()
    ]
    limits += _hierarchical_limits(root)
    words = [line.split() for line in _read(root / "proc/meminfo").splitlines()]
    kib = {name: int(number) for name, number, *_ in words}
    if "MemTotal:" in kib:
        reserved = kib.get("Hugetlb:", kib.get("HugePages_Total:", 0) * kib.get("Hugepagesize:", 0))
        limits.append((kib["MemTotal:"] - reserved) * 1024)
    return min(limits, default=None)


def memory_used(root: Path = ROOT) -> int | None:
    """Return the bytes in use by the innermost cgroup that counts them, page cache included; else by this process."""
    for folder in _cgroups("memory", root):
        for name in ("memory.current", "memory.usage_in_bytes"):
            if (text := _read(folder / name)).isdecimal():
                return int(text)
    for line in _read(root / "proc/self/status").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return None


def cpus(root: Path = ROOT, *, affinity: int | None = None, lambda_mib: int | None = None) -> int:
    """Return the whole CPUs for this process, at least 1: its affinity, or its quota rounded down if less.

    The quota is that of its cgroups, and on Lambda, which shows none, its share by the memory ``lambda_mib``. More
    threads than the quota pays for are throttled together: each waits for the slowest at every step.
    """
    if affinity is None:
        affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = [quota for folder in _cgroups("cpu", root) if (quota := _quota(folder))]
    if mib := lambda_mib or Telemetry.from_env().lambda_mib:
        quotas.append(mib / LAMBDA_MIB_PER_CPU)
    return max(1, min([affinity, *map(math.floor, quotas)]))


def is_on_disk(path: Path, root: Path = ROOT) -> bool:
    """Return True if ``path`` is on a file system that is known to take no memory."""
    device = path.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in _read(root / "proc/self/mountinfo").splitlines():
        mount, _, kind = line.partition(" - ")
        if mount.split()[2] == number:
            return kind.split()[0] in DISK_TYPES
    return False


def _hierarchical_limits(root: Path) -> Iterator[int]:
    """Yield the limits of cgroup v1's ancestors, also of those that are not visible in a container."""
    for folder in _cgroups("memory", root):
        for line in _read(folder / "memory.stat").splitlines():
            name, _, text = line.partition(" ")
            if name == "hierarchical_memory_limit" and text.isdecimal():
                yield int(text)


def _quota(folder: Path) -> float | None:
    """Return the CPUs that one cgroup grants, or None without a limit."""
    words = _read(folder / "cpu.max").split()  # v2: "200000 100000", or "max 100000"
    if not words:
        words = [_read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")]  # v1: -1 is no limit
    if len(words) == 2 and all(word.isdecimal() for word in words) and int(words[1]):
        return int(words[0]) / int(words[1])
    return None


def _cgroups(controller: str, root: Path) -> Iterator[Path]:
    """Yield the folders of this process's cgroups for ``controller``, the innermost first.

    Every ancestor's limit applies as well. In a container the path may be the host's, of which only the mount's root is
    visible: folders that do not exist set no limit.
    """
    base = root / "sys/fs/cgroup"
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:  # v2, alone or (as "unified") beside v1
            mounts = [base, base / "unified"]
        elif controller in controllers.split(","):
            mounts = [base / controllers, base / controller]
        else:
            continue
        parts = [part for part in path.split("/") if part not in ("", "..")]
        for mount in mounts:
            for depth in range(len(parts), -1, -1):
                yield mount.joinpath(*parts[:depth])


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
