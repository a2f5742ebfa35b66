"""How a model is loaded, and whether there is room for it: decided from its header, before its bytes are there."""

from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

from function.errors import DoesNotFit
from function.gguf import DEFAULT_CONTEXT, Fit, Header, KVType, fit, largest_context
from function.gguf.memory import REPACKED, REPACKED_FOR_AMX, copy
from function.settings import LoadMode, Settings
from function.system.limits import memory_limit, on_disk

# Bytes a second by which a repacked load is later than a mapped one, on a wire that leaves no CPU idle; where one does,
# or the model is small, it costs less (bench/README.md).
REPACK_RATE = 0.6e9
WORTHWHILE = 0.5  # of the file that must be of such weights
MB = 1e6


@dataclass(frozen=True, slots=True)
class Repacking:
    """What a copy in a faster layout brings with llama.cpp's library as it is here (bench/README.md).

    ``types`` of weights are copied. ``patience``: seconds that a cold start may take longer for the ``gain``.
    """

    types: Set[str]
    patience: float
    gain: str


PLAIN = Repacking(REPACKED, 0.3, "prefills 1.5 times as fast")
# Of a model of any size 15 tokens of a reply give back what the copy took. The limit is for who watches a cold start.
AMX = Repacking(REPACKED_FOR_AMX, 8.0, "prefills and decodes 3 times as fast, with AMX")


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """``mode``: ``mapped``, the file as it is, or ``repacked``, copied into a layout that prefills faster."""

    mode: str
    reason: str
    fit: Fit


def choose(
    header: Header, settings: Settings, *, path: Path, size: int, local: bool, amx: bool, limit: int | None = None
) -> LoadPlan:
    """Decide for the model at ``path``, of ``size`` bytes in all its parts.

    ``local``: it is used in place. ``amx``: llama.cpp's library is one for AMX. ``limit`` in bytes, by default this
    container's. Raises DoesNotFit.
    """
    limit = memory_limit() if limit is None else limit
    mapped = memory_needed(header, settings, size, limit)
    if settings.n_gpu_layers:
        return LoadPlan("mapped", "the GPU's memory is its own; llama.cpp says if it does not suffice", mapped)
    if not mapped.fits and not (local and on_disk(path) and mapped.least - mapped.weights <= (limit or 0)):
        raise DoesNotFit(_sentence(header, mapped), needed=mapped.least, limit=limit)
    repacking = AMX if amx else PLAIN
    repacked = memory_needed(header, settings, size, limit, repack=repacking.types)
    mode, reason = _mode(header, settings.load_mode, repacking, mapped, repacked)
    return LoadPlan(mode, reason, repacked if mode == "repacked" else mapped)


def memory_needed(
    header: Header, settings: Settings, size: int, limit: int | None, *, repack: Set[str] = frozenset()
) -> Fit:
    """Return the memory that a model with files of ``size`` bytes needs under ``settings``.

    ``limit``: bytes available. ``repack``: weight types that are copied. The prefix cache takes what is set, or what
    the model suggests, as far as memory is left.
    """
    prefixes = None if settings.prefix_cache_mb is None else settings.prefix_cache_mb * 10**6
    n_ctx = min(settings.n_ctx or DEFAULT_CONTEXT, header.context_length or DEFAULT_CONTEXT)
    return fit(header, n_ctx, settings.kv_type, limit, repack=repack, size=size, prefixes=prefixes)


def _mode(header: Header, wanted: LoadMode, repacking: Repacking, mapped: Fit, repacked: Fit) -> tuple[str, str]:
    copied = repacked.repacked
    if wanted == "mapped":
        return "mapped", "LOAD_MODE says so"
    if wanted == "repacked":
        if not repacked.fits:
            has = (mapped.limit or 0) / MB
            raise DoesNotFit(
                f"LOAD_MODE=repacked needs a second copy of {copied / MB:.0f} MB beside {mapped.least / MB:.0f} MB, "
                f"and the container has {has:.0f} MB. Give it more memory, or set LOAD_MODE=mapped.",
                needed=repacked.least,
                limit=mapped.limit,
            )
        return "repacked", "LOAD_MODE says so"
    if copy(header, repacking.types - {"F16"}) < WORTHWHILE * mapped.weights:
        return "mapped", f"{header.quantisation} has no layout that prefills faster"
    if not repacked.fits:
        return "mapped", f"there is no room for a second copy of {copied / MB:.0f} MB"
    seconds = copied / REPACK_RATE
    if seconds > repacking.patience:
        return "mapped", f"a copy of {copied / MB:.0f} MB would delay the first token by {seconds:.1f} s"
    return "repacked", f"a copy of {copied / MB:.0f} MB takes {seconds:.1f} s and {repacking.gain}"


def _sentence(header: Header, needs: Fit) -> str:
    """What is needed, what there is, and which setting would help."""
    pieces = (
        ("weights", needs.weights),
        (f"KV cache of {needs.n_ctx} tokens", needs.kv_cache),
        ("buffers and program", needs.least - needs.weights - needs.kv_cache),
    )
    said = ", ".join(f"{name} {count / MB:.0f} MB" for name, count in pieces)
    return (
        f"The model needs {needs.least / MB:.0f} MB of memory ({said}), and the container has "
        f"{(needs.limit or 0) / MB:.0f} MB. {_remedy(header, needs)}"
    )


def _remedy(header: Header, needs: Fit) -> str:
    if context := largest_context(header, needs):
        return f"N_CTX={context} would fit; or give it {_mib(needs)} MiB."
    kinds: tuple[KVType, ...] = ("q8_0", "q4_0")
    for kind in kinds:
        smaller = fit(header, needs.n_ctx, kind, needs.limit, size=needs.weights)
        if smaller.fits:
            return f"KV_TYPE={kind} would fit; or give it {_mib(needs)} MiB."
    return f"Give it {_mib(needs)} MiB, or take a smaller quantisation."


def _mib(needs: Fit) -> int:
    return -(-needs.least * 105 // 100 // (256 << 20)) * 256
