"""GPUs that llama.cpp's library can use."""

import ctypes

from function.engine.llama.library import bind_function, library, read_system_info
from function.errors import NoGPU

_GPU_KINDS = (1, 2)  # ggml's device types: with memory of its own, and sharing the host's


def list_gpus() -> list[str]:
    """Return the GPUs' descriptions, in llama.cpp's order. Raises as ``library()`` does."""
    kind = bind_function("ggml_backend_dev_type", ctypes.c_int)
    describe = bind_function("ggml_backend_dev_description", ctypes.c_char_p)
    return [describe(device).decode(errors="replace") for device in _devices() if kind(device) in _GPU_KINDS]


def require_gpu(layers: int) -> None:
    """Raise NoGPU when ``layers`` are to go to a GPU and there is none: llama.cpp would silently use the CPU.

    Raises as ``library()`` does, too.
    """
    if layers and not list_gpus():
        raise no_gpu_error(layers, read_system_info())


def no_gpu_error(layers: int, system_info: str) -> NoGPU:
    """Return the error for a library that describes itself as ``system_info``."""
    if "CUDA : " in system_info:
        why = "llama.cpp finds none here. Give the machine one and its driver"
    else:
        why = "llama.cpp was built for the CPU alone. Build it for one (docker build --build-arg CUDA=12-6)"
    return NoGPU(f"N_GPU_LAYERS={layers} asks for a GPU, and {why}, or set N_GPU_LAYERS=0.", param="N_GPU_LAYERS")


def _devices() -> list[ctypes.c_void_p]:
    """Return the handles of all ggml devices, the CPU included."""
    lib = library()._lib
    count, get = lib["ggml_backend_dev_count"], lib["ggml_backend_dev_get"]
    count.restype, get.restype, get.argtypes = ctypes.c_size_t, ctypes.c_void_p, [ctypes.c_size_t]
    return [ctypes.c_void_p(get(index)) for index in range(count())]
