"""What replies are made with: which file, which adapter, which llama.cpp on which CPU. Pure."""

import functools
import hashlib
import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from function.engine import Engine
    from function.fetch import Fetched

CPU_LEVELS = (
    "AMX_INT8", "AVX512_BF16", "AVX512_VNNI", "AVX512", "AVX_VNNI", "AVX2", "AVX", "SSE3",
    "SME", "SVE", "MATMUL_INT8", "DOTPROD", "NEON",
)  # fmt: skip
"""The instructions that tell how fast ggml can be, as llama.cpp names them, the best first."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """``digest`` is what the model's file was verified by, where it could be; ``fingerprint`` tells all of it apart."""

    model: str
    version: str | None
    digest: str | None
    build: str
    cpu: str
    fingerprint: str


def describe(name: str, files: Sequence["Fetched"], engine: "Engine | None") -> Provenance:
    """``files``: the model, and its adapter if it has one; none while nothing is fetched."""
    info = engine.system_info if engine else ""
    parts = [*(file.digest or file.version for file in files), info]
    return Provenance(
        model=name,
        version=files[0].version if files else None,
        digest=files[0].digest if files else None,
        build=build(),
        cpu=cpu_level(info),
        fingerprint="fp_" + hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12],
    )


@functools.cache
def build() -> str:
    """Which llama.cpp: ``llama-cpp-python 0.3.36``."""
    return f"llama-cpp-python {importlib.metadata.version('llama-cpp-python')}"


def cpu_level(system_info: str) -> str:
    """The level that its library was chosen as, else the best instructions that llama.cpp says it uses.

    ``CPU : AVX2 = 1 | … | LEVEL = avx512 | `` is what it says.
    """
    chosen = system_info.partition("LEVEL = ")[2].partition(" ")[0]
    if chosen:
        return chosen
    used = {word for word, _, value in (part.rpartition(" = ") for part in system_info.split(" | ")) if value == "1"}
    used = {word.rpartition(" : ")[2] for word in used}
    return next((level for level in CPU_LEVELS if level in used), "baseline")
