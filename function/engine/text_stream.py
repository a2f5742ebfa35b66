"""Incremental decoding of a reply's bytes into text, up to the first stop string. Pure; independent of tokens."""

import codecs
from collections.abc import Sequence


class TextStream:
    """Decodes bytes into text that is final.

    The joined text is the bytes decoded as UTF-8 (U+FFFD for invalid ones), cut before the first complete stop string,
    the longest if several end together. It does not depend on how the bytes were split. Incomplete characters, and an
    end that may be the beginning of a stop string, are held back.
    """

    def __init__(self, stop: Sequence[str] = ()) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._stop = tuple(word for word in stop if word)
        self._held = ""
        self.stop_word: str | None = None
        """Stop string that ended the text."""

    @property
    def stopped(self) -> bool:
        """True after a stop string; no text follows."""
        return self.stop_word is not None

    @property
    def is_between_characters(self) -> bool:
        """True unless a character is incomplete."""
        return not self._decoder.getstate()[0]

    def count_held(self, piece: bytes) -> int:
        """Return the number of held characters before the first one that ``piece``, which is fed next, is part of."""
        incomplete = self._decoder.getstate()[0]
        broken = bool(incomplete and piece and not _is_continuation(piece[0]))  # it becomes a U+FFFD of its own
        return len(self._held) + broken

    def feed(self, piece: bytes) -> str:
        """Return the text that is final after ``piece``; often empty."""
        return self._advance(self._decoder.decode(piece))

    def finish(self) -> str:
        """Return the held text, and U+FFFD for an incomplete character, after the last byte."""
        text = self._advance(self._decoder.decode(b"", final=True))
        held, self._held = self._held, ""
        return text + held

    def _advance(self, text: str) -> str:
        if self.stopped:
            return ""
        if not self._stop:
            return text
        text = self._held + text
        found = [(at + len(word), at) for word in self._stop if (at := text.find(word)) >= 0]
        if found:
            end, begin = min(found)
            self.stop_word = text[begin:end]
            self._held = ""
            return text[:begin]
        keep = max(_count_overlap(text, word) for word in self._stop)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]


def _is_continuation(byte: int) -> bool:
    """Return true for a continuation byte of UTF-8."""
    return byte & 0b1100_0000 == 0b1000_0000


def _count_overlap(text: str, word: str) -> int:
    """Return the length of the longest end of ``text`` that is a proper beginning of ``word``."""
    for length in range(min(len(text), len(word) - 1), 0, -1):
        if text.endswith(word[:length]):
            return length
    return 0
