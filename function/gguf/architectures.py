"""What llama.cpp asserts of single architectures, or divides by, without an error of its own: the process would end.

Names as in llama-arch.cpp, as of llama-cpp-python 0.3.36.
"""

from function.errors import ModelError, NotGGUF
from function.gguf.fields import Fields

# llm_arch_is_recurrent and llm_arch_is_hybrid in llama-arch.cpp, and deci, whose graph passes over layers without
# heads (models/deci.cpp). All others divide by the heads or attend with them: olmo2.cpp and phimoe.cpp, on loading.
HEADLESS = ("mamba", "mamba2", "rwkv6", "rwkv6qwen2", "rwkv7", "arwkv7",
            "jamba", "falcon-h1", "plamo2", "granitehybrid", "lfm2", "lfm2moe", "nemotron_h", "nemotron_h_moe",
            "qwen3next", "kimi-linear", "bailingmoe3", "kimi-k3", "glm5-next", "qwen35", "qwen35moe", "qwen4exp",
            "deepseek4", "minimax-01",
            "deci")  # fmt: skip
# GGML_ASSERT(n_expert > 0) and (n_expert_used > 0) in load_arch_tensors of models/*.cpp; the others that need experts
# refuse with an error.
MIXTURES = ("bailingmoe2", "glm4moe", "grovemoe", "lfm2moe", "llada-moe", "smallthinker")
# LLAMA_ROPE_TYPE_MROPE and IMROPE whatever the header says, in llama_model_rope_type of llama-model.cpp. ggml's CPU
# rope (ggml_compute_forward_rope_flt) asserts one of the first three sections and divides by the sum of all.
SECTIONED = ("qwen2vl", "paddleocr", "qwen3vl", "qwen3vlmoe", "qwen35", "qwen35moe", "qwen4exp", "qwen3tts")
SECTIONS = "rope.dimension_sections"
RECURRENT = "attention.recurrent_layers"
# GGML_ASSERT(n_embd_head == n_rot), of values' heads and keys', in the graphs of models/*.cpp.
ROTATED_WHOLE = ("apertus", "arcee", "arctic", "baichuan", "chameleon", "codeshell", "cogvlm", "cohere2moe", "dbrx",
                 "deepseek", "dots1", "dream", "ernie4_5", "ernie4_5-moe", "exaone", "exaone-moe", "exaone4", "falcon",
                 "granite",
                 "granite_swa", "granitemoe", "graniteswitch", "grok", "grovemoe", "hunyuan-dense", "hunyuan-moe",
                 "hunyuan_vl", "hy_v3", "internlm2", "jais2", "llada", "llada-moe", "llama", "llama4", "maincoder",
                 "mellum", "minicpm", "mistral3", "olmo", "olmo2", "olmoe", "orion", "paddleocr", "plamo", "qwen2",
                 "qwen2moe", "qwen2vl", "qwen3", "qwen3moe", "qwen3tts", "qwen3vl", "qwen3vlmoe", "rnd1", "seed_oss",
                 "smallthinker", "smollm3", "starcoder2", "talkie", "xverse")  # fmt: skip
LATENT = ("deepseek2", "mistral4", "hy_v4")  # GGML_ASSERT(n_embd_head_qk_nope >= 1)
INDEXED = ("deepseek32", "dots3note", "glm-dsa")  # GGML_ASSERT(n_rot <= n_embd_indexer_head)
DRAFTS = ("dflash", "eagle3", "gemma4-assistant")  # GGML_ASSERT(cparams.ctx_other != nullptr)
# Models in which some layers attend and some keep a state. The input of a kind that no layer is of gets no buffer,
# which llm_graph_input_mem_hybrid asserts. In these, layers without heads of keys keep a state:
BY_HEADS = ("bailingmoe3", "glm5-next", "granitehybrid", "jamba", "kimi-k3", "kimi-linear", "lfm2", "lfm2moe",
            "nemotron_h", "nemotron_h_moe", "plamo2")  # fmt: skip
# In these all do but each n-th, unless the header says of each; by the n that llama.cpp takes where there is none.
BY_INTERVAL = {"minimax-01": 8, "qwen35": 4, "qwen35moe": 4, "qwen3next": 4, "qwen4exp": 4}
DOUBLED = ("granitehybrid", "jamba")  # GGML_ASSERT(2 * n_embd == d_inner)
# d_inner % n_head in mamba-base.cpp and plamo2.cpp, d_inner / n_group on loading.
PARTED = ("falcon-h1", "granitehybrid", "mamba2", "nemotron_h", "nemotron_h_moe", "plamo2")
RWKV = ("arwkv7", "rwkv6", "rwkv6qwen2", "rwkv7")  # n_embd / head_size
# Numbers that are asserted of or divided by where they are there; where they are not, llama.cpp refuses or has its own.
RANGES: dict[str, dict[str, tuple[int, int]]] = {
    "deepseek4": {"attention.output_group_count": (1, 1 << 20), "hyper_connection.count": (4, 4)},
    "glm5-next": {"attention.indexer.kpool": (2, 1 << 20), "hyper_connection.count": (4, 4)},
    "grovemoe": {"experts_per_group": (1, 1 << 20)},
    "lfm2": {"shortconv.l_cache": (2, 1 << 20)},
    "lfm2moe": {"shortconv.l_cache": (2, 1 << 20)},
    "minimax-m3": {"attention.indexer.block_size": (1, 1 << 20)},
    "rwkv6": {"token_shift_count": (2, 2)},
    "rwkv7": {"token_shift_count": (2, 2)},
}


