"""A small model in the place of the one that llama.cpp's tests download: its vocabulary has the same layout.

Its replies are endless: each token is chosen by the one before it, at random but never a control token or a lone byte.
"""

from pathlib import Path

import gguf
import numpy as np

from tools.vocabulary import BYTE, CHATML, CONTROL, NORMAL, UNKNOWN

WORDS = (
    "▁Hello", "▁the", "▁you", "▁are", "▁Write", "▁Knowledge", "▁December", "tion", "system", "user", "assistant",
    "<|im_start|>", "<|im_end|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>",
)  # fmt: skip
"""Words of the tests that are one token each, so that their prompts fit into their contexts."""
WIDTH, FEED_FORWARD = 64, 8192
"""Numbers of a layer that takes some milliseconds for a chunk of a prompt, so that its progress is seen."""


def write(path: Path) -> Path:
    """Write the model to ``path``; return the path."""
    # A whole name of a turn would be a token that ends a reply in llama.cpp: the last character is a token of its own.
    beginnings = [word[:length] for word in WORDS for length in range(2, len(word) + (not word.startswith("<|")))]
    pieces = list(dict.fromkeys(["▁", *(chr(code) for code in range(33, 127)), "\n", *beginnings]))
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *pieces]
    random = np.random.default_rng(0)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny stories")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_context_length(8192)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(1)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_types([UNKNOWN, CONTROL, CONTROL, *[BYTE] * 256, *[NORMAL] * len(pieces)])
    writer.add_token_scores([0.0] * 259 + [float(len(piece)) for piece in pieces])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_chat_template(CHATML)
    # The first element is the same for all tokens: it raises the logits of the pieces above all others.
    output = np.zeros((len(tokens), WIDTH), np.float32)
    output[259:] = random.normal(0, 0.12, (len(pieces), WIDTH))
    output[259:, 0] = 8
    embedding = random.normal(0, 1, (len(tokens), WIDTH)).astype(np.float32)
    embedding[:, 0] = 2
    writer.add_tensor("token_embd.weight", embedding)
    writer.add_tensor("output_norm.weight", np.ones(WIDTH, np.float32))
    writer.add_tensor("output.weight", output)
    for norm in ("attn_norm", "ffn_norm"):
        writer.add_tensor(f"blk.0.{norm}.weight", np.ones(WIDTH, np.float32))
    for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
        writer.add_tensor(f"blk.0.{name}.weight", np.zeros((WIDTH, WIDTH), np.float32))
    for name, shape in (
        ("ffn_gate", (FEED_FORWARD, WIDTH)),
        ("ffn_up", (FEED_FORWARD, WIDTH)),
        ("ffn_down", (WIDTH, FEED_FORWARD)),
    ):
        writer.add_tensor(f"blk.0.{name}.weight", np.zeros(shape, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
