"""Loading of a model file with llama.cpp: the one call that reads the header and, for a repacked load, the weights."""

import ctypes
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from function.engine.llama.library import library, listen_to_log, take_errors, take_first_error
from function.engine.llama.placeholder_file import PlaceholderFile
from function.engine.llama.streamed_repack import StreamedRepack
from function.errors import ModelError, Stopping

ModelSource = Path | PlaceholderFile
"""A GGUF file, or the placeholder of one that is still being downloaded."""


def load_model(
    source: ModelSource,
    *,
    further: Sequence[Path],
    n_gpu_layers: int,
    repack: bool,
    on_progress: Callable[[float], None] | None,
    cancel: threading.Event,
) -> Any:
    """Return the handle of the model in ``source`` and the ``further`` files of a split model; the caller frees it.

    No weight is read, except that ``repack`` copies weights into a faster layout and a GPU takes its layers. With
    ``repack`` each weight is copied once a PlaceholderFile holds it.

    Raises ModelError for a file that llama.cpp refuses, Stopping when ``cancel`` is set meanwhile, HeaderMismatch when
    the downloaded file is not the one that the PlaceholderFile stands for, and the errors of the download.
    """
    lib = library()
    placeholder = source if isinstance(source, PlaceholderFile) else None
    path, name = (source.path, source.name) if isinstance(source, PlaceholderFile) else (source, source.resolve().name)
    streamed = StreamedRepack(placeholder, cancel.is_set) if placeholder and repack else None
    failed: list[Exception] = []

    def progress(done: float, _: ctypes.c_void_p) -> bool:
        try:
            if on_progress:
                on_progress(done)
        except Exception as e:  # must not cross C; raised below
            failed.append(e)
        return not (failed or cancel.is_set() or (streamed and streamed.error))

    params = lib.llama_model_default_params()
    params.n_gpu_layers = n_gpu_layers
    params.use_extra_bufts = repack
    params.progress_callback = callback = lib.llama_progress_callback(progress)
    take_errors()
    with listen_to_log(*(each.on_log_line for each in (placeholder, streamed) if each)):
        model = None if cancel.is_set() else _open([path, *further], params)
    del callback  # alive until here
    try:
        if cancel.is_set():
            raise Stopping("The instance is shutting down; the model was not loaded.")
        if failed:
            raise failed[0]
        if streamed:
            streamed.raise_error()
        if not model:
            raise ModelError(f"llama.cpp cannot load {name}: {take_first_error()}", path=str(path))
    except BaseException:
        if model:
            lib.llama_model_free(model)
        raise
    return model


def _open(files: Sequence[Path], params: Any) -> Any:
    lib = library()
    names = [str(file).encode() for file in files]
    if len(names) == 1:
        return lib.llama_model_load_from_file(names[0], params)
    return lib.llama_model_load_from_splits((ctypes.c_char_p * len(names))(*names), len(names), params)
