"""How much a value from a template is, before anything is made of it."""

from collections.abc import ItemsView, KeysView, Mapping, ValuesView
from typing import Any, NamedTuple

from jinja2.exceptions import TemplateError

TEXT_LIMIT = 16 << 20
"""Characters of a rendered prompt, or of a value on the way to it."""
VALUES = 200_000
"""Values inside of one value, each counted as often as it appears: a list of a list of a list, each twice in the next,
takes no memory, and its text all there is."""
_DEPTH = 200
"""Levels of values inside of one value: Python hashes tuples in tuples by recursion, as deep as C's stack or deeper."""
_BITS = 1 << 12
"""Bits of a whole number."""
_WORK = 1 << 28
"""Steps that one call may take, each a nanosecond or so, with the interpreter's lock held."""
_CONTAINERS = (list, tuple, set, frozenset, Mapping, KeysView, ValuesView, ItemsView)


class TooMuch(TemplateError):
    """The template went beyond its bounds."""


class Weight(NamedTuple):
    """What is inside of a value: values, levels of them, and characters of their texts and numbers."""

    values: int
    depth: int
    size: int


def check_size(size: float) -> None:
    """Raise TooMuch for a text of ``size`` characters that is too long."""
    if size > TEXT_LIMIT:
        raise TooMuch(f"It makes something larger than {TEXT_LIMIT:,} characters.")


def check_count(count: float) -> None:
    """Raise TooMuch for something of ``count`` entries that are too many."""
    if count > VALUES:
        raise TooMuch(f"It makes something of more than {VALUES:,} values.")


def check_bits(bits: float) -> None:
    """Raise TooMuch for a number of ``bits`` bits that is too large: it would be computed with for ever."""
    if bits > _BITS:
        raise TooMuch(f"It makes a number of more than {_BITS:,} bits.")


def check_work(*lengths: int) -> None:
    """Raise TooMuch for what looks at each of so many characters for each of so many others."""
    steps = 1
    for length in lengths:
        steps *= length
    if steps > _WORK:
        raise TooMuch(f"It takes more than {_WORK:,} steps at once.")


def length_of(value: Any) -> int:
    """Characters or entries; 0 of what has none."""
    return len(value) if hasattr(value, "__len__") else 0


def measure(value: Any) -> Weight:
    """Look at all that is inside of ``value``. Raises TooMuch where that would be without an end, and for bytes."""
    values = depth = size = 0
    level = [value]
    while level:
        depth += 1
        values += len(level)
        check_count(values)
        if depth > _DEPTH:
            raise TooMuch(f"It puts values into each other more than {_DEPTH} times.")
        inside: list[Any] = []
        for one in level:
            if isinstance(one, str):
                size += len(one)
            elif isinstance(one, int):
                check_bits(one.bit_length())
                size += one.bit_length() // 3
            elif isinstance(one, _CONTAINERS):
                check_count(len(inside) + len(one))
                inside.extend(one)
                if isinstance(one, Mapping):
                    inside.extend(one.values())
            elif isinstance(one, (bytes, bytearray, memoryview)):
                raise TooMuch("It makes bytes, which no prompt is made of.")
        level = inside
    check_size(size)
    return Weight(values, depth, size)


def weigh(value: Any) -> Any:
    """``value``, which may be written, hashed and compared. Raises TooMuch where that would be without an end."""
    if value is not None:
        measure(value)
    return value
