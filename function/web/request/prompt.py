"""Prompt of a request: the tokens to read and how the reply is held."""

from collections.abc import Callable
from dataclasses import dataclass

from function.engine import Grammar


@dataclass(frozen=True, slots=True)
class Prompt:
    """Tokens to read, and the form of the reply.

    ``param``: the request's field it is from; ``echo``: its text, where the reply repeats it.

    ``grammar``: what the reply must look like; ``shown``: control tokens that are text in it;
    ``stops`` takes the reply's text as it comes and returns true where a stop string ends it.
    """

    tokens: tuple[int, ...]
    param: str = "messages"
    echo: str | None = None
    grammar: Grammar | None = None
    shown: frozenset[int] = frozenset()
    stops: Callable[[str], bool] | None = None
