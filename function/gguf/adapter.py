"""Gate for LoRA adapters: rejects those on which llama.cpp would abort, or which it would apply wrongly."""

from pathlib import Path

from function.errors import ModelError, NotGGUF
from function.gguf.header import read_stored
from function.gguf.reader import TensorInfo

_ALPHA = "adapter.lora.alpha"
_INVOCATION = "adapter.alora.invocation_tokens"
_TYPES = ("F32", "F16", "BF16", "Q8_0")
_A, _B = ".lora_a", ".lora_b"


def check_adapter(path: Path, architecture: str) -> None:
    """Check the adapter at ``path`` for a model of ``architecture``. Raises NotGGUF or ModelError."""
    stored = read_stored(path)
    metadata = stored.metadata
    kind = (metadata.get("general.type"), metadata.get("adapter.type"))
    if kind != ("adapter", "lora"):
        raise ModelError(f"The file is no LoRA adapter: its general.type and adapter.type are {kind}.")
    if metadata.get("general.architecture") != architecture:
        raise ModelError(f"The adapter is for {metadata.get('general.architecture')!r}, the model is {architecture!r}.")
    if not isinstance(metadata.get(_ALPHA), float):
        raise NotGGUF(f"The adapter's {_ALPHA} is missing or not a float.")
    if _INVOCATION in metadata:
        raise ModelError("The adapter is an aLoRA, invoked by tokens; only plain LoRA can be served.")
    tensors = {tensor.name: tensor for tensor in stored.tensors}
    for name, tensor in tensors.items():
        base, suffix = name[: -len(_A)], name[-len(_A) :]
        if name.endswith("_norm.weight"):  # llama.cpp ignores them
            continue
        if suffix not in (_A, _B):
            raise NotGGUF(f"The adapter's tensor {name!r} is neither {_A} nor {_B}.")
        if base + _A not in tensors or base + _B not in tensors:
            raise NotGGUF(f"The adapter has only one of {base + _A} and {base + _B}.")
        _check_shape(tensor)
        if suffix == _A:
            _check_pair(base, tensor, tensors[base + _B])


def _check_shape(tensor: TensorInfo) -> None:
    if len(tensor.dims) != 2:
        raise ModelError(f"The adapter's {tensor.name!r} has {len(tensor.dims)} dimensions; only 2 can be served.")
    if tensor.type.name not in _TYPES:
        raise ModelError(f"The adapter's {tensor.name!r} is {tensor.type.name}; {', '.join(_TYPES)} can be served.")


def _check_pair(base: str, a: TensorInfo, b: TensorInfo) -> None:
    """Check the rank, the dimension that both share. llama.cpp does not always compare it."""
    rank = a.dims[0] if base.endswith("token_embd.weight") else a.dims[1]
    if rank != b.dims[0]:
        raise NotGGUF(f"The adapter's {base!r} has the ranks {rank} and {b.dims[0]}.")
