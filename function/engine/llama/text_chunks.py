"""Long texts, cut for a tokenizer that must not be given long texts. Pure.

llama.cpp splits text with ``std::regex`` for many vocabularies, which recurses once per character and overflows the
stack: 32,000 letters without a space kill the process. Its search for special tokens takes the square of the text's
length: a minute for a megabyte of them.
"""

from collections.abc import Callable, Iterator

LIMIT = 4096
"""Characters of a segment; a quarter of what a thread's usual stack of 8 MiB was seen to bear."""
_MARKUP = frozenset("<[|")
_LONGEST_SPECIAL = 48


def text_chunks(text: str, limit: int = LIMIT) -> Iterator[str]:
    """``text`` in pieces of at most ``limit`` characters, joined equal to it; one piece when it is short.

    It is cut where every tokenizer cuts by itself, between two words or after a line, so that the tokens are those of
    the whole; in a text without such a place, away from anything that looks like a special token.
    """
    start = 0
    while len(text) - start > limit:
        end = _cut(text, start + limit // 2, start + limit)
        yield text[start:end]
        start = end
    yield text[start:]


def _cut(text: str, low: int, high: int) -> int:
    for fits in (_between_words, _after_line, _inside_run):
        found = _last(fits, text, low, high)
        if found is not None:
            return found
    return high


def _last(fits: Callable[[str, int], bool], text: str, low: int, high: int) -> int | None:
    return next((at for at in range(high, low, -1) if fits(text, at)), None)


def _between_words(text: str, at: int) -> bool:
    return text[at] == " " and text[at - 1].isalpha() and text[at + 1 : at + 2].isalpha()


def _after_line(text: str, at: int) -> bool:
    return text[at - 1] == "\n" and not text[at].isspace()


def _inside_run(text: str, at: int) -> bool:
    return _MARKUP.isdisjoint(text[at - _LONGEST_SPECIAL : at])
