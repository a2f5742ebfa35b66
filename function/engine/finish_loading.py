"""The rest of a model's way here, once llama.cpp is set up on what stands in for it."""

import sys
import threading
from collections.abc import Callable, Sequence

from function.engine.kv.context import KVContext
from function.engine.llama.model import Model
from function.engine.llama.placeholder_file import PlaceholderFile

LOOK = 0.02  # seconds between two looks at whether a prompt is waited for


def finish_loading(
    source: PlaceholderFile,
    model: Model,
    memory: KVContext,
    n_threads: int,
    awaited: Callable[[], Sequence[int] | None],
    cancel: threading.Event,
) -> None:
    """Wait for the last byte, and meanwhile read the prompt that is ``awaited``, if one is, with up to ``n_threads``.

    For the engine's thread. Raises as PlaceholderFile.complete.
    """
    read: Sequence[int] = ()
    filling = source.filling
    while n_threads and filling is not None and not (filling.over or cancel.is_set()):
        if (prompt := awaited()) is None:
            filling.await_prefix(sys.maxsize, LOOK)
            continue
        from function.engine.early_prefill import EarlyPrefill, spare

        chunk, spared = prompt[: model.chunk], spare(filling, n_threads, source.size)
        if spared and EarlyPrefill(model, source, cancel.is_set).read(chunk, spared):
            read = chunk
        break
    if source.complete() and read:
        memory.adopt(read)
    elif read:
        memory.forget()
