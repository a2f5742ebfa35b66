"""Provenance of replies: the model, its file and adapter, the build of llama.cpp and the CPU. Pure."""

import functools
import hashlib
import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from function import default_model
from function.settings import Settings
from function.source import name_file

if TYPE_CHECKING:
    from function.engine import Engine
    from function.fetch import Fetched

CPU_LEVELS = (
    "AMX_INT8", "AVX512_BF16", "AVX512_VNNI", "AVX512", "AVX_VNNI", "AVX2", "AVX", "SSE3",
    "SME", "SVE", "MATMUL_INT8", "DOTPROD", "NEON",
)  # fmt: skip
"""Instruction sets that determine the speed of ggml, under llama.cpp's names, fastest first."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """``digest`` is the verified checksum of the model's file, if any; ``fingerprint`` changes with any of the rest.

    ``kind`` is ``chat``, ``embedding`` or ``reranker``; empty before the model is loaded.
    """

    model: str
    kind: str
    version: str | None
    digest: str | None
    build: str
    cpu: str
    fingerprint: str


def describe(name: str, files: Sequence["Fetched"], engine: "Engine | None") -> Provenance:
    """Return the provenance. ``files``: the model and, if there is one, its adapter; empty before they are fetched."""
    info = engine.system_info if engine else ""
    parts = [*(file.digest or file.version for file in files), info]
    return Provenance(
        model=name,
        kind=engine.kind if engine else "",
        version=files[0].version if files else None,
        digest=files[0].digest if files else None,
        build=build(),
        cpu=cpu_level(info),
        fingerprint=f"b{_version()}-{hashlib.sha256(chr(10).join(parts).encode()).hexdigest()[:12]}",
    )


def model_name(settings: Settings, engine: "Engine | None") -> str:
    """Return the name of the model in replies: MODEL_NAME, else the header's name, else the file's."""
    own = default_model.NAME if settings.serves_default_model else None
    name = settings.model_name or own or (engine.name if engine else None)
    if name:
        return name
    uri = settings.model_uri
    if "://" not in uri:
        return Path(uri).stem
    try:  # drops the query, which may hold a signature, and a password with a slash in it
        return Path(name_file(uri).rpartition("@")[2]).stem
    except ValueError:  # not a valid URI: the fetch reports that
        return "model"


def build() -> str:
    """Return the build of llama.cpp: ``llama-cpp-python 0.3.36``."""
    return f"llama-cpp-python {_version()}"


@functools.cache
def _version() -> str:
    return importlib.metadata.version("llama-cpp-python")


def cpu_level(system_info: str) -> str:
    """Return the level that the CPU library was chosen by, else the best instruction set that llama.cpp uses.

    ``system_info`` is llama.cpp's: ``CPU : AVX2 = 1 | … | LEVEL = avx512 | ``.
    """
    chosen = system_info.partition("LEVEL = ")[2].partition(" ")[0]
    if chosen:
        return chosen
    used = {word for word, _, value in (part.rpartition(" = ") for part in system_info.split(" | ")) if value == "1"}
    used = {word.rpartition(" : ")[2] for word in used}
    return next((level for level in CPU_LEVELS if level in used), "baseline")
