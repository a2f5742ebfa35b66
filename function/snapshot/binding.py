"""Everything that a snapshot's bits depend on. A snapshot is used only where all of it is the same.

The number of threads is not among it: prefilled chunks were seen to be the same with one to four (docs/snapshots.md).
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

PIECE = 1 << 20


def binding(
    settings: Settings, engine: "Engine", fetched: "Fetched", adapter: "Fetched | None", prefix: Sequence[int]
) -> dict[str, str | int]:
    """What a snapshot of ``prefix`` made here is bound to."""
    tokens = b"".join(token.to_bytes(4, "little") for token in prefix)
    return {
        "model": settings.model_uri,
        "version": _version(fetched),
        "size": fetched.size,
        "header": _start(fetched.path, read_header(fetched.path).data_offset),
        "adapter": f"{adapter.uri} {_version(adapter)} {adapter.size}" if adapter else "",
        "context": engine.n_ctx,
        "kv_type": settings.kv_type,
        "gpu_layers": settings.n_gpu_layers,
        "gpus": ", ".join(list_gpus()) if settings.n_gpu_layers else "",
        "chunk": engine.chunk,
        "weights": "repacked" if engine.repacked else "mapped",
        "build": _libraries(),
        "cpu": engine.system_info,
        "tokens": len(prefix),
        "prefix": hashlib.sha256(tokens).hexdigest(),
    }


def _version(file: "Fetched") -> str:
    """The object's version. A file used in place has another number on the disk in each container, not another age."""
    if file.lease is not None:
        return file.version
    return file.digest or file.version.partition("-")[0]


def _start(path: Path, length: int) -> str:
    """The hash of a file's first bytes."""
    hashed = hashlib.sha256()
    with path.open("rb") as file:
        while length > 0 and (piece := file.read(min(length, PIECE))):
            hashed.update(piece)
            length -= len(piece)
    return hashed.hexdigest()


@functools.cache
def _libraries() -> str:
    """The hash of llama.cpp's libraries as they are loaded, the one for this CPU among them."""
    words = (line.split() for line in Path("/proc/self/maps").read_text().splitlines())
    files = sorted({Path(word[5]) for word in words if len(word) == 6})
    ours = [path for path in files if path.name.startswith(("libllama", "libggml"))]
    return hashlib.sha256("".join(_start(path, path.stat().st_size) for path in ours).encode()).hexdigest()
