"""BERT models for tests: GGUF files from the tensors of the original, and their values by the formulas of the paper.

Names of tensors are those of the original implementation (``encoder.layer.0.attention.self.query.weight``). The
formulas are those of "BERT: Pre-training of Deep Bidirectional Transformers" (arXiv 1810.04805), "Attention Is All You
Need" (1706.03762) and "Gaussian Error Linear Units" (1606.08415), in 64-bit floats.
"""

import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np

Array = np.ndarray[Any, Any]
Tensors = Mapping[str, Array]
NORMAL, CONTROL = 1, 3
SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
LAYER_NAMES = {
    "attn_q": "attention.self.query",
    "attn_k": "attention.self.key",
    "attn_v": "attention.self.value",
    "attn_output": "attention.output.dense",
    "attn_output_norm": "attention.output.LayerNorm",
    "ffn_up": "intermediate.dense",
    "ffn_down": "output.dense",
    "layer_output_norm": "output.LayerNorm",
}
"""GGUF's and the original's names of a layer's tensors."""


@dataclass(frozen=True, slots=True)
class Bert:
    """A model. ``words`` is its WordPiece vocabulary; ``tensors`` may have a ``classifier`` with one score."""

    tensors: Tensors
    words: Sequence[str]
    heads: int
    epsilon: float = 1e-12

    @property
    def layers(self) -> int:
        return sum(name.endswith("attention.self.query.weight") for name in self.tensors)

    def embed(self, tokens: Sequence[int]) -> Array:
        """Return the vectors of all ``tokens``."""
        own = self.tensors
        x = own["embeddings.word_embeddings.weight"][list(tokens)].astype(np.float64)
        x = x + own["embeddings.position_embeddings.weight"][: len(tokens)]
        x = self._norm(x + own["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        for layer in range(self.layers):
            block = f"encoder.layer.{layer}"
            mixed = self._linear(self._attend(x, f"{block}.attention.self"), f"{block}.attention.output.dense")
            x = self._norm(x + mixed, f"{block}.attention.output.LayerNorm")
            hidden = _gelu(self._linear(x, f"{block}.intermediate.dense"))
            x = self._norm(x + self._linear(hidden, f"{block}.output.dense"), f"{block}.output.LayerNorm")
        return x

    def score(self, tokens: Sequence[int]) -> float:
        """Return the classifier's value for the first token's vector."""
        return float(self._linear(self.embed(tokens)[:1], "classifier")[0, 0])

    def tokenize(self, text: str) -> list[int]:
        """Return the tokens of plain lower-case words with a space between them: the longest pieces from the left."""
        tokens = [self.words.index("[CLS]")]
        for word in text.split():
            at = 0
            while at < len(word):
                ends = range(len(word), at, -1)
                piece = next(piece for end in ends if (piece := "##" * bool(at) + word[at:end]) in self.words)
                tokens.append(self.words.index(piece))
                at += len(piece.removeprefix("##"))
        return [*tokens, self.words.index("[SEP]")]

    def _linear(self, x: Array, name: str) -> Array:
        product: Array = x @ self.tensors[f"{name}.weight"].T.astype(np.float64) + self.tensors[f"{name}.bias"]
        return product

    def _norm(self, x: Array, name: str) -> Array:
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + self.epsilon)
        normed: Array = scaled * self.tensors[f"{name}.weight"] + self.tensors[f"{name}.bias"]
        return normed

    def _attend(self, x: Array, name: str) -> Array:
        n, width = x.shape
        split = (n, self.heads, width // self.heads)
        q, k, v = (
            self._linear(x, f"{name}.{part}").reshape(split).transpose(1, 0, 2) for part in ("query", "key", "value")
        )
        scores = q @ k.transpose(0, 2, 1) / math.sqrt(split[2])
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        attended: Array = (weights / weights.sum(-1, keepdims=True)) @ v
        return attended.transpose(1, 0, 2).reshape(n, width)


def _gelu(x: Array) -> Array:
    halves: Array = x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))
    return halves


def unit(vector: Array) -> Array:
    """Return ``vector`` with length 1."""
    scaled: Array = vector / np.linalg.norm(vector)
    return scaled


