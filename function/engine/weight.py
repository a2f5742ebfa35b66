"""How much a value from a template is, before anything is made of it."""

from collections.abc import Mapping
from typing import Any

from jinja2.exceptions import TemplateError

TEXT_LIMIT = 16 << 20
"""Characters of a rendered prompt, or of a value on the way to it."""
_VALUES = 200_000
"""Values inside of one value, each counted as often as it appears: a list of a list of a list, each twice in the next,
takes no memory, and its text all there is."""
_BITS = 1 << 14
"""Bits of a whole number."""


class TooMuch(TemplateError):
    """The template went beyond its bounds."""


def check_size(size: float) -> None:
    """Raise TooMuch for a text of ``size`` characters, or that many entries, that is too long."""
    if size > TEXT_LIMIT:
        raise TooMuch(f"It makes something larger than {TEXT_LIMIT:,} characters.")


def check_bits(bits: float) -> None:
    """Raise TooMuch for a number of ``bits`` bits that is too large: it would be computed with for ever."""
    if bits > _BITS:
        raise TooMuch(f"It makes a number of more than {_BITS:,} bits.")


def weigh(value: Any) -> Any:
    """``value``, which may be written, hashed and compared. Raises TooMuch where that would be without an end."""
    if not isinstance(value, (list, tuple, Mapping, set, frozenset)):
        return value
    size = count = 0
    left: list[Any] = [value]
    while left:
        one = left.pop()
        count += 1
        if isinstance(one, Mapping):
            left.extend(one.keys())
            left.extend(one.values())
        elif isinstance(one, (list, tuple, set, frozenset)):
            left.extend(one)
        elif isinstance(one, str):
            size += len(one)
        if count > _VALUES or len(left) > _VALUES:
            raise TooMuch(f"It makes something of more than {_VALUES:,} values.")
    check_size(size)
    return value
