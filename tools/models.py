"""GGUF files of real shapes with random weights: they load, run and transfer like trained ones.

    python -m tools.models 135M --quant Q8_0 out.gguf

Blocks are random bits with one scale per tensor, not quantised from floats, and are written piece by piece: a 7 GB file
needs a few hundred MB of memory. The same shape, quantisation and seed produce the same bytes.
"""

import argparse
import logging
import math
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import gguf
import numpy as np

from tools.blocks import ShapeTensor, Value, fields, tensors
from tools.shapes import SHAPES, Shape
from tools.vocabulary import CHATML, bpe, spm

Quant = Literal["Q8_0", "Q4_0", "F16", "F32"]

LOGIT_SPREAD = 1.3  # standard deviation of the logits: sampling at temperature 1 varies, and depends on the context
PIECE_BLOCKS = 1 << 18  # blocks of 32 weights generated at once
# A block of 32 weights: bytes, and the standard deviation of its random integers.
BLOCKS = {"Q8_0": (34, 73.9), "Q4_0": (18, 4.61)}


def write_model(
    path: Path,
    shape: Shape,
    *,
    quant: Quant = "Q8_0",
    seed: int = 0,
    chat_template: str | None = CHATML,
    name: str | None = None,
    controls: Sequence[str] = (),
) -> Path:
    """Write a model of ``shape`` to ``path`` and return the path.

    With ``chat_template=None`` there is no template. ``controls`` are additional control tokens of a BPE vocabulary.
    """
    writer = gguf.GGUFWriter(path, shape.architecture)
    _metadata(writer, shape, quant, name or f"random-{shape.name}")
    _vocabulary(writer, shape, seed, chat_template if shape.template else None, controls)
    kinds = [(tensor, _kind(tensor, quant)) for tensor in tensors(shape)]
    for tensor, kind in kinds:
        rows = tuple(reversed(tensor.dims))
        size = _size(tensor, kind)
        writer.add_tensor_info(tensor.name, rows, np.dtype(np.float32), size, gguf.GGMLQuantizationType[kind])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    assert writer.fout
    file = writer.fout[0]
    writer.write_padding(file, file.tell())
    for tensor, kind in kinds:
        for piece in _weights(tensor, kind, seed):
            piece.tofile(file)
        writer.write_padding(file, _size(tensor, kind))
    writer.close()
    return path


def _metadata(writer: gguf.GGUFWriter, shape: Shape, quant: Quant, name: str) -> None:
    writer.add_name(name)
    writer.add_file_type(gguf.LlamaFileType[f"MOSTLY_{quant}" if quant != "F32" else "ALL_F32"])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_context_length(shape.n_ctx)
    writer.add_embedding_length(shape.n_embd)
    writer.add_block_count(shape.n_layer)
    is_nemotron = shape.architecture == "nemotron_h"  # its layers do one thing each
    writer.add_feed_forward_length([shape.n_ff * (kind == "f") for kind in shape.layers] if is_nemotron else shape.n_ff)
    writer.add_head_count(shape.n_head)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(shape.n_vocab)
    for key, value in fields(shape):
        _add_field(writer, f"{shape.architecture}.{key}", value)
    if shape.architecture == "mamba":
        return
    by_layer = [shape.n_kv * (kind in "ab") for kind in shape.layers]
    writer.add_head_count_kv(by_layer if 0 in by_layer and shape.architecture != "qwen35" else shape.n_kv)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_rope_dimension_count(shape.head)
    if shape.head_size:
        writer.add_key_length(shape.head)
        writer.add_value_length(shape.head)
    if shape.window:
        writer.add_sliding_window(shape.window)


def _add_field(writer: gguf.GGUFWriter, key: str, value: Value) -> None:
    if isinstance(value, list):
        writer.add_array(key, value)
    elif isinstance(value, float):
        writer.add_float32(key, value)
    else:
        writer.add_uint32(key, value)


def _vocabulary(
    writer: gguf.GGUFWriter, shape: Shape, seed: int, chat_template: str | None, controls: Sequence[str]
) -> None:
    if shape.tokenizer == "bpe":
        vocabulary = bpe(shape.n_vocab, seed, controls)
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(shape.pre)
        writer.add_token_merges(vocabulary.merges)
        writer.add_add_bos_token(False)
    else:
        vocabulary = spm(shape.n_vocab, seed)
        writer.add_tokenizer_model("llama")
        writer.add_tokenizer_pre("default")
        writer.add_token_scores(vocabulary.scores)
        writer.add_add_bos_token(True)
        writer.add_unk_token_id(0)
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types(vocabulary.types)
    writer.add_bos_token_id(vocabulary.bos)
    writer.add_eos_token_id(vocabulary.eos)
    if chat_template is not None:
        writer.add_chat_template(chat_template)


def _kind(tensor: ShapeTensor, quant: Quant) -> str:
    return quant if tensor.role == "matrix" and tensor.dims[0] % 32 == 0 else "F32"


def _size(tensor: ShapeTensor, kind: str) -> int:
    count = math.prod(tensor.dims)
    return count // 32 * BLOCKS[kind][0] if kind in BLOCKS else count * (2 if kind == "F16" else 4)


def _weights(tensor: ShapeTensor, kind: str, seed: int) -> Iterator[np.ndarray[Any, Any]]:
    """Yield the tensor's bytes, piece by piece, from a generator of its own."""
    generator = np.random.SFC64([seed, zlib.crc32(tensor.name.encode())])
    count = math.prod(tensor.dims)
    if tensor.role == "ones":
        yield np.ones(count, np.float32)
    elif tensor.role == "decay":
        yield np.tile(-np.arange(1, tensor.dims[0] + 1, dtype=np.float32), count // tensor.dims[0])
    else:
        vocabulary = tensor.name in ("token_embd.weight", "output.weight")
        deviation = (LOGIT_SPREAD if vocabulary else 1.0) / math.sqrt(tensor.dims[0])
        if tensor.role == "small":
            deviation = 0.1
        blocks = count // 32
        if kind in BLOCKS:
            for start in range(0, blocks, PIECE_BLOCKS):
                yield _blocks(generator, kind, min(PIECE_BLOCKS, blocks - start), deviation)
        else:
            floats = np.random.Generator(generator)
            for start in range(0, count, 32 * PIECE_BLOCKS):
                piece = floats.standard_normal(min(32 * PIECE_BLOCKS, count - start), np.float32) * np.float32(
                    deviation
                )
                yield piece.astype(np.float16) if kind == "F16" else piece


def _blocks(generator: np.random.SFC64, kind: str, count: int, deviation: float) -> np.ndarray[Any, Any]:
    width, spread = BLOCKS[kind]
    words = generator.random_raw((count * width + 7) // 8)
    blocks = words.view(np.uint8)[: count * width].reshape(count, width)
    # Random sign: four bits are centred on −½, which would otherwise add up over a row.
    scales = np.where(blocks[:, 0] & 1, deviation / spread, -deviation / spread).astype(np.float16)
    blocks[:, :2] = scales.view(np.uint8).reshape(count, 2)
    return blocks


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.models", description="Write a GGUF with random weights.")
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("path", type=Path)
    parser.add_argument("--quant", choices=get_args(Quant), default="Q8_0")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--name")
    arguments = parser.parse_args()
    logging.getLogger("gguf").setLevel(logging.WARNING)
    write_model(
        arguments.path, SHAPES[arguments.shape], quant=arguments.quant, seed=arguments.seed, name=arguments.name
    )
    print(f"{arguments.path}: {arguments.path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
