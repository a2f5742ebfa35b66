"""The tokens with which every conversation under one system prompt begins."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from function.engine import Engine

QUESTIONS = ("a", "Z", "1", "\u00e9")
"""Questions that share no beginning."""


def prefix(engine: "Engine", system_prompt: str) -> tuple[int, ...]:
    """What the prompts of any two conversations have in common, in whole chunks; empty if that is less than one.

    Raises RequestError where the model's template takes no system message.
    """
    system = {"role": "system", "content": system_prompt}
    prompts = [engine.tokenize_chat([system, {"role": "user", "content": question}]) for question in QUESTIONS]
    shortest = min(map(len, prompts))
    common = next((i for i in range(shortest) if len({prompt[i] for prompt in prompts}) > 1), shortest)
    common = min(common, engine.n_ctx - 1)
    return prompts[0][: common - common % engine.chunk]
