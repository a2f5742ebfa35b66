"""Choice of the llama.cpp library for this machine's CPU: the best variant that runs here.

An image holds one library per CPU level (tools/cpu_levels.py). The CPU's own flags do not suffice: a hypervisor can
leave out instructions that the CPU reports. So each candidate decodes something in a separate process first; one that
crashes, hangs or computes nonsense there is never loaded here.
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

PROOF_TIMEOUT_SECONDS = 10.0
"""The proof decodes in 0.06 s; longer than this is a hang."""
CPUINFO = Path("/proc/cpuinfo")
CHOICE_FILE = "cpu-level.json"
MAX_CHOICE_CHARACTERS = 4096


@dataclass(frozen=True, slots=True)
class CPUChoice:
    """A variant, the folder of its libraries, and the reason why no better one was chosen."""

    name: str
    folder: Path
    reason: str


def use_cpu_variant(wanted: str | None = None, *, cache_dir: Path | None = None) -> None:
    """Let ``library()`` load the variant that suits this machine; does nothing once the library is loaded.

    ``wanted``: the only variant to accept. ``cache_dir``: a folder that keeps the choice, if it exists. Raises
    UnsuitedCPU.
    """
    if library.is_loaded():
        return
    began = time.monotonic()
    choice = choose_cpu_variant(CPUVariants(library.find_libraries()), wanted, cache_dir=cache_dir)
    if choice is None:
        return
    library.use_libraries(choice.folder, choice.name)
    extra = {"event": "cpu_level", "level": choice.name, "seconds": round(time.monotonic() - began, 3)}
    log.info("CPU level %s: %s", choice.name, choice.reason, extra=extra)


def choose_cpu_variant(
    variants: CPUVariants,
    wanted: str | None = None,
    *,
    cache_dir: Path | None = None,
    cpuinfo: Path = CPUINFO,
    timeout: float = PROOF_TIMEOUT_SECONDS,
) -> CPUChoice | None:
    """Return the variant to use; None if there is only one library. Raises UnsuitedCPU.

    ``timeout``: seconds for the proof of each variant.
    """
    if not variants.needs:
        if wanted:
            raise UnsuitedCPU(f"CPU_LEVEL={wanted}, but there is one library only. Leave it unset.", param="CPU_LEVEL")
        return None
    model, flags = _read_cpu(cpuinfo)
    if wanted:
        return _check_wanted(variants, wanted, flags, timeout)
    key = _cache_key(variants, model, flags)
    if (name := _read_cached(cache_dir, key)) in variants.needs:
        return CPUChoice(name, variants.folder(name), "proved by an earlier start")
    choice = _choose_best(variants, flags, timeout)
    _write_cached(cache_dir, key, choice.name)
    return choice


def _choose_best(variants: CPUVariants, flags: frozenset[str], timeout: float) -> CPUChoice:
    rejected: list[str] = []
    for name in reversed([*variants.needs]):
        if problem := variants.missing_flag(name, flags):
            rejected.append(f"{name}: {problem}")
        elif name == BASELINE:
            return CPUChoice(name, variants.folder(name), "; ".join(rejected) or "there is none better")
        elif problem := variants.prove(name, timeout):
            log.warning("CPU level %s is not used: %s", name, problem)
            rejected.append(f"{name}: {problem}")
        else:
            return CPUChoice(name, variants.folder(name), "; ".join(["it decodes", *rejected]))
    raise UnsuitedCPU(f"None of llama.cpp's libraries here runs on this CPU: {'; '.join(rejected)}.")


def _check_wanted(variants: CPUVariants, name: str, flags: frozenset[str], timeout: float) -> CPUChoice:
    if name not in variants.needs:
        raise UnsuitedCPU(f"CPU_LEVEL={name}: there are {', '.join(variants.needs)}.", param="CPU_LEVEL")
    if problem := variants.missing_flag(name, flags) or variants.prove(name, timeout):
        raise UnsuitedCPU(f"CPU_LEVEL={name} cannot be used here: {problem}. Leave it unset.", param="CPU_LEVEL")
    return CPUChoice(name, variants.folder(name), "set by CPU_LEVEL, and it decodes")


def _read_cpu(cpuinfo: Path) -> tuple[str, frozenset[str]]:
    """Return the first CPU's name and features: ``flags`` on x86, ``Features`` on arm64."""
    try:
        lines = cpuinfo.read_text().split("\n\n")[0].splitlines()
    except OSError:
        lines = []
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    model = fields.get("model name") or fields.get("CPU part", "")
    return model, frozenset((fields.get("flags") or fields.get("Features", "")).split())


def _cache_key(variants: CPUVariants, model: str, flags: frozenset[str]) -> str:
    """Return a digest of the CPU and the libraries, which determine the choice."""
    words = (model, " ".join(sorted(flags)), json.dumps(variants.needs), *variants.read_stamps())
    return hashlib.sha256("\n".join(words).encode()).hexdigest()


def _read_cached(cache_dir: Path | None, key: str) -> str:
    """Return the name kept under ``key`` if only this user can have written it; else an empty one."""
    if cache_dir is None:
        return ""
    try:  # others may write to the folder as well: the file may be a link, or a pipe
        descriptor = os.open(cache_dir / CHOICE_FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor) as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & WRITABLE_BY_OTHERS:
                return ""
            kept = json.loads(file.read(MAX_CHOICE_CHARACTERS))
        return str(kept["level"]) if kept["key"] == key else ""
    except (OSError, ValueError, TypeError, KeyError):
        return ""


def _write_cached(cache_dir: Path | None, key: str, name: str) -> None:
    """Keep the choice; if that fails, the next start proves it again."""
    if cache_dir is None or not cache_dir.is_dir():
        return
    try:
        write_atomically(cache_dir / CHOICE_FILE, json.dumps({"key": key, "level": name}))
    except OSError as e:
        log.debug("the choice of the CPU level is not kept: %s", e)
