"""Choice of a built-in template for a file without one: never ChatML by default."""

import pytest

from function.engine.template.builtin import template_for
from function.engine.template.template import builtin_names


def chosen(*tokens: str, architecture: str = "llama", name: str | None = None, n_vocab: int = 50_000) -> str | None:
    return template_for(architecture, name=name, n_vocab=n_vocab, sentencepiece=not tokens, has=tokens.__contains__)


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        (("<|im_start|>", "<|im_end|>"), "chatml"),
        (("<|start_header_id|>", "<|end_header_id|>"), "llama3"),
        (("<start_of_turn>", "<end_of_turn>"), "gemma"),
        (("<|user|>", "<|assistant|>", "<|end|>"), "phi3"),
        (("<|user|>", "<|assistant|>", "<|endoftext|>"), "zephyr"),
        (("[INST]", "[/INST]", "[AVAILABLE_TOOLS]"), "mistral-v3"),
    ],
)
def test_vocabulary_decides(tokens: tuple[str, ...], expected: str) -> None:
    assert chosen(*tokens) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [(None, "llama2-sys-bos"), ("LLaMA v2", "llama2-sys-bos"), ("mistralai_Mistral-7B", "mistral-v1")],
)
def test_llama_2_vocabulary_is_decided_by_name(name: str | None, expected: str) -> None:
    assert chosen(n_vocab=32_000, name=name) == expected


def test_unknown_vocabulary_gets_no_template() -> None:
    assert chosen() is None
    assert chosen("<|endoftext|>") is None
    assert chosen(architecture="gpt2", n_vocab=32_000) is None


def test_names_exist_in_llama_cpp() -> None:
    from function.engine.template import builtin

    names = {name for name, _ in builtin._BY_TOKENS} | {name for _, name in builtin._BY_NAME} | {"llama2-sys-bos"}
    assert names <= set(builtin_names())
