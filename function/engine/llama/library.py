"""llama.cpp's C API, loaded at the first call of ``library()``."""

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
_GGML_LOG_LEVEL_ERROR = 4
_DRIVER = "libcuda.so"

_lock = threading.Lock()
_cpu_level = ""
_errors: deque[str] = deque(maxlen=20)
_listeners: list[Callable[[str], None]] = []


@functools.cache
def library() -> Any:
    """Return the module of ctypes bindings, with llama.cpp's log routed to ``logging`` and its backends initialised.

    Raises EngineError when the shared library cannot be loaded, NoGPU when it needs a GPU's driver that is missing.
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
        bindings.llama_log_set(_log_callback(bindings), None)
        bindings.llama_backend_init()
        return bindings


def is_loaded() -> bool:
    """Return true once the library is loaded and can no longer be replaced."""
    return library.cache_info().currsize > 0


def bind_function(name: str, result: Any, *more: Any) -> Any:
    """Bind a function of llama.cpp's or ggml's library that takes a pointer and ``more``.

    For functions that the Python bindings leave out.
    """
    found = library()._lib[name]
    found.restype = result
    found.argtypes = (ctypes.c_void_p, *more)
    return found


def find_libraries() -> Path:
    """Return the folder of the shared libraries: LLAMA_CPP_LIB_PATH, or the one beside the bindings."""
    return library_folder() or Path(_find_package()) / "lib"


def use_libraries(folder: Path, cpu_level: str) -> None:
    """Let ``library()`` load the files in ``folder``, built for ``cpu_level``. Call it before ``library()``."""
    global _cpu_level
    set_library_folder(folder)
    _cpu_level = cpu_level


def read_system_info() -> str:
    """Return llama.cpp's description of its build, ``CPU : AVX2 = 1 | …``, and its CPU level."""
    info = str(library().llama_print_system_info().decode())
    return f"{info}LEVEL = {_cpu_level} | " if _cpu_level else info


def has_openmp() -> bool:
    """Return true for a build with OpenMP: slow from any thread but the first, and unsafe after a fork."""
    return "OPENMP = 1" in read_system_info()


def has_amx() -> bool:
    """Return true for a build with AMX, which then multiplies repacked weights."""
    return "AMX_INT8 = 1" in read_system_info()


def take_errors() -> list[str]:
    """Return the errors that llama.cpp logged since the last call, oldest first: the evidence when a call fails."""
    return [_errors.popleft() for _ in range(len(_errors))]


def take_first_error() -> str:
    """Return the first error that llama.cpp logged since the last ``take_errors``: usually the cause."""
    return next(iter(take_errors()), "it logged no reason")


@contextmanager
def listen_to_log(*listeners: Callable[[str], None]) -> Iterator[None]:
    """Call ``listeners`` with each line that llama.cpp logs; it continues when they return."""
    _listeners.extend(listeners)
    try:
        yield
    finally:
        for listener in listeners:
            _listeners.remove(listener)


def _bindings() -> Any:
    """Import ``llama_cpp.llama_cpp`` without the package's ``__init__``, which imports numpy and takes 5 times as long.

    An empty package takes its place while the submodules load. A later import of ``llama_cpp`` runs as usual and finds
    the same bindings.
    """
    name = f"{_PACKAGE}.{_PACKAGE}"
    if _PACKAGE in sys.modules or name in sys.modules:
        return importlib.import_module(name)
    package = types.ModuleType(_PACKAGE)
    package.__path__ = [_find_package()]
    sys.modules[_PACKAGE] = package
    try:
        return importlib.import_module(name)
    finally:
        del sys.modules[_PACKAGE]


def _find_package() -> str:
    """Return the folder of the bindings, without importing them."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.submodule_search_locations is None:
        raise ImportError("llama-cpp-python is not installed")
    return spec.submodule_search_locations[0]


@functools.cache
def _log_callback(bindings: Any) -> Any:
    """Return the log callback; cached because llama.cpp keeps only its address."""

    def on_line(level: int, text: bytes, _: ctypes.c_void_p) -> None:
        # Logged at debug level only: an error of llama.cpp can be a cancelled request, and a real one is raised by the
        # caller with this line as evidence.
        line = text.decode(errors="replace").strip()
        for listener in _listeners:
            listener(line)
        if level == _GGML_LOG_LEVEL_ERROR:
            _errors.append(line)
        if line.strip("."):
            log.debug("%s", line)

    return bindings.llama_log_callback(on_line)
