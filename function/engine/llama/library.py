"""llama.cpp's C API, loaded when first asked for: ``library()`` is the one way to it."""

import ctypes
import functools
import importlib
import importlib.util
import logging
import sys
import threading
import types
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from function.errors import EngineError, NoGPU
from function.settings import library_folder, set_library_folder

log = logging.getLogger(__name__)

_PACKAGE = "llama_cpp"
_ERROR = 4  # of ggml's log levels
_DRIVER = "libcuda.so"

_lock = threading.Lock()
_level = ""
_errors: deque[str] = deque(maxlen=20)
_listeners: list[Callable[[str], None]] = []


@functools.cache
def library() -> Any:
    """The module of ctypes bindings, with llama.cpp's log routed to ``logging`` and its backends initialised.

    Raises EngineError when the shared library cannot be loaded, NoGPU when a GPU's driver is what it lacks.
    """
    with _lock:
        try:
            bindings = _bindings()
        except (ImportError, OSError, RuntimeError) as e:
            if _DRIVER in str(e):
                raise NoGPU(
                    f"llama.cpp was built for a GPU, and this machine has no driver for one: there is no {_DRIVER}. "
                    "Give it a GPU, or use a build for the CPU alone."
                ) from e
            raise EngineError(f"llama.cpp's library cannot be loaded: {e}") from e
        bindings.llama_log_set(_listener(bindings), None)
        bindings.llama_backend_init()
        return bindings


def loaded() -> bool:
    """Whether the library is there already, and can no more be another."""
    return library.cache_info().currsize > 0


def function(name: str, result: Any, *more: Any) -> Any:
    """A function of llama.cpp's library, or of those it stands on, that takes a pointer and ``more``.

    For what the bindings leave out.
    """
    found = library()._lib[name]
    found.restype = result
    found.argtypes = (ctypes.c_void_p, *more)
    return found


def folder() -> Path:
    """Where the shared libraries are: LLAMA_CPP_LIB_PATH, or with the bindings."""
    return library_folder() or Path(_location()) / "lib"


def use(folder: Path, level: str) -> None:
    """Load the libraries in ``folder`` when it is time; ``level`` is what they are called. Before ``library()``."""
    global _level
    set_library_folder(folder)
    _level = level


def system_info() -> str:
    """What the library was built with, as it says itself: ``CPU : AVX2 = 1 | …``, and the level it was chosen as."""
    info = str(library().llama_print_system_info().decode())
    return f"{info}LEVEL = {_level} | " if _level else info


def openmp() -> bool:
    """Whether the library was built with OpenMP: slow from any thread but the first, and unsafe after a fork."""
    return "OPENMP = 1" in system_info()


def amx() -> bool:
    """Whether the library was built for AMX, and so multiplies repacked weights with it."""
    return "AMX_INT8 = 1" in system_info()


def recent_errors() -> list[str]:
    """The last errors that llama.cpp logged since the last call, oldest first: the evidence when a call fails."""
    errors = []
    while _errors:
        errors.append(_errors.popleft())
    return errors


@contextmanager
def heard_by(*listeners: Callable[[str], None]) -> Iterator[None]:
    """Call ``listeners`` with each line that llama.cpp logs, before it goes on: its way to tell where it is."""
    _listeners.extend(listeners)
    try:
        yield
    finally:
        for listener in listeners:
            _listeners.remove(listener)


def _bindings() -> Any:
    """``llama_cpp.llama_cpp`` without the package's ``__init__``, which imports numpy and takes five times as long.

    A package without contents stands in for it while its submodules load, so that a later import of ``llama_cpp``
    runs as ever and finds the same bindings.
    """
    name = f"{_PACKAGE}.{_PACKAGE}"
    if _PACKAGE in sys.modules or name in sys.modules:
        return importlib.import_module(name)
    location = _location()
    package = types.ModuleType(_PACKAGE)
    package.__path__ = [location]
    sys.modules[_PACKAGE] = package
    try:
        return importlib.import_module(name)
    finally:
        del sys.modules[_PACKAGE]


def _location() -> str:
    """The package's folder, found without importing it."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.submodule_search_locations is None:
        raise ImportError("llama-cpp-python is not installed")
    return spec.submodule_search_locations[0]


@functools.cache
def _listener(bindings: Any) -> Any:
    """The log callback; cached because llama.cpp keeps only its address."""

    def listen(level: int, text: bytes, _: ctypes.c_void_p) -> None:
        # For debugging only: what llama.cpp calls an error can be a cancelled request, and what is one for its caller
        # is raised with this as evidence.
        line = text.decode(errors="replace").strip()
        for listener in _listeners:
            listener(line)
        if level == _ERROR:
            _errors.append(line)
        if line.strip("."):
            log.debug("%s", line)

    return bindings.llama_log_callback(listen)
