"""Texts of templates compared, without a cut inside of a mark or tag. Pure."""

import re

from function.dialect.syntax import MARK

_TAG = re.compile(rf"{MARK.pattern}|</?[A-Za-z][^<>\n]{{0,80}}>|<[\w:.-]+=?(?!\S*>)")
GROUP = re.compile(rf"(?:{MARK.pattern})(?:\w+(?:{MARK.pattern}))?")
"""A mark, or two with a word between them."""


def common(first: str, second: str) -> str:
    """Return the longest common beginning."""
    size = min(len(first), len(second))
    return first[: next((at for at in range(size) if first[at] != second[at]), size)]


def common_end(first: str, second: str) -> str:
    """Return the longest common end."""
    size = len(common(first[::-1], second[::-1]))
    return first[len(first) - size :]


def snapped(text: str, position: int) -> int:
    """Return ``position``, or the beginning of the tag that it is inside of."""
    return next((tag.start() for tag in _TAG.finditer(text) if tag.start() < position < tag.end()), position)


def mark_end(first: str, second: str) -> str:
    """Return the longest common end that does not begin inside of a tag of ``first``."""
    start = len(first) - len(common_end(first, second))
    return first[next((tag.end() for tag in _TAG.finditer(first) if tag.start() < start < tag.end()), start) :]


def text_between(text: str | None, first: str, second: str) -> str | None:
    """Return the text between the first ``first`` and the next ``second``; None where one is missing."""
    if text is None or first not in text:
        return None
    begin = text.find(first) + len(first)
    end = text.find(second, begin)
    return None if end < 0 else text[begin:end]


def is_special(mark: str) -> bool:
    """Return true for a mark that is written with a bar, as control tokens are."""
    return bool(re.search(r"[|｜]", mark)) and len(mark) > 3