def heads(fields: Fields, layers: int, most: int) -> tuple[int, ...]:
    """The query heads of each layer; 0 only where llama.cpp takes that. Raises NotGGUF."""
    if fields.architecture in HEADLESS:
        return fields.per_layer("attention.head_count", layers, 0, most, 0)
    return fields.per_layer("attention.head_count", layers, 1, most)


def check_experts(fields: Fields, layers: int, most: int) -> None:
    """Check that a mixture of experts has some and uses them. Raises NotGGUF."""
    if fields.architecture in MIXTURES:
        experts = fields.integer("expert_count", 1, most)
        fields.per_layer("expert_used_count", layers, 1, experts)


def check_sections(fields: Fields, rotated: int) -> None:
    """Check the sections that rope is divided into; ``rotated`` elements of a head hold them. Raises NotGGUF."""
    key = f"{fields.architecture}.{SECTIONS}"
    needed = fields.architecture in SECTIONED
    if not needed and key not in fields.metadata:
        return
    # llama.cpp takes exactly four. Others than the SECTIONED use them if the header has them.
    sections = fields.per_layer(SECTIONS, 4, 0, max(rotated, 1))
    if sum(sections) > rotated or ((needed or any(sections)) and not any(sections[:3])):
        raise NotGGUF(
            f"{key} is {', '.join(map(str, sections))}: no division of {rotated} elements among the first three.",
            key=key,
        )


def check_role(architecture: str) -> None:
    """Check that the model answers by itself. Raises ModelError."""
    if architecture in DRAFTS:
        raise ModelError(
            f"The model is of the kind {architecture}: it only drafts for another model.", architecture=architecture
        )


def check_own(fields: Fields, layers: int) -> None:
    """Check the numbers that only this architecture has. Raises NotGGUF."""
    name = fields.architecture
    for key, (low, high) in RANGES.get(name, {}).items():
        fields.integer(key, low, high, low)
    if name == "nanbeige":  # GGML_ASSERT(n_loops_u >= 1), and that all turns together are not too many layers
        fields.integer("num_loops", 1, 512 // layers, 1)
    if name == "hrm_text":  # GGML_ASSERT(hparams.n_layer() == n_slot)
        stack, high, low = (
            fields.integer(f"hrm.{key}", 1, layers) for key in ("layers_per_stack", "h_cycles", "l_cycles")
        )
        if stack * high * (low + 1) != layers:
            raise NotGGUF(f"{layers} layers are not {high} × {low + 1} times the {stack} of a stack.")


def check_rotation(fields: Fields, rotated: int, key: int, value: int) -> None:
    """Check how many elements of a head are ``rotated``, where it has ``key`` and ``value`` ones. Raises NotGGUF."""
    name = fields.architecture
    if name in ROTATED_WHOLE and not rotated == key == value:
        raise NotGGUF(f"Of a head's {key} and {value} elements {rotated} are rotated; {name} rotates all.")
    if name in LATENT:
        whole = fields.integer("attention.key_length_mla", 0, 1 << 20, 0) or key
        if rotated >= whole:
            raise NotGGUF(f"Of a key's {whole} elements {rotated} are rotated; {name} does not rotate all.")
    if name in INDEXED:
        fields.integer("attention.indexer.key_length", rotated, 1 << 20, rotated)


def check_kinds(fields: Fields, kv_heads: tuple[int, ...]) -> None:
    """Check that of a model's layers some attend and some keep a state, where it is to have both. Raises NotGGUF."""
    name, layers = fields.architecture, len(kv_heads)
    decoding = layers - fields.integer("nextn_predict_layers", 0, layers - 1, 0)
    if name in BY_HEADS:
        key, attends = "attention.head_count_kv", [bool(count) for count in kv_heads]
    elif name not in BY_INTERVAL:
        return
    elif isinstance(states := fields.metadata.get(f"{name}.{RECURRENT}"), tuple):  # of truths or of numbers
        key, attends = RECURRENT, [not state for state in states[:decoding]]
    else:
        key = "full_attention_interval"
        every = fields.integer(key, 1, 1 << 20, BY_INTERVAL[name])
        attends = [number % every == 0 for number in range(1, decoding + 1)]
    if all(attends) or not any(attends):
        which = "all" if all(attends) else "none"
        raise NotGGUF(
            f"By {name}.{key} {which} of {len(attends)} layers attend; of a {name}'s some do, some keep a state."
        )


def check_state(fields: Fields, embedding: int) -> None:
    """Check how the state that layers keep divides. Raises NotGGUF."""
    name = fields.architecture
    inner = fields.integer("ssm.inner_size", 1, 1 << 20, 2 * embedding) if name in (*PARTED, *DOUBLED) else 0
    if name in DOUBLED and inner != 2 * embedding:
        raise NotGGUF(f"{name}.ssm.inner_size is {inner:,}, not twice the {embedding:,} of the embedding.")
    for key in ("ssm.time_step_rank", "ssm.group_count") if name in PARTED else ():
        if (key, name) != ("ssm.group_count", "plamo2"):  # which has none
            parts = fields.integer(key, 1, inner, 1)
            if inner % parts:
                raise NotGGUF(f"{name}.{key} is {parts:,}, no divisor of the state's {inner:,} elements.")
    if name in RWKV:
        size = fields.integer("wkv.head_size", 1, 1 << 20, 1)
        if embedding % size:
            raise NotGGUF(f"{name}.wkv.head_size is {size:,}, no divisor of the embedding's {embedding:,} elements.")
