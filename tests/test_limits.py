"""Limits of both cgroup versions, nested, and inside a container."""

import os
from pathlib import Path

import pytest

from function.system.limits import cpus, is_on_disk, memory_limit, memory_used

GIB = 1 << 30


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, "proc/meminfo", "MemTotal:       8388608 kB\nMemFree:  1 kB\n")
    return tmp_path


def write(root: Path, path: str, text: str) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def affinity() -> int:
    return len(os.sched_getaffinity(0))


def test_without_cgroups_the_machine_is_the_limit(root: Path) -> None:
    assert memory_limit(root) == 8 * GIB
    assert cpus(root) == affinity()


def test_unknown_memory_limit_is_none(tmp_path: Path) -> None:
    assert memory_limit(tmp_path) is None


def test_cgroup_v2_uses_the_tightest_ancestor(root: Path) -> None:
    write(root, "proc/self/cgroup", "0::/pod/container\n")
    write(root, "sys/fs/cgroup/pod/container/memory.max", "max\n")
    write(root, "sys/fs/cgroup/pod/memory.max", f"{2 * GIB}\n")
    write(root, "sys/fs/cgroup/pod/container/cpu.max", "50000 100000\n")
    write(root, "sys/fs/cgroup/pod/cpu.max", "max 100000\n")
    assert memory_limit(root) == 2 * GIB
    assert cpus(root) == 1


def test_cgroup_v2_works_in_its_own_namespace(root: Path) -> None:
    write(root, "proc/self/cgroup", "0::/\n")
    write(root, "sys/fs/cgroup/memory.max", f"{GIB}\n")
    assert memory_limit(root) == GIB


def test_cgroup_v1_works_with_joined_controllers_and_the_host_path(root: Path) -> None:
    write(root, "proc/self/cgroup", "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n0::/\n")
    write(root, "sys/fs/cgroup/memory/memory.limit_in_bytes", f"{3 * GIB}\n")
    write(root, "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "200001\n")
    write(root, "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n")
    assert memory_limit(root) == 3 * GIB
    assert cpus(root) == min(2, affinity())


def test_cgroup_v1_without_limits_uses_the_machine(root: Path) -> None:
    write(root, "proc/self/cgroup", "4:memory:/\n3:cpu:/\n")
    write(root, "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")
    write(root, "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n")
    write(root, "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n")
    assert memory_limit(root) == 8 * GIB
    assert cpus(root) == affinity()


@pytest.mark.parametrize(("quota", "expected"), [(0.25, 1), (1.0, 1), (1.5, 1), (1.99, 1), (2.0, 2), (7.65, 7)])
@pytest.mark.parametrize("version", [1, 2])
def test_quota_is_rounded_down_to_whole_cpus(root: Path, version: int, quota: float, expected: int) -> None:
    if version == 2:
        write(root, "proc/self/cgroup", "0::/\n")
        write(root, "sys/fs/cgroup/cpu.max", f"{round(quota * 100_000)} 100000\n")
    else:
        write(root, "proc/self/cgroup", "3:cpu,cpuacct:/\n")
        write(root, "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", f"{round(quota * 100_000)}\n")
        write(root, "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n")
    assert cpus(root, affinity=64) == expected


@pytest.mark.parametrize(
    ("mib", "seen", "expected"), [(128, 2, 1), (1769, 2, 1), (3008, 2, 1), (3538, 3, 2), (8845, 6, 5), (10_240, 6, 5)]
)
def test_share_of_a_lambda_function_follows_its_memory(root: Path, mib: int, seen: int, expected: int) -> None:
    assert cpus(root, affinity=seen, lambda_mib=mib) == expected


def test_memory_of_a_lambda_function_is_read_from_its_environment(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "3538")
    assert cpus(root, affinity=3) == 2
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "unknown")
    assert cpus(root, affinity=3) == 3


@pytest.mark.parametrize("reserved", ["Hugetlb: 12582912 kB\nHugePages_Total: 1\n", "HugePages_Total: 6144\n"])
def test_reserved_huge_pages_are_no_memory_of_this_process(root: Path, reserved: str) -> None:
    write(root, "proc/meminfo", f"MemTotal: 16777216 kB\n{reserved}Hugepagesize: 2048 kB\n")
    assert memory_limit(root) == 4 * GIB


def test_hierarchical_limit_of_cgroup_v1_counts(root: Path) -> None:
    write(root, "proc/self/cgroup", "4:memory:/docker/abc\n")
    write(root, "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")
    write(root, "sys/fs/cgroup/memory/memory.stat", f"cache 1\nhierarchical_memory_limit {2 * GIB}\nrss 3\n")
    assert memory_limit(root) == 2 * GIB


@pytest.mark.parametrize(("high", "expected"), [("max", 3 * GIB), (str(2 * GIB), 2 * GIB), (str(5 * GIB), 3 * GIB)])
def test_memory_high_is_a_limit(root: Path, high: str, expected: int) -> None:
    write(root, "proc/self/cgroup", "0::/pod\n")
    write(root, "sys/fs/cgroup/pod/memory.max", f"{3 * GIB}\n")
    write(root, "sys/fs/cgroup/pod/memory.high", f"{high}\n")
    assert memory_limit(root) == expected


@pytest.mark.parametrize("text", ["", "garbage", "1 2 3", "100000 0"])
def test_unreadable_limits_are_ignored(root: Path, text: str) -> None:
    write(root, "proc/self/cgroup", "0::/a/../..\nnonsense\n")
    write(root, "sys/fs/cgroup/cpu.max", text)
    write(root, "sys/fs/cgroup/memory.max", text)
    assert memory_limit(root) == 8 * GIB
    assert cpus(root) == affinity()


def test_this_machine_has_memory_and_cpus() -> None:
    limit = memory_limit()
    assert limit is None or limit > 1 << 20
    assert cpus() >= 1


def test_memory_in_use_is_that_of_the_innermost_cgroup_else_of_the_process(root: Path) -> None:
    assert memory_used(root) is None
    write(root, "proc/self/status", "Name:\tpython\nVmPeak:\t  9 kB\nVmRSS:\t  2048 kB\nThreads:\t1\n")
    assert memory_used(root) == 2048 * 1024
    write(root, "proc/self/cgroup", "4:memory:/docker/abc\n")
    write(root, "sys/fs/cgroup/memory/memory.usage_in_bytes", f"{2 * GIB}\n")
    assert memory_used(root) == 2 * GIB
    write(root, "sys/fs/cgroup/memory/docker/abc/memory.usage_in_bytes", f"{GIB}\n")
    assert memory_used(root) == GIB


@pytest.mark.parametrize(("kind", "on_disk"), [("ext4", True), ("tmpfs", False), ("overlay", False)])
def test_file_system_of_a_path_is_found_by_its_device(kind: str, on_disk: bool, root: Path) -> None:
    device = root.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    assert not is_on_disk(root, root), "without a list of mounts"
    other = "21 1 99999:1 / /other rw shared:1 - ext4 /dev/sdz rw"
    write(root, "proc/self/mountinfo", f"{other}\n22 1 {number} / / rw shared:2 - {kind} /dev/sda rw\n")
    assert is_on_disk(root, root) is on_disk
