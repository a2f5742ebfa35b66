"""Binding of a snapshot: everything that its bytes depend on. A snapshot is used only if all of it is the same.

The number of threads is not part of it: prefilled chunks were equal with one to four threads (docs/snapshots.md).
"""

import functools
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from function.engine import list_gpus
from function.gguf import read_header
from function.settings import Settings

if TYPE_CHECKING:
    from function.engine import Engine
    from function.fetch import Fetched

READ_BYTES = 1 << 20


def make_binding(
    settings: Settings, engine: "Engine", fetched: "Fetched", adapter: "Fetched | None", prefix: Sequence[int]
) -> dict[str, str | int]:
    """Return the binding of a snapshot of ``prefix`` that this instance makes."""
    tokens = b"".join(token.to_bytes(4, "little") for token in prefix)
    return {
        "model": settings.model_uri,
        "version": _version(fetched),
        "size": fetched.size,
        "header": _hash(fetched.path, read_header(fetched.path).data_offset),
        "adapter": f"{adapter.uri} {_version(adapter)} {adapter.size}" if adapter else "",
        "context": engine.n_ctx,
        "kv_type": settings.kv_type,
        "gpu_layers": settings.n_gpu_layers,
        "gpus": ", ".join(list_gpus()) if settings.n_gpu_layers else "",
        "chunk": engine.chunk,
        "weights": "repacked" if engine.repacked else "mapped",
        "build": _hash_libraries(),
        "cpu": engine.system_info,
        "tokens": len(prefix),
        "prefix": hashlib.sha256(tokens).hexdigest(),
    }


def _version(file: "Fetched") -> str:
    """Return the version of the object. A local file has another inode in each container, but the same mtime."""
    if file.lease is not None:
        return file.version
    return file.digest or file.version.partition("-")[0]


def _hash(path: Path, length: int) -> str:
    """Return the SHA-256 of the first ``length`` bytes of a file."""
    hashed = hashlib.sha256()
    with path.open("rb") as file:
        while length > 0 and (piece := file.read(min(length, READ_BYTES))):
            hashed.update(piece)
            length -= len(piece)
    return hashed.hexdigest()


@functools.cache
def _hash_libraries() -> str:
    """Return the hash of llama.cpp's loaded libraries, the one for this CPU included."""
    words = (line.split() for line in Path("/proc/self/maps").read_text().splitlines())
    files = sorted({Path(word[5]) for word in words if len(word) == 6})
    ours = [path for path in files if path.name.startswith(("libllama", "libggml"))]
    return hashlib.sha256("".join(_hash(path, path.stat().st_size) for path in ours).encode()).hexdigest()
