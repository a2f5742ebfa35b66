"""Which of llama.cpp's CPU libraries this machine gets: the best that its CPU is said to run, and does run.

An image holds one for each level of instructions (tools/cpu_levels.py). What a CPU says of itself is not enough: a
hypervisor can leave instructions out that the CPU has. So the library decodes something first, in a process of its own,
and one that dies there, hangs or computes nonsense is never loaded here.
"""

import hashlib
import json
import logging
import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path

from function.engine.llama import library
from function.engine.llama.cpu_variants import BASELINE, CPUVariants
from function.errors import UnsuitedCPU
from function.system.trusted_files import WRITABLE_BY_OTHERS, write_atomically

log = logging.getLogger(__name__)

PATIENCE = 10.0
"""Seconds for a decode that takes 0.06: then it hangs."""
CPUINFO = Path("/proc/cpuinfo")
MEMORY = "cpu-level.json"
LONGEST = 4096  # characters of it


@dataclass(frozen=True, slots=True)
class CPUChoice:
    """A choice. ``folder`` has the libraries; ``reason`` says why this one and none of the better."""

    name: str
    folder: Path
    reason: str


def prepare(wanted: str | None = None, *, memory: Path | None = None) -> None:
    """Have ``library()`` load the level that suits this machine. Nothing to do once it is loaded.

    ``wanted``: the level to take and no other. ``memory``: a folder where the choice is remembered, if it is there.
    Raises UnsuitedCPU. Where there is but one library it takes no time.
    """
    if library.loaded():
        return
    began = time.monotonic()
    level = choose(CPUVariants(library.folder()), wanted, memory=memory)
    if level is None:
        return
    library.use(level.folder, level.name)
    extra = {"event": "cpu_level", "level": level.name, "seconds": round(time.monotonic() - began, 3)}
    log.info("CPU level %s: %s", level.name, level.reason, extra=extra)


def choose(
    levels: CPUVariants,
    wanted: str | None = None,
    *,
    memory: Path | None = None,
    cpuinfo: Path = CPUINFO,
    patience: float = PATIENCE,
) -> CPUChoice | None:
    """The level to use; None where there are none to choose from. Raises UnsuitedCPU."""
    if not levels.needs:
        if wanted:
            raise UnsuitedCPU(f"CPU_LEVEL={wanted}, but there is one library only. Leave it unset.", param="CPU_LEVEL")
        return None
    model, flags = _cpu(cpuinfo)
    if wanted:
        return _wanted(levels, wanted, flags, patience)
    key = _key(levels, model, flags)
    if (name := _recall(memory, key)) in levels.needs:
        return CPUChoice(name, levels.folder(name), "it was proved before")
    level = _best(levels, flags, patience)
    _remember(memory, key, level.name)
    return level


def _best(levels: CPUVariants, flags: frozenset[str], patience: float) -> CPUChoice:
    refused: list[str] = []
    for name, needs in reversed([*levels.needs.items()]):
        if lacks := [flag for flag in needs if flag not in flags]:
            refused.append(f"{name}: the CPU has no {lacks[0]}")
        elif name == BASELINE:
            return CPUChoice(name, levels.folder(name), "; ".join(refused) or "there is none better")
        elif problem := levels.problem(name, patience):
            log.warning("CPU level %s is not used: %s", name, problem)
            refused.append(f"{name}: {problem}")
        else:
            return CPUChoice(name, levels.folder(name), "; ".join(["it decodes", *refused]))
    raise UnsuitedCPU(f"None of llama.cpp's libraries here runs on this CPU: {'; '.join(refused)}.")


def _wanted(levels: CPUVariants, name: str, flags: frozenset[str], patience: float) -> CPUChoice:
    if name not in levels.needs:
        raise UnsuitedCPU(f"CPU_LEVEL={name}: there are {', '.join(levels.needs)}.", param="CPU_LEVEL")
    lacks = [flag for flag in levels.needs[name] if flag not in flags]
    problem = f"the CPU has no {lacks[0]}" if lacks else levels.problem(name, patience)
    if problem:
        raise UnsuitedCPU(f"CPU_LEVEL={name} cannot be used here: {problem}. Leave it unset.", param="CPU_LEVEL")
    return CPUChoice(name, levels.folder(name), "CPU_LEVEL says so, and it decodes")


def _cpu(cpuinfo: Path) -> tuple[str, frozenset[str]]:
    """The first CPU's name, and what it says it can: ``flags`` on x86, ``Features`` on arm64."""
    try:
        lines = cpuinfo.read_text().split("\n\n")[0].splitlines()
    except OSError:
        lines = []
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    model = fields.get("model name") or fields.get("CPU part", "")
    return model, frozenset((fields.get("flags") or fields.get("Features", "")).split())


def _key(levels: CPUVariants, model: str, flags: frozenset[str]) -> str:
    """What the choice depends on: the CPU and the libraries."""
    words = (model, " ".join(sorted(flags)), json.dumps(levels.needs), *levels.stamps())
    return hashlib.sha256("\n".join(words).encode()).hexdigest()


def _recall(memory: Path | None, key: str) -> str:
    """The name that this user alone can have kept under ``key``, or an empty one."""
    if memory is None:
        return ""
    try:  # the folder may be one where others write as well: what they left there may be a link, or a pipe
        descriptor = os.open(memory / MEMORY, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor) as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & WRITABLE_BY_OTHERS:
                return ""
            kept = json.loads(file.read(LONGEST))
        return str(kept["level"]) if kept["key"] == key else ""
    except (OSError, ValueError, TypeError, KeyError):
        return ""


def _remember(memory: Path | None, key: str, name: str) -> None:
    """Keep the choice; where that fails, the next start proves it anew."""
    if memory is None or not memory.is_dir():
        return
    try:
        write_atomically(memory / MEMORY, json.dumps({"key": key, "level": name}))
    except OSError as e:
        log.debug("the CPU level is not remembered: %s", e)