def random_bert(*, layers: int = 2, width: int = 64, heads: int = 2, n_ctx: int = 64, classifier: bool = False) -> Bert:
    """Return a small model with random weights, whose vocabulary is every letter and a few words."""
    generator = np.random.default_rng(7)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = [*SPECIALS, *letters, *(f"##{letter}" for letter in letters), "the", "cat", "sat", "on", "mat", "##s", "."]
    words = list(dict.fromkeys(words))

    def matrix(*shape: int) -> Array:
        return generator.normal(0, 0.4 if shape[-1] == width else 0.3, shape).astype(np.float32)

    tensors = {
        "embeddings.word_embeddings.weight": matrix(len(words), width),
        "embeddings.position_embeddings.weight": matrix(n_ctx, width),
        "embeddings.token_type_embeddings.weight": matrix(2, width),
    }
    linear = {"attention.self.query": (width, width), "attention.self.key": (width, width),
              "attention.self.value": (width, width), "attention.output.dense": (width, width),
              "intermediate.dense": (2 * width, width), "output.dense": (width, 2 * width)}  # fmt: skip
    norms = ["embeddings.LayerNorm"]
    for layer in range(layers):
        block = f"encoder.layer.{layer}"
        norms += [f"{block}.attention.output.LayerNorm", f"{block}.output.LayerNorm"]
        for name, shape in linear.items():
            tensors[f"{block}.{name}.weight"] = matrix(*shape) / np.float32(4)
            tensors[f"{block}.{name}.bias"] = matrix(shape[0])
    for name in norms:
        tensors[f"{name}.weight"] = 1 + matrix(width) / np.float32(4)
        tensors[f"{name}.bias"] = matrix(width)
    if classifier:
        tensors["classifier.weight"], tensors["classifier.bias"] = matrix(1, width), matrix(1)
    return Bert(tensors, words, heads)


def read_bert(folder: Path) -> Bert:
    """Read a model in the original's files: config.json, tokenizer.json and model.safetensors."""
    config = json.loads((folder / "config.json").read_text())
    vocabulary = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    data = (folder / "model.safetensors").read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    tensors = {}
    for name, entry in json.loads(data[8 : 8 + length]).items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            tensors[name] = np.frombuffer(data[begin:end], np.float32).reshape(entry["shape"])
    words = sorted(vocabulary, key=lambda word: int(vocabulary[word]))
    return Bert(tensors, words, config["num_attention_heads"], config["layer_norm_eps"])


def write_bert(
    path: Path, model: Bert, *, pooling: int | None = 1, name: str = "tiny bert", half: bool = False
) -> Path:
    """Write ``model`` as a GGUF file; return its path. ``pooling`` is llama.cpp's number; ``half``: matrices in F16."""
    own = model.tensors
    n_ctx, width = own["embeddings.position_embeddings.weight"].shape
    writer = gguf.GGUFWriter(path, "bert")
    writer.add_name(name)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16 if half else gguf.LlamaFileType.ALL_F32)
    writer.add_context_length(n_ctx)
    writer.add_embedding_length(width)
    writer.add_block_count(model.layers)
    writer.add_feed_forward_length(own["encoder.layer.0.intermediate.dense.weight"].shape[0])
    writer.add_head_count(model.heads)
    writer.add_layer_norm_eps(model.epsilon)
    writer.add_causal_attention(False)
    if pooling is not None:
        writer.add_pooling_type(gguf.PoolingType(pooling))
    add_wordpieces(writer, model.words)
    for mine, theirs in _tensor_names(model).items():
        for part in ("weight", "bias"):
            tensor = own.get(f"{theirs}.{part}")
            if tensor is not None:
                is_matrix = part == "weight" and tensor.ndim == 2 and mine not in ("position_embd", "token_types")
                writer.add_tensor(f"{mine}.{part}", tensor.astype(np.float16) if half and is_matrix else tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def add_wordpieces(writer: gguf.GGUFWriter, words: Sequence[str]) -> None:
    """Add the words as llama.cpp keeps them: with a mark before the beginning of a word instead of in its middle."""
    control = set(SPECIALS)
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("jina-v2-en")
    writer.add_token_type_count(2)
    writer.add_token_list(
        [word if word in control else word[2:] if word.startswith("##") else f"\u2581{word}" for word in words]
    )
    writer.add_token_types([CONTROL if word in control else NORMAL for word in words])
    writer.add_pad_token_id(words.index("[PAD]"))
    writer.add_unk_token_id(words.index("[UNK]"))
    writer.add_bos_token_id(words.index("[CLS]"))
    writer.add_sep_token_id(words.index("[SEP]"))
    writer.add_mask_token_id(words.index("[MASK]"))


def _tensor_names(model: Bert) -> dict[str, str]:
    names = {
        "token_embd": "embeddings.word_embeddings",
        "position_embd": "embeddings.position_embeddings",
        "token_types": "embeddings.token_type_embeddings",
        "token_embd_norm": "embeddings.LayerNorm",
    }
    for layer in range(model.layers):
        names |= {f"blk.{layer}.{mine}": f"encoder.layer.{layer}.{theirs}" for mine, theirs in LAYER_NAMES.items()}
    return names | {"cls.output": "classifier"}
