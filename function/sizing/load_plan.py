"""Load plan: does the model fit, and how is it loaded. Decided from its header, before its weights are fetched."""

import math
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

from function.errors import DoesNotFit
from function.gguf import DEFAULT_CONTEXT, Fit, Header, KVType, fit, largest_context
from function.gguf.memory import REPACKED, REPACKED_FOR_AMX, copy
from function.settings import LoadMode, Settings
from function.system.limits import is_on_disk, memory_limit

MB = 1e6
MIB = 1 << 20
INSTANCE_STEP_MIB = 256
"""Instance sizes are rounded up to a multiple of this."""
ESTIMATE_ERROR = 0.05
"""Share by which an estimate of memory may be too low."""
REPACK_BYTES_PER_SECOND = 0.6e9
"""Delay of a repacked load, compared to a mapped one, when the download leaves no CPU idle (bench/README.md)."""
MIN_REPACKED_SHARE = 0.5
"""Share of the file that a repacked load must copy to be worth it."""


@dataclass(frozen=True, slots=True)
class Repacking:
    """Effect of a faster weight layout with the llama.cpp library of this machine (bench/README.md).

    ``types`` of weights are copied. A cold start may take ``max_seconds`` longer for the ``gain``.
    """

    types: Set[str]
    max_seconds: float
    gain: str


WITHOUT_AMX = Repacking(REPACKED, 0.3, "prefills 1.5 times as fast")
# With AMX 15 tokens of a reply make up for the copy, whatever the size. The limit is for the user of a cold start.
WITH_AMX = Repacking(REPACKED_FOR_AMX, 8.0, "prefills and decodes 3 times as fast, with AMX")


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """Decision on a load. ``mode`` is ``mapped``, the file as it is, or ``repacked``, copied into a faster layout."""

    mode: str
    reason: str
    fit: Fit


def plan_load(
    header: Header, settings: Settings, *, path: Path, size: int, local: bool, amx: bool, limit: int | None = None
) -> LoadPlan:
    """Plan the load of the model at ``path``, whose files have ``size`` bytes in all.

    ``local``: the file is used in place. ``amx``: llama.cpp's library uses AMX. ``limit`` in bytes, by default this
    container's. Raises DoesNotFit.
    """
    limit = memory_limit() if limit is None else limit
    mapped = estimate_memory(header, settings, size, limit)
    if settings.n_gpu_layers:
        return LoadPlan("mapped", "the memory of the GPU is unknown until llama.cpp allocates it", mapped)
    if not mapped.fits and not (local and is_on_disk(path) and mapped.least - mapped.weights <= (limit or 0)):
        raise DoesNotFit(_explain(header, mapped), needed=mapped.least, limit=limit)
    repacking = WITH_AMX if amx else WITHOUT_AMX
    repacked = estimate_memory(header, settings, size, limit, repack=repacking.types)
    mode, reason = _choose_mode(header, settings.load_mode, repacking, mapped, repacked)
    return LoadPlan(mode, reason, repacked if mode == "repacked" else mapped)


def estimate_memory(
    header: Header, settings: Settings, size: int, limit: int | None, *, repack: Set[str] = frozenset()
) -> Fit:
    """Return the memory that a model with files of ``size`` bytes needs under ``settings``.

    ``limit``: bytes available. ``repack``: weight types that are copied. The prefix cache has the size that is set, or
    the model's default, as far as memory is left.
    """
    prefixes = None if settings.prefix_cache_mb is None else settings.prefix_cache_mb * 10**6
    n_ctx = min(settings.n_ctx or DEFAULT_CONTEXT, header.context_length or DEFAULT_CONTEXT)
    return fit(header, n_ctx, settings.kv_type, limit, repack=repack, size=size, prefixes=prefixes)


def suggest_remedy(header: Header, needs: Fit) -> str:
    """Return a sentence with the setting, or the memory, that would make a model fit that does not."""
    memory = f"or give the container {round_up_mib(needs.least)} MiB of memory."
    if context := largest_context(header, needs):
        return f"Set N_CTX={context}, {memory}"
    kinds: tuple[KVType, ...] = ("q8_0", "q4_0")
    for kind in kinds:
        if fit(header, needs.n_ctx, kind, needs.limit, size=needs.weights).fits:
            return f"Set KV_TYPE={kind}, {memory}"
    return f"Use a smaller model or quantisation, {memory}"


def round_up_mib(size: int) -> int:
    """Return the MiB of the instance that an estimate of ``size`` bytes needs."""
    return math.ceil(size * (1 + ESTIMATE_ERROR) / (INSTANCE_STEP_MIB * MIB)) * INSTANCE_STEP_MIB


def _choose_mode(header: Header, mode: LoadMode, repacking: Repacking, mapped: Fit, repacked: Fit) -> tuple[str, str]:
    """Return the load mode and the reason. Raises DoesNotFit if LOAD_MODE asks for a copy that does not fit."""
    copied = f"a copy of {repacked.repacked / MB:.0f} MB"
    if mode == "repacked" and not repacked.fits:
        raise DoesNotFit(
            f"LOAD_MODE=repacked needs {copied} in addition to {mapped.least / MB:.0f} MB, and the container has "
            f"{(mapped.limit or 0) / MB:.0f} MB. Give it more memory, or set LOAD_MODE=mapped.",
            needed=repacked.least,
            limit=mapped.limit,
        )
    if mode != "auto":
        return mode, f"set by LOAD_MODE={mode}"
    if copy(header, repacking.types - {"F16"}) < MIN_REPACKED_SHARE * mapped.weights:
        return "mapped", f"{header.quantisation} has no layout that prefills faster"
    if not repacked.fits:
        return "mapped", f"{copied} does not fit into memory"
    seconds = repacked.repacked / REPACK_BYTES_PER_SECOND
    if seconds > repacking.max_seconds:
        return "mapped", f"{copied} would delay the first token by {seconds:.1f} s"
    return "repacked", f"{copied} takes {seconds:.1f} s and {repacking.gain}"


def _explain(header: Header, needs: Fit) -> str:
    """Return the memory that is needed, the memory that is available, and a remedy."""
    rest = needs.least - needs.weights - needs.kv_cache
    return (
        f"The model needs {needs.least / MB:.0f} MB of memory (weights {needs.weights / MB:.0f} MB, "
        f"KV cache of {needs.n_ctx} tokens {needs.kv_cache / MB:.0f} MB, buffers and program {rest / MB:.0f} MB), and "
        f"the container has {(needs.limit or 0) / MB:.0f} MB. {suggest_remedy(header, needs)}"
    )
