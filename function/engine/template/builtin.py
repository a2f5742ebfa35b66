"""Which of llama.cpp's templates a file without one was trained for, by architecture, vocabulary and name. Pure.

A wrong guess answers badly and silently, so where nothing speaks for one, the answer is None.
"""

from collections.abc import Callable

_BY_TOKENS: tuple[tuple[str, tuple[str, ...]], ...] = (
    # Tokens that only this format uses; the more special ones first.
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
    """The name of the built-in template that fits, or None. ``has`` tells whether a token is in the vocabulary."""
    for template, tokens in _BY_TOKENS:
        if all(map(has, tokens)):
            return template
    if architecture == "llama" and sentencepiece and n_vocab == _LLAMA2_VOCABULARY:
        # Llama 2's vocabulary has no token for turns; others took it over and made up formats of their own.
        lowered = (name or "").lower()
        return next((template for word, template in _BY_NAME if word in lowered), "llama2-sys-bos")
    return None
