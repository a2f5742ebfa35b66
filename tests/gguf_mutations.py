"""Changes of an intact GGUF that leave it a GGUF: numbers that llama.cpp asserts, divides by and looks up."""

import contextlib
import random
from collections.abc import Callable

from tests.gguf_files import FORMS, STRING, File

NUMBERS = [0, 1, 2, 3, 5, 7, 31, 32, 33, 63, 64, 65, 255, 511, 512, 513, 1024, 65_535, 1 << 20, (1 << 31) - 1,
           1 << 31, (1 << 32) - 1]  # fmt: skip
FLOATS = [0.0, -1.0, 1e-38, 1e38, float("nan"), float("inf")]
TEXTS: list[str | bytes] = [
    *("llama", "gpt2", "none", "bert", "t5", "rwkv", "plamo2", "test", "default", "qwen2", "gemma3", "mamba"),
    *("yarn", "longrope", "", "\xff", "<0x0A>", "{% for %}", b"\xff\xfe", "x" * 300),
]
ARCHITECTURES = [
    "llama", "qwen2", "qwen3", "qwen2moe", "qwen3moe", "gemma2", "gemma3", "gemma3n", "gemma4", "phi3", "mamba",
    "mamba2", "jamba", "falcon", "falcon-h1", "gpt2", "deepseek2", "llama4", "gpt-oss", "granite", "lfm2",
    "rwkv6", "rwkv7", "deci", "command-r", "cohere2", "olmo2", "stablelm", "starcoder2", "smollm3", "glm4",
    "ernie4_5-moe", "exaone4", "grok", "minicpm3", "plamo2", "nemotron-h", "qwen3next", "hunyuan-moe",
]  # fmt: skip
# llama.cpp's table of architectures (LLM_ARCH_NAMES in llama-arch.cpp), as of llama-cpp-python 0.3.36.
TABLE = [
    "clip", "llama", "llama4", "deci", "falcon", "grok", "gpt2", "gptj", "gptneox", "mpt", "baichuan", "starcoder",
    "refact", "bert", "modern-bert", "nomic-bert", "nomic-bert-moe", "neo-bert", "jina-bert-v2", "jina-bert-v3",
    "eurobert", "bloom", "stablelm", "qwen", "qwen2", "qwen2moe", "qwen2vl", "qwen3", "qwen3moe", "qwen3next",
    "qwen3vl", "qwen3vlmoe", "qwen35", "qwen35moe", "qwen4exp", "phi2", "phi3", "phimoe", "plamo", "plamo2", "plamo3",
    "codeshell", "orion", "internlm2", "minicpm", "minicpm3", "gemma", "gemma2", "gemma3", "gemma3n", "gemma4",
    "gemma4-assistant", "gemma-embedding", "starcoder2", "mamba", "mamba2", "maple", "jamba", "falcon-h1", "xverse",
    "command-r", "cohere2", "cohere2moe", "dbrx", "olmo", "olmo2", "olmoe", "muse-glimmer", "openelm", "arctic",
    "deepseek", "deepseek2", "deepseek2-ocr", "deepseek32", "deepseek4", "chatglm", "glm4", "glm4moe", "glm-dsa",
    "bitnet", "t5", "t5encoder", "jais", "jais2", "nemotron", "nemotron_h", "nemotron_h_moe", "exaone", "exaone4",
    "exaone-moe", "rwkv6", "rwkv6qwen2", "rwkv7", "arwkv7", "granite", "granitemoe", "granitehybrid", "graniteswitch",
    "granite_swa", "chameleon", "wavtokenizer-dec", "plm", "bailingmoe", "bailingmoe2", "bailingmoe3", "dots1",
    "dots3note", "arcee", "afmoe", "laguna", "ernie4_5", "ernie4_5-moe", "hunyuan-moe", "hunyuan-dense", "hunyuan_vl",
    "hy_v3", "hy_v4", "smollm3", "gpt-oss", "lfm2", "lfm2moe", "dream", "smallthinker", "llada", "llada-moe",
    "seed_oss", "grovemoe", "apertus", "minimax-01", "hrm_text", "minimax-m2", "minimax-m3", "cogvlm", "rnd1",
    "pangu-embedded", "mistral3", "eagle3", "dflash", "mistral4", "paddleocr", "mimo2", "step35", "spark2_5",
    "llama-embed", "maincoder", "kimi-linear", "kimi-k3", "glm5-next", "talkie", "mellum", "nanbeige", "qwen3tts",
    "pockettts",
]  # fmt: skip
EXTRA = ["attention.head_count_kv", "attention.key_length", "attention.value_length", "attention.sliding_window",
         "attention.sliding_window_pattern", "rope.dimension_count", "rope.scaling.type", "rope.scaling.factor",
         "rope.freq_base", "rope.dimension_sections", "expert_count", "expert_used_count", "expert_group_count",
         "expert_group_used_count", "nextn_predict_layers", "interleave_moe_layer_step", "full_attention_interval",
         "leading_dense_block_count", "vocab_size", "feed_forward_length", "logit_scale", "pooling_type",
         "attention.causal", "attention.layer_norm_rms_epsilon", "attention.shared_kv_layers", "ssm.conv_kernel",
         "ssm.inner_size", "ssm.state_size", "ssm.time_step_rank", "ssm.group_count", "token_shift_count",
         "attention.key_length_mla", "attention.kv_lora_rank", "embedding_length_out", "dense_2_feat_out",
         "rope.scaling.original_context_length", "attention.clamp_kqv", "attention.max_alibi_bias",
         "decoder_block_count", "embedding_length_per_layer_input", "altup.num_inputs"]  # fmt: skip


