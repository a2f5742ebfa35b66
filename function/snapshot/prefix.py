"""Prefix: the tokens that every conversation with one system prompt starts with."""

from itertools import takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from function.engine import Engine

PROBES = ("a", "Z", "1", "\u00e9")
"""Questions that have no first character in common."""


def find_prefix(engine: "Engine", system_prompt: str) -> tuple[int, ...]:
    """Return the tokens that any two conversations have in common, in whole chunks; empty if less than one chunk.

    Raises RequestError if the chat template rejects system messages.
    """
    system = {"role": "system", "content": system_prompt}
    prompts = [engine.tokenize_chat([system, {"role": "user", "content": probe}]) for probe in PROBES]
    shared = takewhile(lambda tokens: len(set(tokens)) == 1, zip(*prompts, strict=False))
    common = min(len(list(shared)), engine.n_ctx - 1)
    return prompts[0][: common - common % engine.chunk]
