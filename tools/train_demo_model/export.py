"""The GGUF: Q8_0 matrices, F32 norms, the tokenizer, the chat template; and the way back from it."""

from pathlib import Path

import numpy as np
import torch
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter, LlamaFileType, TokenType
from gguf.quants import dequantize, quantize
from tokenizers import Tokenizer

from tools.train_demo_model.config import ModelConfig
from tools.train_demo_model.model import Transformer
from tools.train_demo_model.tokenizer import END, END_OF_TEXT, SPECIAL, of_vocabulary

NO_MERGE = ["ÿ ÿ"]  # llama.cpp wants one: these are two bytes 255, which no text has

# What ``tokenizer.render`` says, for any list of messages: developers count as the system, tools as the user.
CHAT_TEMPLATE = """{%- for message in messages -%}
{%- set role = {'developer': 'system', 'tool': 'user', 'function': 'user'}.get(message['role'], message['role']) -%}
{{- '<|im_start|>' + role + '\\n' -}}
{%- if message['content'] is string -%}
{{- message['content'] -}}
{%- elif message['content'] -%}
{%- for part in message['content'] if part['type'] == 'text' -%}
{{- part['text'] -}}
{%- endfor -%}
{%- endif -%}
{{- '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|im_start|>assistant\\n' -}}
{%- endif -%}"""


def export(model: Transformer, tokenizer: Tokenizer, path: Path) -> None:
    """Write ``model`` and ``tokenizer`` to ``path``."""
    c = model.config
    partial = path.with_suffix(".tmp")
    w = GGUFWriter(partial, "llama")
    w.add_name("Demo")
    w.add_basename("demo")
    w.add_version("1")
    w.add_author("The authors of this repository")
    w.add_license("apache-2.0")
    w.add_description("A tiny chat model, trained by tools/train_demo_model on dialogues that it wrote itself.")
    w.add_languages(["en"])
    w.add_tags(["text-generation", "demo"])
    w.add_size_label(f"{sum(p.numel() for p in model.parameters()) / 1e6:.1f}M")
    w.add_file_type(LlamaFileType.MOSTLY_Q8_0)
    w.add_quantization_version(2)
    w.add_vocab_size(c.vocab)
    w.add_context_length(c.context)
    w.add_embedding_length(c.width)
    w.add_block_count(c.layers)
    w.add_feed_forward_length(c.hidden)
    w.add_head_count(c.heads)
    w.add_head_count_kv(c.kv_heads)
    w.add_rope_dimension_count(c.head_dim)
    w.add_rope_freq_base(c.rope_base)
    w.add_layer_norm_rms_eps(c.norm_eps)
    _add_tokenizer(w, tokenizer)
    for name, p in model.named_parameters():
        data = p.detach().cpu().numpy().astype(np.float32)
        full = name if name.endswith(".weight") else name + ".weight"
        if p.ndim == 2:
            q8 = GGMLQuantizationType.Q8_0
            w.add_tensor(full, quantize(data, q8), raw_dtype=q8)
        else:
            w.add_tensor(full, data)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    partial.replace(path)


def _add_tokenizer(w: GGUFWriter, tokenizer: Tokenizer) -> None:
    tokens = [str(tokenizer.id_to_token(i)) for i in range(tokenizer.get_vocab_size())]
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("llama-bpe")
    w.add_token_list(tokens)
    w.add_token_types([TokenType.CONTROL if token in SPECIAL else TokenType.NORMAL for token in tokens])
    w.add_token_merges(NO_MERGE)
    w.add_bos_token_id(tokenizer.token_to_id(END_OF_TEXT))
    w.add_eos_token_id(tokenizer.token_to_id(END))
    w.add_eot_token_id(tokenizer.token_to_id(END))
    w.add_pad_token_id(tokenizer.token_to_id(END_OF_TEXT))
    w.add_add_bos_token(False)
    w.add_add_space_prefix(False)
    w.add_chat_template(CHAT_TEMPLATE)


def restore(path: Path) -> tuple[Transformer, Tokenizer]:
    """The model and the tokenizer as ``path`` holds them: its weights are those rounded to Q8_0."""
    reader = GGUFReader(path)
    model = Transformer(ModelConfig())
    held = dict(model.named_parameters())
    for tensor in reader.tensors:
        p = held.pop(tensor.name, None)
        if p is None:
            p = held.pop(tensor.name.removesuffix(".weight"))
        with torch.no_grad():
            p.copy_(torch.from_numpy(dequantize(tensor.data, tensor.tensor_type).reshape(p.shape)))
    if held:
        raise ValueError(f"{path} lacks {', '.join(held)}")
    tokens = reader.fields["tokenizer.ggml.tokens"].contents()
    return model.eval(), of_vocabulary(tokens)
