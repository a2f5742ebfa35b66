"""Choice of a built-in template for a file without one, by vocabulary and name. Pure.

A wrong template gives bad replies without an error, so a file without evidence for one gets none.
"""

from collections.abc import Callable

_BY_TOKENS: tuple[tuple[str, tuple[str, ...]], ...] = (
    # Tokens that only this format uses. Subsets come after their supersets.
    ("phi4", ("<|im_start|>", "<|im_sep|>")),
    ("kimi-k2", ("<|im_user|>", "<|im_middle|>")),
    ("chatml", ("<|im_start|>", "<|im_end|>")),
    ("llama4", ("<|header_start|>", "<|header_end|>")),
    ("llama3", ("<|start_header_id|>", "<|end_header_id|>")),
    ("gemma", ("<start_of_turn>", "<end_of_turn>")),
    ("gpt-oss", ("<|start|>", "<|channel|>", "<|message|>")),
    ("command-r", ("<|START_OF_TURN_TOKEN|>", "<|USER_TOKEN|>")),
    ("deepseek3", ("<｜User｜>", "<｜Assistant｜>")),
    ("granite", ("<|start_of_role|>", "<|end_of_role|>")),
    ("mistral-v7", ("[SYSTEM_PROMPT]", "[INST]", "[/INST]")),
    ("mistral-v3", ("[INST]", "[/INST]", "[AVAILABLE_TOOLS]")),
    ("exaone3", ("[|system|]", "[|assistant|]", "[|endofturn|]")),
    ("chatglm4", ("[gMASK]", "<sop>", "<|user|>")),
    ("phi3", ("<|user|>", "<|assistant|>", "<|end|>")),
    ("zephyr", ("<|user|>", "<|assistant|>", "<|endoftext|>")),
)
_BY_NAME = (("tinyllama", "zephyr"), ("zephyr", "zephyr"), ("vicuna", "vicuna"), ("mistral", "mistral-v1"))
_LLAMA2_VOCABULARY = 32_000


def template_for(
    architecture: str, *, name: str | None, n_vocab: int, sentencepiece: bool, has: Callable[[str], bool]
) -> str | None:
    """Return the name of the template that fits, or None. ``has`` is true for a token of the vocabulary."""
    for template, tokens in _BY_TOKENS:
        if all(map(has, tokens)):
            return template
    if architecture == "llama" and sentencepiece and n_vocab == _LLAMA2_VOCABULARY:
        # Llama 2's vocabulary has no tokens that mark turns, and later models use it with formats of their own.
        lowered = (name or "").lower()
        return next((template for word, template in _BY_NAME if word in lowered), "llama2-sys-bos")
    return None
