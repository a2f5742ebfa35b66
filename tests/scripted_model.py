"""GGUF models that write a given text: each token of the vocabulary has one successor.

The weights are a table of successors: an embedding of one hot element per token, a layer of zeros, and an output matrix
that maps each token to the next. The reply begins with the successor of the prompt's last token: a chat template can
choose among several replies by the character that it ends with.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import gguf
import numpy as np

from tools.vocabulary import CHATML, byte_letters

END = "<|im_end|>"
HEAD_WIDTH = 64
CERTAINTY = 2.0
"""Weight of the successor; its logit exceeds all others by at least 30."""


def write_scripted_model(
    path: Path, replies: Mapping[str, str], *, template: str = CHATML, name: str = "scripted", n_ctx: int = 2048
) -> Path:
    """Write a model that writes ``replies[c]`` after a prompt whose last character is ``c``; return the path."""
    letters = byte_letters()
    scripts = {start: list(split(reply)) for start, reply in replies.items()}
    # The pieces of a reply are tokens of their own: each occurs once, and so has one successor.
    pieces: list[str] = []
    successors: dict[int, int] = {}
    end = 256
    for start, script in scripts.items():
        token = start.encode()[-1]
        for piece in script:
            successors[token] = token = 257 + len(pieces)
            pieces.append("".join(letters[byte] for byte in piece.encode()))
        successors[token] = end
    tokens = [*letters, END, *pieces]
    assert len(set(tokens)) == len(tokens), "two replies share a piece; change one of them"
    width = -(-len(tokens) // HEAD_WIDTH) * HEAD_WIDTH
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name(name)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_context_length(n_ctx)
    writer.add_embedding_length(width)
    writer.add_block_count(1)
    writer.add_feed_forward_length(32)
    writer.add_head_count(width // HEAD_WIDTH)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([1] * 256 + [3] + [1] * len(pieces))
    writer.add_token_merges(["ÿ þ"])
    writer.add_bos_token_id(end)
    writer.add_eos_token_id(end)
    writer.add_add_bos_token(False)
    writer.add_chat_template(template)
    output = np.zeros((len(tokens), width), np.float32)
    for token, successor in successors.items():
        output[successor, token] = CERTAINTY
    zeros = {
        "attn_q": (width, width), "attn_k": (HEAD_WIDTH, width), "attn_v": (HEAD_WIDTH, width),
        "attn_output": (width, width),
        "ffn_gate": (32, width), "ffn_up": (32, width), "ffn_down": (width, 32),
    }  # fmt: skip
    writer.add_tensor("token_embd.weight", np.eye(len(tokens), width, dtype=np.float32))
    writer.add_tensor("output_norm.weight", np.ones(width, np.float32))
    writer.add_tensor("output.weight", output)
    for norm in ("attn_norm", "ffn_norm"):
        writer.add_tensor(f"blk.0.{norm}.weight", np.ones(width, np.float32))
    for tensor, shape in zeros.items():
        writer.add_tensor(f"blk.0.{tensor}.weight", np.zeros(shape, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def split(text: str) -> Iterator[str]:
    """Yield ``text`` in pieces of at least two bytes, no two of which are equal."""
    seen: set[str] = set()
    piece = ""
    rest = text
    while rest:
        piece, rest = piece + rest[0], rest[1:]
        if len(piece.encode()) > 1 and piece not in seen and (not rest or rest[0] == " "):
            seen.add(piece)
            yield piece
            piece = ""
    assert not piece, f"the text ends in {piece!r}, which it has before"
