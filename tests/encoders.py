"""Tiny embedding models and rerankers of many architectures, with random weights, as GGUF files."""

from collections.abc import Mapping
from pathlib import Path

import gguf
import numpy as np

from tests.bert import SPECIALS, add_wordpieces
from tools.vocabulary import bpe, spm

WIDTH, HEADS, HIDDEN, N_CTX = 64, 2, 96, 256
LETTERS = "abcdefghijklmnopqrstuvwxyz"
WORDS = [*SPECIALS, *LETTERS, *(f"##{letter}" for letter in LETTERS)]
Shape = tuple[int, ...]
Shapes = dict[str, Shape]

_SQUARE, _NORM, _UP, _DOWN = (WIDTH, WIDTH), (WIDTH,), (HIDDEN, WIDTH), (WIDTH, HIDDEN)
_QKV: Shapes = {
    "attn_q.weight": _SQUARE,
    "attn_k.weight": _SQUARE,
    "attn_v.weight": _SQUARE,
    "attn_output.weight": _SQUARE,
}
_POST_NORMS: Shapes = {f"{name}.{part}": _NORM for name in ("attn_output_norm", "layer_output_norm")
               for part in ("weight", "bias")}  # fmt: skip
_GATED: Shapes = {"ffn_up.weight": _UP, "ffn_gate.weight": _UP, "ffn_down.weight": _DOWN}
_HEAD_NORMS: Shapes = {"attn_q_norm.weight": (WIDTH // HEADS,), "attn_k_norm.weight": (WIDTH // HEADS,)}
_PRE_NORMS: Shapes = {"attn_norm.weight": _NORM, "ffn_norm.weight": _NORM}
_FUSED: Shapes = {"attn_qkv.weight": (3 * WIDTH, WIDTH), "attn_output.weight": _SQUARE}
_DOUBLED: Shapes = {"ffn_up.weight": (2 * HIDDEN, WIDTH), "ffn_down.weight": _DOWN}

LAYER_TENSORS: Mapping[str, Shapes] = {
    "nomic-bert": _FUSED | _POST_NORMS | _GATED,
    "jina-bert-v2": _QKV | _POST_NORMS | _GATED | {"attn_output.bias": _NORM, "ffn_down.bias": _NORM},
    "jina-bert-v3": _FUSED | _POST_NORMS | {"ffn_up.weight": _UP, "ffn_down.weight": _DOWN},
    "modern-bert": _FUSED | _PRE_NORMS | _DOUBLED,
    "neo-bert": _FUSED | _PRE_NORMS | _DOUBLED,
    "eurobert": _QKV | _PRE_NORMS | _GATED,
    "gemma-embedding": _QKV | _PRE_NORMS | _GATED | _HEAD_NORMS
    | {"post_attention_norm.weight": _NORM, "post_ffw_norm.weight": _NORM},
    "qwen3": _QKV | _PRE_NORMS | _GATED | _HEAD_NORMS,
    "llama-embed": _QKV | _PRE_NORMS | _GATED,
}  # fmt: skip
"""Tensors of one layer, rows first, by architecture."""
OWN_TENSORS: Mapping[str, Shapes] = {
    "nomic-bert": {"token_embd_norm.weight": _NORM, "token_embd_norm.bias": _NORM, "token_types.weight": (2, WIDTH)},
    "jina-bert-v2": {"token_embd_norm.weight": _NORM, "token_embd_norm.bias": _NORM, "token_types.weight": (2, WIDTH)},
    "jina-bert-v3": {"token_embd_norm.weight": _NORM, "token_embd_norm.bias": _NORM, "token_types.weight": (1, WIDTH)},
    "modern-bert": {"token_embd_norm.weight": _NORM, "output_norm.weight": _NORM},
    "neo-bert": {"enc.output_norm.weight": _NORM},
    "eurobert": {"output_norm.weight": _NORM},
    "gemma-embedding": {"output_norm.weight": _NORM},
    "qwen3": {"output_norm.weight": _NORM},
    "llama-embed": {"output_norm.weight": _NORM},
}
"""Further tensors, in addition to the embedding."""
VOCABULARIES = {
    "nomic-bert": "wordpiece",
    "jina-bert-v2": "wordpiece",
    "jina-bert-v3": "unigram",
    "gemma-embedding": "spm",
}


def write_encoder(path: Path, architecture: str, *, pooling: int, classes: int = 0) -> Path:
    """Write a model; return its path. ``pooling`` is llama.cpp's number; ``classes``: outputs of a classifier."""
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name(f"tiny {architecture}")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_context_length(N_CTX)
    writer.add_embedding_length(WIDTH)
    layers = 6 if architecture == "gemma-embedding" else 2  # of which one sees the whole text
    writer.add_block_count(layers)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_eps(1e-5)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10_000.0)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_pooling_type(gguf.PoolingType(pooling))
    if architecture != "qwen3":
        writer.add_causal_attention(False)
    if architecture in ("gemma-embedding", "modern-bert"):
        writer.add_sliding_window(16)
    n_vocab = _add_vocabulary(writer, VOCABULARIES.get(architecture, "bpe"))
    tensors: Shapes = {"token_embd.weight": (n_vocab, WIDTH), **OWN_TENSORS[architecture]}
    for layer in range(layers):
        tensors |= {f"blk.{layer}.{name}": shape for name, shape in LAYER_TENSORS[architecture].items()}
    if classes:
        tensors["cls.output.weight"] = (classes, WIDTH)
        writer.add_classifier_output_labels([f"label {number}" for number in range(classes)])
    generator = np.random.default_rng(3)
    for name, shape in tensors.items():
        values = generator.normal(0, shape[-1] ** -0.5, shape).astype(np.float32)
        writer.add_tensor(name, 1 + values if name.endswith("norm.weight") else values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_vocabulary(writer: gguf.GGUFWriter, kind: str) -> int:
    """Add a vocabulary; return its size."""
    if kind == "wordpiece":
        add_wordpieces(writer, WORDS)
        return len(WORDS)
    if kind == "bpe":
        vocabulary = bpe(512, 0)
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre("gpt-2")
        writer.add_token_merges(vocabulary.merges)
        writer.add_add_bos_token(False)
    else:
        vocabulary = spm(512, 0)
        writer.add_tokenizer_model("llama" if kind == "spm" else "t5")
        writer.add_tokenizer_pre("default")
        writer.add_token_scores(vocabulary.scores)
        writer.add_add_bos_token(True)
        writer.add_unk_token_id(0)
        writer.add_add_space_prefix(True)
        writer.add_token_type_count(1)
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types(vocabulary.types)
    writer.add_bos_token_id(vocabulary.bos)
    writer.add_eos_token_id(vocabulary.eos)
    writer.add_add_eos_token(True)
    return len(vocabulary.tokens)
