"""Chunks of a long text, short enough for llama.cpp's tokenizer. Pure.

For many vocabularies llama.cpp splits text with ``std::regex``, which recurses once per character and overflows the
stack: 32,000 letters without a space kill the process. Its search for special tokens is quadratic: a minute for a
megabyte of them.
"""

from collections.abc import Iterator

MAX_CHUNK_CHARACTERS = 4096
"""A quarter of the length that overflows a thread's usual stack of 8 MiB."""
_MARKUP = frozenset("<[|")
_MAX_SPECIAL_CHARACTERS = 48


def split_text(text: str, limit: int = MAX_CHUNK_CHARACTERS) -> Iterator[str]:
    """Split ``text`` into chunks of at most ``limit`` characters.

    It is cut where every tokenizer cuts, between two words or after a line, so that the tokens stay the same; in a text
    without such a place, away from characters of special tokens.
    """
    start = 0
    while len(text) - start > limit:
        end = _find_cut(text, start + limit // 2, start + limit)
        yield text[start:end]
        start = end
    yield text[start:]


def _find_cut(text: str, low: int, high: int) -> int:
    for is_cut in (_is_between_words, _is_after_line, _is_inside_run):
        found = next((at for at in range(high, low, -1) if is_cut(text, at)), None)
        if found is not None:
            return found
    return high


def _is_between_words(text: str, at: int) -> bool:
    return text[at] == " " and text[at - 1].isalpha() and text[at + 1 : at + 2].isalpha()


def _is_after_line(text: str, at: int) -> bool:
    return text[at - 1] == "\n" and not text[at].isspace()


def _is_inside_run(text: str, at: int) -> bool:
    return _MARKUP.isdisjoint(text[at - _MAX_SPECIAL_CHARACTERS : at])
