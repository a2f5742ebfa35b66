"""How a model is loaded: what the engine is told."""

from dataclasses import dataclass
from pathlib import Path

from function.gguf import KVType


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """How a model is loaded.

    ``n_ctx`` in tokens; None is the model's own, at most 4096. ``chat_template`` is a name that llama.cpp knows or the
    text of a Jinja template. ``repack`` copies weights into a layout that prefills faster. ``lora`` is an adapter that
    is laid over the whole model. ``further`` are the files of a split model after the first, in order; without them
    llama.cpp looks for them by name. ``prefix_cache``: bytes for conversations that made room for others. A reader
    that takes no event for ``reader_timeout`` seconds loses its generation.
    """

    n_ctx: int | None = None
    n_threads: int = 1
    n_gpu_layers: int = 0
    kv_type: KVType = "f16"
    repack: bool = False
    chat_template: str | None = None
    lora: Path | None = None
    further: tuple[Path, ...] = ()
    prefix_cache: int = 0
    reader_timeout: float = 60.0
