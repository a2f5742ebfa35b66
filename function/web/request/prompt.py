"""Prompt of a request: the tokens to read and how the reply is held."""

from dataclasses import dataclass

from function.engine import Grammar


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the model is to read. ``param``: the request's field it is from; ``echo``: its text, if that is told too.

    ``grammar``: what the reply must look like; ``shown``: control tokens that are text in it.
    """

    tokens: tuple[int, ...]
    param: str = "messages"
    echo: str | None = None
    grammar: Grammar | None = None
    shown: frozenset[int] = frozenset()
