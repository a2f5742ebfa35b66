"""Checks of single architectures, for assertions and divisions in llama.cpp that would end the process.

Names as in llama-arch.cpp, as of llama-cpp-python 0.3.36. docs/decisions/0006-header-gate.md has the reason for a list.
"""

from function.errors import ModelError, NotGGUF
from function.gguf.fields import Fields

# llm_arch_is_recurrent and llm_arch_is_hybrid in llama-arch.cpp, and deci, whose graph skips layers without
# heads (models/deci.cpp). All others divide by the heads or attend with them: olmo2.cpp and phimoe.cpp, on loading.
HEADLESS = ("mamba", "mamba2", "rwkv6", "rwkv6qwen2", "rwkv7", "arwkv7",
            "jamba", "falcon-h1", "plamo2", "granitehybrid", "lfm2", "lfm2moe", "nemotron_h", "nemotron_h_moe",
            "qwen3next", "kimi-linear", "bailingmoe3", "kimi-k3", "glm5-next", "qwen35", "qwen35moe", "qwen4exp",
            "deepseek4", "minimax-01",
            "deci")  # fmt: skip
# GGML_ASSERT(n_expert > 0) and (n_expert_used > 0) in load_arch_tensors of models/*.cpp;
# other architectures that need experts refuse with an error.
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
                 "hunyuan_vl", "hy_v3", "internlm2", "jais2", "llada", "llada-moe", "llama", "llama-embed", "llama4",
                 "maincoder", "mellum", "minicpm", "mistral3", "olmo", "olmo2", "olmoe", "orion", "paddleocr",
                 "pangu-embedded", "plamo", "qwen2",
                 "qwen2moe", "qwen2vl", "qwen3", "qwen3moe", "qwen3tts", "qwen3vl", "qwen3vlmoe", "rnd1", "seed_oss",
                 "smallthinker", "smollm3", "starcoder2", "talkie", "xverse")  # fmt: skip
LATENT = ("deepseek2", "mistral4", "hy_v4")  # GGML_ASSERT(n_embd_head_qk_nope >= 1)
INDEXED = ("deepseek32", "dots3note", "glm-dsa")  # GGML_ASSERT(n_rot <= n_embd_indexer_head)
DRAFTS = ("dflash", "eagle3", "gemma4-assistant")  # GGML_ASSERT(cparams.ctx_other != nullptr)
# Models in which some layers attend and some keep a state. If one kind has no layers, its input gets no buffer,
# which llm_graph_input_mem_hybrid asserts. In these, layers without heads of keys keep a state:
BY_HEADS = ("bailingmoe3", "glm5-next", "granitehybrid", "jamba", "kimi-k3", "kimi-linear", "lfm2", "lfm2moe",
            "nemotron_h", "nemotron_h_moe", "plamo2")  # fmt: skip
BY_WIDTH = ("nemotron_h", "nemotron_h_moe")  # and layers with a feed-forward network do neither
# In these each n-th layer attends, unless the header lists the layers. The values are llama.cpp's defaults of n.
BY_INTERVAL = {"minimax-01": 8, "qwen35": 4, "qwen35moe": 4, "qwen3next": 4, "qwen4exp": 4}
DOUBLED = ("granitehybrid", "jamba")  # GGML_ASSERT(2 * n_embd == d_inner)
# d_inner % n_head in mamba-base.cpp and plamo2.cpp, d_inner / n_group on loading.
PARTED = ("falcon-h1", "granitehybrid", "mamba2", "nemotron_h", "nemotron_h_moe", "plamo2")
RWKV = ("arwkv7", "rwkv6", "rwkv6qwen2", "rwkv7")  # n_embd / head_size
# Numbers that llama.cpp asserts or divides by if the header has them; otherwise it refuses or uses a default.
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
    """Return the query heads of each layer; 0 only where llama.cpp accepts it. Raises NotGGUF."""
    if fields.architecture in HEADLESS:
        return fields.per_layer("attention.head_count", layers, 0, most, 0)
    return fields.per_layer("attention.head_count", layers, 1, most)


def check_experts(fields: Fields, layers: int, most: int) -> None:
    """Check that a mixture of experts has some and uses them. Raises NotGGUF."""
    if fields.architecture in MIXTURES:
        experts = fields.integer("expert_count", 1, most)
        fields.per_layer("expert_used_count", layers, 1, experts)


