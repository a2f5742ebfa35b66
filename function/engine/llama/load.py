"""A file to llama.cpp's model: the one call that reads a header and, where weights are copied, the weights."""

import ctypes
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from function.engine.llama.library import heard_by, library, recent_errors
from function.engine.llama.placeholder_file import PlaceholderFile
from function.engine.llama.streamed_repack import StreamedRepack
from function.errors import ModelError, Stopping


def load(
    source: Path | PlaceholderFile,
    *,
    further: Sequence[Path],
    n_gpu_layers: int,
    repack: bool,
    on_progress: Callable[[float], None] | None,
    cancel: threading.Event,
) -> Any:
    """The handle of the model in ``source``, a split one's ``further`` files included; the caller's to free.

    Unless ``repack`` copies the weights into a faster layout, or layers go to a GPU, no weight is read. With ``repack``
    each is copied when a PlaceholderFile has it.

    Raises ModelError for a file that llama.cpp refuses, Stopping when ``cancel`` is set meanwhile, Unlike where the
    PlaceholderFile's file turned out to be another, and what waiting for that file raises.
    """
    lib = library()
    standin = source if isinstance(source, PlaceholderFile) else None
    behind = StreamedRepack(standin, cancel.is_set) if standin and repack else None
    failed: list[Exception] = []

    def progress(done: float, _: ctypes.c_void_p) -> bool:
        try:
            if on_progress:
                on_progress(done)
        except Exception as e:  # must not cross C; raised below
            failed.append(e)
        return not (failed or cancel.is_set() or (behind and behind.error))

    params = lib.llama_model_default_params()
    params.n_gpu_layers = n_gpu_layers
    params.use_extra_bufts = repack
    params.progress_callback = callback = lib.llama_progress_callback(progress)
    recent_errors()
    path = source.path if isinstance(source, PlaceholderFile) else source
    with heard_by(*(each.hear for each in (standin, behind) if each)):
        model = None if cancel.is_set() else _open([path, *further], params)
    del callback  # alive until here
    try:
        if cancel.is_set():
            raise Stopping("The instance is shutting down; the model was not loaded.")
        if failed:
            raise failed[0]
        if behind:
            behind.check()
        if not model:
            name = (
                source.name if isinstance(source, PlaceholderFile) else source.resolve().name
            )  # in memory it has no other
            raise ModelError(f"llama.cpp cannot load {name}: {first(recent_errors())}", path=str(path))
    except BaseException:
        if model:
            lib.llama_model_free(model)
        raise
    return model


def first(errors: Sequence[str]) -> str:
    """What llama.cpp logged first: its reason."""
    return errors[0] if errors else "it does not say why"


def _open(files: Sequence[Path], params: Any) -> Any:
    lib = library()
    names = [str(file).encode() for file in files]
    if len(names) == 1:
        return lib.llama_model_load_from_file(names[0], params)
    return lib.llama_model_load_from_splits((ctypes.c_char_p * len(names))(*names), len(names), params)