def _number(file: File, chance: random.Random) -> None:
    key = chance.choice([key for key in file.keys if key.type in FORMS])
    key.type, key.value = _scalar(chance, key.type)


def _scalar(chance: random.Random, like: int = 4) -> tuple[int, int | float | bool]:
    kind = chance.choice([like] * 8 + [4, 5, 6, 7, 10])
    if kind in (6, 12):
        return kind, chance.choice(FLOATS)
    if kind == 7:
        return kind, chance.random() < 0.5
    bits = {0: 8, 1: 7, 2: 16, 3: 15, 4: 32, 5: 31, 10: 64, 11: 63}[kind]
    return kind, chance.choice(NUMBERS) % (1 << bits)


def _text(file: File, chance: random.Random) -> None:
    chance.choice([key for key in file.keys if key.type == STRING]).value = chance.choice(TEXTS)


def _added(file: File, chance: random.Random) -> None:
    architecture = file["general.architecture"].value
    name = f"{architecture}.{chance.choice(EXTRA)}"
    draw = chance.random()
    if draw < 0.2:
        file.set(name, 9, [chance.choice(NUMBERS) for _ in range(chance.choice([0, 1, 2, 4, 6, 30]))], 4)
    elif draw < 0.3:
        file.set(name, STRING, chance.choice(TEXTS))
    else:
        kind, value = _scalar(chance)
        file.set(name, kind, value)


def _dropped(file: File, chance: random.Random) -> None:
    file.keys.remove(chance.choice(file.keys))


def _architecture(file: File, chance: random.Random) -> None:
    rename(file, chance.choice(ARCHITECTURES))


def rename(file: File, new: str) -> None:
    """Rename the architecture of ``file`` and all of its keys."""
    old = file["general.architecture"].value
    for key in file.keys:
        if isinstance(key.name, str) and key.name.startswith(f"{old}."):
            key.name = new + key.name.removeprefix(old)
    file["general.architecture"].value = new


def _token(file: File, chance: random.Random) -> None:
    names = [key.name for key in file.keys if key.item is not None]
    key = file[str(chance.choice(names))]
    where = chance.randrange(len(key.value))
    if key.item == STRING:
        key.value[where] = chance.choice([*TEXTS, key.value[0]])
    elif key.item == 6:
        key.value[where] = chance.choice(FLOATS)
    elif key.item is not None:
        key.value[where] = chance.choice([0, 1, 2, 3, 4, 5, 6, 7, 100])


def _types(file: File, chance: random.Random) -> None:
    """Change the types of a run of tokens."""
    key = file["tokenizer.ggml.token_type"]
    start = chance.randrange(len(key.value))
    key.value[start : start + 300] = [chance.randrange(8)] * len(key.value[start : start + 300])


def _shorter(file: File, chance: random.Random) -> None:
    key = file[str(chance.choice([key.name for key in file.keys if key.item is not None]))]
    del key.value[chance.randrange(len(key.value)) :]


def _tensor(file: File, chance: random.Random) -> None:
    from function.gguf.types import TENSOR_TYPES

    tensor = chance.choice(file.tensors)
    draw = chance.random()
    if draw < 0.5:  # another type, with as many bytes as it needs
        number = chance.choice(list(TENSOR_TYPES))
        kind, elements = TENSOR_TYPES[number], 1
        for dim in tensor.dims:
            elements *= dim
        tensor.type, tensor.data = number, chance.randbytes(elements // kind.elements * kind.size)
    elif draw < 0.65:
        file.tensors.remove(tensor)
    elif draw < 0.8:
        tensor.dims.reverse()
    elif draw < 0.9:
        tensor.name = chance.choice(file.tensors).name + chance.choice(["", "x", ".scale"])  # type: ignore[operator]  # names of healthy files are str
    else:
        tensor.data = chance.randbytes(len(tensor.data))


def _bytes(file: File, chance: random.Random) -> None:
    """Mark that ``mutate`` changes bytes of the header."""


MUTATIONS: list[Callable[[File, random.Random], None]] = [
    _number, _number, _number, _text, _added, _added, _added, _dropped, _architecture, _token, _token, _types, _shorter,
    _tensor, _tensor, _tensor, _bytes,
]  # fmt: skip


def mutate(file: File, chance: random.Random) -> bytes:
    """Change ``file`` in one to three ways; return the bytes."""
    mutations = [chance.choice(MUTATIONS) for _ in range(chance.choice([1, 1, 1, 2, 3]))]
    for mutation in mutations:
        # A mutation may have removed the part that the next one changes.
        with contextlib.suppress(StopIteration, IndexError, ValueError):
            mutation(file, chance)
    raw = bytearray(file.dump())
    if _bytes in mutations:
        for _ in range(chance.choice([1, 4, 16])):
            raw[chance.randrange(min(len(raw), 40_000))] = chance.randrange(256)
    return bytes(raw)