def check_sections(fields: Fields, rotated: int) -> None:
    """Check the sections of rope, which divide ``rotated`` elements of a head. Raises NotGGUF."""
    key = f"{fields.architecture}.{SECTIONS}"
    needed = fields.architecture in SECTIONED
    if not needed and key not in fields.metadata:
        return
    # llama.cpp reads exactly four. Other architectures use them if the header has them.
    sections = fields.per_layer(SECTIONS, 4, 0, max(rotated, 1))
    if sum(sections) > rotated or ((needed or any(sections)) and not any(sections[:3])):
        raise NotGGUF(
            f"{key} is {', '.join(map(str, sections))}: no division of {rotated} elements among the first three.",
            key=key,
        )


def check_role(architecture: str) -> None:
    """Check that the model is not only a draft model. Raises ModelError."""
    if architecture in DRAFTS:
        raise ModelError(
            f"The model is a draft model ({architecture}): it only drafts for another model.", architecture=architecture
        )


def check_numbers(fields: Fields, layers: int) -> None:
    """Check the numbers that only some architectures have. Raises NotGGUF."""
    name = fields.architecture
    for key, (low, high) in RANGES.get(name, {}).items():
        fields.integer(key, low, high, low)
    if name == "nanbeige":  # GGML_ASSERT(n_loops_u >= 1), and that all loops together are not too many layers
        fields.integer("num_loops", 1, 512 // layers, 1)
    if name == "hrm_text":  # GGML_ASSERT(hparams.n_layer() == n_slot)
        stack, high, low = (
            fields.integer(f"hrm.{key}", 1, layers) for key in ("layers_per_stack", "h_cycles", "l_cycles")
        )
        if stack * high * (low + 1) != layers:
            raise NotGGUF(f"The header has {layers} layers, not {high} × {low + 1} stacks of {stack}.")


def check_rotation(fields: Fields, rotated: int, key: int, value: int) -> None:
    """Check the count of ``rotated`` elements of heads with ``key`` and ``value`` elements. Raises NotGGUF."""
    name = fields.architecture
    if name in ROTATED_WHOLE and not rotated == key == value:
        raise NotGGUF(f"Of a head's {key} and {value} elements {rotated} are rotated; {name} rotates all of them.")
    if name in LATENT:
        whole = fields.integer("attention.key_length_mla", 0, 1 << 20, 0) or key
        if rotated >= whole:
            raise NotGGUF(f"Of a key's {whole} elements {rotated} are rotated; {name} does not rotate all.")
    if name in INDEXED:
        fields.integer("attention.indexer.key_length", rotated, 1 << 20, rotated)


def check_kinds(fields: Fields, kv_heads: tuple[int, ...]) -> None:
    """Check that a hybrid model has layers that attend and layers that keep a state. Raises NotGGUF."""
    name, layers = fields.architecture, len(kv_heads)
    decoding = layers - fields.integer("nextn_predict_layers", 0, layers - 1, 0)
    if name in BY_HEADS:
        widths = fields.per_layer("feed_forward_length", layers, 0, 1 << 31, 0)
        others = [name in BY_WIDTH and width > 0 for width in widths]
        key, attends = (
            "attention.head_count_kv",
            [bool(count) for count, other in zip(kv_heads, others, strict=True) if not other],
        )
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
            f"By {name}.{key} {which} of {len(attends)} layers attend; in a {name} some attend and some keep a state."
        )


def check_state(fields: Fields, embedding: int) -> None:
    """Check the division of the state that layers keep. Raises NotGGUF."""
    name = fields.architecture
    inner = fields.integer("ssm.inner_size", 1, 1 << 20, 2 * embedding) if name in (*PARTED, *DOUBLED) else 0
    if name in DOUBLED and inner != 2 * embedding:
        raise NotGGUF(f"{name}.ssm.inner_size is {inner:,}, not twice the {embedding:,} of the embedding.")
    for key in ("ssm.time_step_rank", "ssm.group_count") if name in PARTED else ():
        if (key, name) != ("ssm.group_count", "plamo2"):  # it has no groups
            parts = fields.integer(key, 1, inner, 1)
            if inner % parts:
                raise NotGGUF(f"{name}.{key} is {parts:,}, no divisor of the state's {inner:,} elements.")
    if name in RWKV:
        size = fields.integer("wkv.head_size", 1, 1 << 20, 1)
        if embedding % size:
            raise NotGGUF(f"{name}.wkv.head_size is {size:,}, no divisor of the embedding's {embedding:,} elements.")
