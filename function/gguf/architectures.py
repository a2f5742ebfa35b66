"""What llama.cpp asserts of single architectures, or divides by, without an error of its own: the process would end.

Names as in llama-arch.cpp, as of llama-cpp-python 0.3.36.
"""

from function.errors import NotGGUF
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
