"""The GPUs that layers of a model may go to, as llama.cpp's library sees them."""

import ctypes

from function.engine.llama.library import function, library, system_info
from function.errors import NoGPU

_KINDS = (1, 2)  # of ggml's devices: with a memory of its own, and with the host's


def names() -> list[str]:
    """What they call themselves, in llama.cpp's order. Raises as ``library()``."""
    kind = function("ggml_backend_dev_type", ctypes.c_int)
    name = function("ggml_backend_dev_description", ctypes.c_char_p)
    return [name(device).decode(errors="replace") for device in _devices() if kind(device) in _KINDS]


def require(layers: int) -> None:
    """Raises NoGPU where ``layers`` are to go to a GPU and there is none; llama.cpp would take the CPU, and not say so.

    Raises as ``library()`` besides.
    """
    if layers and not names():
        raise refusal(layers, system_info())


def refusal(layers: int, info: str) -> NoGPU:
    """What to say of a library that describes itself as ``info``."""
    if "CUDA : " in info:
        why = "llama.cpp finds none here. Give the machine one and its driver"
    else:
        why = "llama.cpp was built for the CPU alone. Build it for one (docker build --build-arg CUDA=12-6)"
    return NoGPU(f"N_GPU_LAYERS={layers} asks for a GPU, and {why}, or set N_GPU_LAYERS=0.", param="N_GPU_LAYERS")


def _devices() -> list[ctypes.c_void_p]:
    """Handles of all of ggml's devices, the CPU among them."""
    lib = library()._lib
    count, get = lib["ggml_backend_dev_count"], lib["ggml_backend_dev_get"]
    count.restype, get.restype, get.argtypes = ctypes.c_size_t, ctypes.c_void_p, [ctypes.c_size_t]
    return [ctypes.c_void_p(get(index)) for index in range(count())]
