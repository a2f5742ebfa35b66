"""Blocks: the tensors of a model's layers, and header fields that only some architectures have. Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from tools.shapes import Architecture, Shape

Role = Literal["matrix", "small", "ones", "decay"]
Value = int | float | list[int] | list[bool]

STATE, CONV = 16, 4  # size of a recurrent state, and width of the convolution before it
LARGE_STATE = 128  # of a model with heads as large as real ones
GROUPS, SHORT_CONV = 2, 3
EXPERTS, USED_EXPERTS = 4, 2
PER_LAYER = 32  # width of gemma4's embedding for each layer


@dataclass(frozen=True, slots=True)
class ShapeTensor:
    """One tensor. ``dims`` start with the innermost, as in GGUF. Only a ``matrix`` is quantised."""

    name: str
    dims: tuple[int, ...]
    role: Role = "matrix"


def state_size(shape: Shape) -> int:
    """Return the elements of a recurrent state in one channel."""
    return LARGE_STATE if shape.head_size >= LARGE_STATE else STATE


def fields(shape: Shape) -> Iterator[tuple[str, Value]]:
    """Yield the architecture's own header fields, without its name before them."""
    name, inner, state = shape.architecture, 2 * shape.n_embd, state_size(shape)
    if name == "mamba":
        yield from _ssm(inner, state, max(1, shape.n_embd // 16), 0)
    elif name == "lfm2":
        yield "shortconv.l_cache", SHORT_CONV
    elif shape.layers:
        yield from _ssm(inner, state, inner // state, inner // state if name == "qwen35" else GROUPS)
    if name == "qwen35":
        half = shape.head // 2
        yield "rope.dimension_sections", [half - 2 * (half // 3), half // 3, half // 3, 0]
    elif name == "nemotron_h":
        yield "attention.layer_norm_epsilon", 1e-5
    elif name == "gpt-oss":
        yield "expert_count", EXPERTS
        yield "expert_used_count", USED_EXPERTS
        yield "expert_feed_forward_length", shape.n_ff
    elif name == "gemma4":
        yield "attention.sliding_window_pattern", [_slides(layer) for layer in range(shape.n_layer)]
        yield "attention.key_length_swa", shape.head // 2
        yield "attention.value_length_swa", shape.head // 2
        yield "attention.shared_kv_layers", _shared_layers(shape)
        yield "embedding_length_per_layer_input", PER_LAYER
        yield "rope.freq_base_swa", 10_000.0
        yield "rope.dimension_count_swa", shape.head // 2
        yield "final_logit_softcapping", 30.0


def _ssm(inner: int, state: int, heads: int, groups: int) -> Iterator[tuple[str, Value]]:
    yield "ssm.conv_kernel", CONV
    yield "ssm.inner_size", inner
    yield "ssm.state_size", state
    yield "ssm.time_step_rank", heads
    if groups:
        yield "ssm.group_count", groups


def _slides(layer: int) -> bool:
    return layer % 2 == 0


def _shared_layers(shape: Shape) -> int:
    """Return the number of gemma4's last layers that use the keys of earlier ones."""
    return shape.n_layer // 2


def tensors(shape: Shape) -> Iterator[ShapeTensor]:
    """Yield all tensors that llama.cpp requires, in file order."""
    n = shape.n_embd
    block = BLOCKS.get(shape.architecture, _attention)
    yield ShapeTensor("token_embd.weight", (n, shape.n_vocab))
    if shape.architecture == "gemma4":
        yield ShapeTensor("per_layer_token_embd.weight", (PER_LAYER * shape.n_layer, shape.n_vocab))
        yield ShapeTensor("per_layer_model_proj.weight", (n, PER_LAYER * shape.n_layer))
        yield ShapeTensor("per_layer_proj_norm.weight", (PER_LAYER,), "ones")
        yield ShapeTensor("rope_freqs.weight", (shape.head // 2,), "ones")
    for layer in range(shape.n_layer):
        for tensor in block(shape, layer):
            yield ShapeTensor(f"blk.{layer}.{tensor.name}", tensor.dims, tensor.role)
    yield ShapeTensor("token_embd_norm.weight" if shape.architecture == "lfm2" else "output_norm.weight", (n,), "ones")
    if not shape.tied:
        yield ShapeTensor("output.weight", (n, shape.n_vocab))


def _attention(shape: Shape, layer: int) -> Iterator[ShapeTensor]:
    n = shape.n_embd
    yield ShapeTensor("attn_norm.weight", (n,), "ones")
    yield from _heads(shape, shape.head)
    if shape.architecture == "qwen2":
        kv = shape.head * shape.n_kv
        for part, width in (("q", shape.head * shape.n_head), ("k", kv), ("v", kv)):
            yield ShapeTensor(f"attn_{part}.bias", (width,), "small")
    if shape.architecture in ("gemma3", "qwen3"):
        yield from _key_norms(shape.head)
    if shape.architecture == "gemma3":
        yield ShapeTensor("post_attention_norm.weight", (n,), "ones")
        yield ShapeTensor("post_ffw_norm.weight", (n,), "ones")
    yield from _feed_forward(shape)


def _heads(shape: Shape, head: int, *, query: int = 1, shared: bool = False) -> Iterator[ShapeTensor]:
    """Yield the matrices of attention; those of keys and values unless they are ``shared``."""
    n, q, kv = shape.n_embd, head * shape.n_head, head * shape.n_kv
    yield ShapeTensor("attn_q.weight", (n, query * q))
    if not shared:
        yield ShapeTensor("attn_k.weight", (n, kv))
        yield ShapeTensor("attn_v.weight", (n, kv))
    yield ShapeTensor("attn_output.weight", (q, n))


def _key_norms(head: int) -> Iterator[ShapeTensor]:
    yield ShapeTensor("attn_q_norm.weight", (head,), "ones")
    yield ShapeTensor("attn_k_norm.weight", (head,), "ones")


def _feed_forward(shape: Shape, norm: str = "ffn_norm.weight") -> Iterator[ShapeTensor]:
    n, ff = shape.n_embd, shape.n_ff
    yield ShapeTensor(norm, (n,), "ones")
    yield ShapeTensor("ffn_gate.weight", (n, ff))
    yield ShapeTensor("ffn_up.weight", (n, ff))
    yield ShapeTensor("ffn_down.weight", (ff, n))


def _gemma4(shape: Shape, layer: int) -> Iterator[ShapeTensor]:
    n, head = shape.n_embd, shape.head // 2 if _slides(layer) else shape.head
    shared = layer >= shape.n_layer - _shared_layers(shape)
    yield ShapeTensor("attn_norm.weight", (n,), "ones")
    yield from _heads(shape, head, shared=shared)
    yield ShapeTensor("attn_q_norm.weight", (head,), "ones")
    if not shared:
        yield ShapeTensor("attn_k_norm.weight", (head,), "ones")
    yield ShapeTensor("post_attention_norm.weight", (n,), "ones")
    yield from _feed_forward(shape)
    yield ShapeTensor("post_ffw_norm.weight", (n,), "ones")
    yield ShapeTensor("inp_gate.weight", (n, PER_LAYER))
    yield ShapeTensor("proj.weight", (PER_LAYER, n))
    yield ShapeTensor("post_norm.weight", (n,), "ones")


def _gpt_oss(shape: Shape, layer: int) -> Iterator[ShapeTensor]:
    n, ff, kv = shape.n_embd, shape.n_ff, shape.head * shape.n_kv
    yield ShapeTensor("attn_norm.weight", (n,), "ones")
    yield from _heads(shape, shape.head)
    for part, width in (("q", shape.head * shape.n_head), ("k", kv), ("v", kv), ("output", n)):
        yield ShapeTensor(f"attn_{part}.bias", (width,), "small")
    yield ShapeTensor("attn_sinks.weight", (shape.n_head,), "small")
    yield ShapeTensor("post_attention_norm.weight", (n,), "ones")
    yield ShapeTensor("ffn_gate_inp.weight", (n, EXPERTS), "small")
    yield ShapeTensor("ffn_gate_inp.bias", (EXPERTS,), "small")
    for part, dims in (("gate", (n, ff)), ("up", (n, ff)), ("down", (ff, n))):
        yield ShapeTensor(f"ffn_{part}_exps.weight", (*dims, EXPERTS))
        yield ShapeTensor(f"ffn_{part}_exps.bias", (dims[1], EXPERTS), "small")


def _mamba(shape: Shape, layer: int) -> Iterator[ShapeTensor]:
    n, inner, rank = shape.n_embd, 2 * shape.n_embd, max(1, shape.n_embd // 16)
    state = state_size(shape)
    yield ShapeTensor("attn_norm.weight", (n,), "ones")
    yield ShapeTensor("ssm_in.weight", (n, 2 * inner))
    yield ShapeTensor("ssm_conv1d.weight", (CONV, inner), "small")
    yield ShapeTensor("ssm_conv1d.bias", (inner,), "small")
    yield ShapeTensor("ssm_x.weight", (inner, rank + 2 * state))
    yield ShapeTensor("ssm_dt.weight", (rank, inner), "small")
    yield ShapeTensor("ssm_dt.bias", (inner,), "small")
    yield ShapeTensor("ssm_a", (state, inner), "decay")
    yield ShapeTensor("ssm_d", (inner,), "ones")
    yield ShapeTensor("ssm_out.weight", (inner, n))


def _mamba2(shape: Shape) -> Iterator[ShapeTensor]:
    n, inner, state = shape.n_embd, 2 * shape.n_embd, state_size(shape)
    heads, mixed = inner // state, inner + 2 * GROUPS * state
    yield ShapeTensor("ssm_in.weight", (n, inner + mixed + heads))
    yield ShapeTensor("ssm_conv1d.weight", (CONV, mixed), "small")
    yield ShapeTensor("ssm_conv1d.bias", (mixed,), "small")
    yield ShapeTensor("ssm_dt.bias", (heads,), "small")
    yield ShapeTensor("ssm_a", (1, heads), "decay")
    yield ShapeTensor("ssm_d", (1, heads), "ones")
    yield ShapeTensor("ssm_norm.weight", (inner // GROUPS, GROUPS), "ones")
    yield ShapeTensor("ssm_out.weight", (inner, n))


def _mixed(shape: Shape, layer: int) -> Iterator[ShapeTensor]:
    """Yield the tensors of a layer with attention, Mamba 2, or both."""
    kind = shape.layers[layer]
    yield ShapeTensor("attn_norm.weight", (shape.n_embd,), "ones")
    if kind in "rb":
        yield from _mamba2(shape)
    if kind in "ab":
        yield from _heads(shape, shape.head)
    if shape.architecture == "falcon-h1":  # its name has no suffix
        yield from _feed_forward(shape, "ffn_norm")
    elif shape.architecture == "granitehybrid":
        yield from _feed_forward(shape)
    elif kind == "f":
        yield ShapeTensor("ffn_up.weight", (shape.n_embd, shape.n_ff))
        yield ShapeTensor("ffn_down.weight", (shape.n_ff, shape.n_embd))


def _qwen35(shape: Shape, layer: int) -> Iterator[ShapeTensor]:
    n, inner, state = shape.n_embd, 2 * shape.n_embd, state_size(shape)
    heads = inner // state
    yield ShapeTensor("attn_norm.weight", (n,), "ones")
    if shape.layers[layer] == "a":
        yield from _heads(shape, shape.head, query=2)
        yield from _key_norms(shape.head)
    else:
        yield ShapeTensor("attn_qkv.weight", (n, 3 * inner))
        yield ShapeTensor("attn_gate.weight", (n, inner))
        yield ShapeTensor("ssm_conv1d.weight", (CONV, 3 * inner), "small")
        yield ShapeTensor("ssm_dt.bias", (heads,), "small")
        yield ShapeTensor("ssm_a", (heads,), "decay")
        yield ShapeTensor("ssm_beta.weight", (n, heads))
        yield ShapeTensor("ssm_alpha.weight", (n, heads))
        yield ShapeTensor("ssm_norm.weight", (state,), "ones")
        yield ShapeTensor("ssm_out.weight", (inner, n))
    yield from _feed_forward(shape, "post_attention_norm.weight")


def _lfm2(shape: Shape, layer: int) -> Iterator[ShapeTensor]:
    n = shape.n_embd
    yield ShapeTensor("attn_norm.weight", (n,), "ones")
    if shape.layers[layer] == "a":
        yield from _heads(shape, shape.head)
        yield from _key_norms(shape.head)
    else:
        yield ShapeTensor("shortconv.conv.weight", (SHORT_CONV, n), "small")
        yield ShapeTensor("shortconv.in_proj.weight", (n, 3 * n))
        yield ShapeTensor("shortconv.out_proj.weight", (n, n))
    yield from _feed_forward(shape)


BLOCKS: Mapping[Architecture, Callable[[Shape, int], Iterator[ShapeTensor]]] = {
    "gemma4": _gemma4,
    "gpt-oss": _gpt_oss,
    "mamba": _mamba,
    "qwen35": _qwen35,
    "lfm2": _lfm2,
    "granitehybrid": _mixed,
    "falcon-h1": _mixed,
    "nemotron_h": _mixed,
}
"""Architectures with layers of their own kind."""
