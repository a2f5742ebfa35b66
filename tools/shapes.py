"""Shapes of models: the dimensions in a GGUF's header, and the tensors that follow from them. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Architecture = Literal["llama", "qwen2", "gemma3", "mamba"]
Role = Literal["matrix", "small", "ones", "decay"]


@dataclass(frozen=True, slots=True)
class Shape:
    """Dimensions of a network, in elements. ``n_kv`` heads of keys and values serve ``n_head`` heads of queries."""

    name: str
    n_layer: int
    n_embd: int
    n_head: int
    n_kv: int
    n_ff: int
    n_vocab: int
    n_ctx: int
    architecture: Architecture = "llama"
    head_size: int = 0  # 0: n_embd / n_head
    tokenizer: Literal["bpe", "spm"] = "bpe"
    pre: str = "gpt-2"  # llama.cpp's rule for splitting text before a byte-level BPE
    tied: bool = True  # the output matrix is the embedding
    rope_base: float = 10_000.0
    window: int = 0  # tokens a sliding-window layer sees; 0: no such layers
    template: bool = True

    @property
    def head(self) -> int:
        """Return the elements of one head."""
        return self.head_size or self.n_embd // self.n_head


@dataclass(frozen=True, slots=True)
class ShapeTensor:
    """One tensor. ``dims`` start with the innermost, as in GGUF. Only a ``matrix`` is quantised."""

    name: str
    dims: tuple[int, ...]
    role: Role = "matrix"


STATE, CONV = 16, 4  # mamba: state size and convolution width


def tensors(shape: Shape) -> Iterator[ShapeTensor]:
    """Yield all tensors that llama.cpp requires, in file order."""
    n = shape.n_embd
    yield ShapeTensor("token_embd.weight", (n, shape.n_vocab))
    for layer in range(shape.n_layer):
        block = _mamba(shape) if shape.architecture == "mamba" else _attention(shape)
        for tensor in block:
            yield ShapeTensor(f"blk.{layer}.{tensor.name}", tensor.dims, tensor.role)
    yield ShapeTensor("output_norm.weight", (n,), "ones")
    if not shape.tied:
        yield ShapeTensor("output.weight", (n, shape.n_vocab))


def _attention(shape: Shape) -> Iterator[ShapeTensor]:
    n, q, kv, ff = shape.n_embd, shape.head * shape.n_head, shape.head * shape.n_kv, shape.n_ff
    yield ShapeTensor("attn_norm.weight", (n,), "ones")
    for part, width in (("q", q), ("k", kv), ("v", kv)):
        yield ShapeTensor(f"attn_{part}.weight", (n, width))
        if shape.architecture == "qwen2":
            yield ShapeTensor(f"attn_{part}.bias", (width,), "small")
    yield ShapeTensor("attn_output.weight", (q, n))
    if shape.architecture == "gemma3":
        yield ShapeTensor("attn_q_norm.weight", (shape.head,), "ones")
        yield ShapeTensor("attn_k_norm.weight", (shape.head,), "ones")
        yield ShapeTensor("post_attention_norm.weight", (n,), "ones")
        yield ShapeTensor("post_ffw_norm.weight", (n,), "ones")
    yield ShapeTensor("ffn_norm.weight", (n,), "ones")
    yield ShapeTensor("ffn_gate.weight", (n, ff))
    yield ShapeTensor("ffn_up.weight", (n, ff))
    yield ShapeTensor("ffn_down.weight", (ff, n))


def _mamba(shape: Shape) -> Iterator[ShapeTensor]:
    n, inner, rank = shape.n_embd, 2 * shape.n_embd, max(1, shape.n_embd // 16)
    yield ShapeTensor("attn_norm.weight", (n,), "ones")
    yield ShapeTensor("ssm_in.weight", (n, 2 * inner))
    yield ShapeTensor("ssm_conv1d.weight", (CONV, inner), "small")
    yield ShapeTensor("ssm_conv1d.bias", (inner,), "small")
    yield ShapeTensor("ssm_x.weight", (inner, rank + 2 * STATE))
    yield ShapeTensor("ssm_dt.weight", (rank, inner), "small")
    yield ShapeTensor("ssm_dt.bias", (inner,), "small")
    yield ShapeTensor("ssm_a", (STATE, inner), "decay")
    yield ShapeTensor("ssm_d", (inner,), "ones")
    yield ShapeTensor("ssm_out.weight", (inner, n))


SHAPES = {
    shape.name: shape
    for shape in (
        Shape("tiny", 2, 64, 2, 2, 160, 1024, 2048),
        Shape("tiny-gqa", 2, 128, 4, 1, 256, 1024, 2048),
        Shape("tiny-window", 6, 64, 2, 1, 160, 1024, 2048, "gemma3", head_size=32, window=64, tied=False),
        Shape("tiny-recurrent", 2, 64, 0, 0, 0, 1024, 2048, "mamba", tied=False),
        Shape("tiny-spm", 2, 64, 2, 2, 160, 1024, 2048, tokenizer="spm", tied=False, template=False),
        # The dimensions of SmolLM2-135M, Qwen2.5-0.5B and Llama-2-7B.
        Shape("135M", 30, 576, 9, 3, 1536, 49_152, 8192, pre="smollm", rope_base=100_000.0),
        Shape("0.5B", 24, 896, 14, 2, 4864, 151_936, 32_768, "qwen2", pre="qwen2", rope_base=1e6),
        Shape("7B", 32, 4096, 32, 32, 11_008, 32_000, 4096, tokenizer="spm", tied=False, template=False),
    )
}
