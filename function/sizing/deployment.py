"""Deployment plan: memory by context and KV type, the instance sizes that fit, the cold start. Pure."""

from dataclasses import dataclass

from function.gguf import DEFAULT_CONTEXT, Fit, Header, KVType, fit
from function.sizing.load_plan import MIB, round_up_mib
from function.system.limits import LAMBDA_MIB_PER_CPU

CONTEXTS = (2048, 4096, 8192, 16_384, 32_768, 131_072)
KV_TYPES: tuple[KVType, ...] = ("f16", "q8_0", "q4_0")
CLOUD_RUN_MIB = {1: (512, 4096), 2: (512, 8192), 4: (2048, 16_384), 6: (4096, 24_576), 8: (4096, 32_768)}
"""Least and most MiB by number of vCPUs."""
LAMBDA_MEMORY_MIB = LAMBDA_DISK_MIB = (512, 10_240)
START_SECONDS = 0.6
"""Time from exec to an open port and a running fetch."""
MEMORY_BYTES_PER_SECOND = 8e9
"""Speed of the first token, which reads every weight from memory."""
VOCABULARY_TOKENS_PER_SECOND = 480_000
"""Speed at which llama.cpp sets up a vocabulary."""


@dataclass(frozen=True, slots=True)
class InstanceSize:
    """Size of an instance. ``problem``: why the model does not fit; then ``memory_mib`` is the platform's maximum."""

    platform: str
    cpus: float
    memory_mib: int
    problem: str | None


@dataclass(frozen=True, slots=True)
class DeploymentPlan:
    """``chosen`` is the fit for the requested context; ``cold_start`` in seconds at ``rate`` bytes per second."""

    uri: str
    header: Header
    chosen: Fit
    rows: tuple[Fit, ...]
    """Contexts with each KV type, or only that of ``chosen`` for a model without a KV cache."""
    sizes: tuple[InstanceSize, ...]
    rate: float
    cold_start: float

    def tfvars(self) -> str:
        """Return the values by which both Terraform roots check the size of an instance."""
        return f"model_bytes = {self.chosen.weights}\nmodel_memory_bytes = {self.chosen.beside}\n"


def plan_deployment(
    uri: str,
    header: Header,
    *,
    size: int,
    n_ctx: int | None,
    kv_type: KVType,
    rate: float,
    prefix_cache_mb: int | None = None,
) -> DeploymentPlan:
    """Plan for the model at ``uri``, whose files have ``size`` bytes in all. None: the engine's default."""
    longest = header.context_length
    prefixes = None if prefix_cache_mb is None else prefix_cache_mb * 10**6
    chosen = fit(header, min(n_ctx or DEFAULT_CONTEXT, longest), kv_type, size=size, prefixes=prefixes)
    contexts = sorted({min(context, longest) for context in CONTEXTS} | {chosen.n_ctx})
    kinds = KV_TYPES if chosen.kv_cache else (kv_type,)
    return DeploymentPlan(
        uri=uri,
        header=header,
        chosen=chosen,
        rows=tuple(fit(header, context, kind, size=size, prefixes=prefixes) for context in contexts for kind in kinds),
        sizes=(*(_cloud_run_size(chosen, cpus) for cpus in CLOUD_RUN_MIB), _lambda_size(chosen)),
        rate=rate,
        cold_start=START_SECONDS
        + size / rate
        + size / MEMORY_BYTES_PER_SECOND
        + header.vocabulary_size / VOCABULARY_TOKENS_PER_SECOND,
    )


def _cloud_run_size(needs: Fit, cpus: int) -> InstanceSize:
    memory_mib, problem = _clamp_memory(needs, *CLOUD_RUN_MIB[cpus], f"{cpus} vCPU have")
    return InstanceSize("Cloud Run", cpus, memory_mib, problem)


def _lambda_size(needs: Fit) -> InstanceSize:
    memory_mib, problem = _clamp_memory(needs, *LAMBDA_MEMORY_MIB, "a function has")
    file_mib = -(-needs.weights // MIB)
    if file_mib > LAMBDA_DISK_MIB[1]:
        problem = f"the file takes {file_mib} MiB; /tmp holds at most {LAMBDA_DISK_MIB[1]}"
    return InstanceSize("Lambda", round(memory_mib / LAMBDA_MIB_PER_CPU, 1), memory_mib, problem)


def _clamp_memory(needs: Fit, least: int, most: int, owner: str) -> tuple[int, str | None]:
    """Return the MiB of an instance within its limits, and the problem if that is too little."""
    wanted = max(round_up_mib(needs.total), least)
    return min(wanted, most), f"{wanted} MiB are needed; {owner} at most {most}" if wanted > most else None
