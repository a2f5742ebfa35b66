"""A model and where it could run: memory by context and KV type, the sizes that fit, the cold start. Pure."""

import math
from dataclasses import dataclass

from function.gguf import DEFAULT_CONTEXT, Fit, Header, KVType, fit

MIB = 1 << 20
STEP = 256  # MiB; instance sizes are rounded up to it
SPARE = 1.05  # the figure is good to 5 %
CONTEXTS = (2048, 4096, 8192, 16_384, 32_768, 131_072)
KV_TYPES: tuple[KVType, ...] = ("f16", "q8_0", "q4_0")
CLOUD_RUN = {1: (512, 4096), 2: (512, 8192), 4: (2048, 16_384), 6: (4096, 24_576), 8: (4096, 32_768)}
"""vCPUs → least and most MiB that go with them."""
LAMBDA_MEMORY, LAMBDA_DISK = (512, 10_240), (512, 10_240)  # MiB
LAMBDA_CPU = 1769  # MiB that bring one vCPU
START = 0.6  # seconds from exec to an open port and a fetch under way
READ_AGAIN = 8e9  # bytes a second: the first token reads every weight once more, from memory
TOKENS = 480_000  # tokens of vocabulary that are set up in a second


@dataclass(frozen=True, slots=True)
class InstanceSize:
    """An instance size, and ``problem``: why the model does not fit (then ``memory_mib`` is the most there is)."""

    platform: str
    cpus: float
    memory_mib: int
    problem: str | None


@dataclass(frozen=True, slots=True)
class DeploymentPlan:
    """``chosen`` is the fit for the context asked for; ``cold_start`` in seconds at ``rate`` bytes a second."""

    uri: str
    header: Header
    chosen: Fit
    rows: tuple[Fit, ...]
    sizes: tuple[InstanceSize, ...]
    rate: float
    cold_start: float

    def tfvars(self) -> str:
        """The figures that both Terraform roots check an instance's size with."""
        return f"model_bytes = {self.chosen.weights}\nmodel_memory_bytes = {self.chosen.beside}\n"


def plan(uri: str, header: Header, *, size: int, n_ctx: int | None, kv_type: KVType, rate: float) -> DeploymentPlan:
    """Plan for the model at ``uri``, whose files take ``size`` bytes. ``n_ctx`` None: the engine's default."""
    longest = header.context_length
    chosen = fit(header, min(n_ctx or DEFAULT_CONTEXT, longest), kv_type, size=size)
    contexts = sorted({min(context, longest) for context in CONTEXTS} | {chosen.n_ctx})
    return DeploymentPlan(
        uri=uri,
        header=header,
        chosen=chosen,
        rows=tuple(fit(header, context, kind, size=size) for context in contexts for kind in KV_TYPES),
        sizes=(*(_cloud_run(chosen, cpus) for cpus in CLOUD_RUN), _lambda(chosen)),
        rate=rate,
        cold_start=START + size / rate + size / READ_AGAIN + header.vocabulary_size / TOKENS,
    )


def _rounded(count: int) -> int:
    """Bytes and what they may be wrong by, as MiB, rounded up to a step."""
    return math.ceil(count * SPARE / (STEP * MIB)) * STEP


def _cloud_run(needs: Fit, cpus: int) -> InstanceSize:
    least, most = CLOUD_RUN[cpus]
    wanted = max(_rounded(needs.total), least)
    problem = f"{wanted} MiB are needed; {cpus} vCPU have at most {most}" if wanted > most else None
    return InstanceSize("Cloud Run", cpus, min(wanted, most), problem)


def _lambda(needs: Fit) -> InstanceSize:
    least, most = LAMBDA_MEMORY
    wanted = max(_rounded(needs.total), least)
    problem = None
    if -(-needs.weights // MIB) > LAMBDA_DISK[1]:
        problem = f"the file takes {-(-needs.weights // MIB)} MiB; /tmp holds at most {LAMBDA_DISK[1]}"
    elif wanted > most:
        problem = f"{wanted} MiB are needed; a function has at most {most}"
    memory = min(wanted, most)
    return InstanceSize("Lambda", round(memory / LAMBDA_CPU, 1), memory, problem)
