"""Token bytes → the text to show: whole characters, up to the first stop string. Pure; knows nothing of tokens."""

import codecs
from collections.abc import Sequence


class TextStream:
    """Takes bytes as they come and gives text that never has to be taken back.

    What is given, joined, is the bytes decoded as UTF-8 (U+FFFD for what is not), cut before the stop string that is
    complete first, the longest of those that are complete at once. It does not depend on how the bytes were split.
    Characters that are not whole yet, and ends that may be the beginning of a stop string, are held back.
    """

    def __init__(self, stop: Sequence[str] = ()) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._stop = tuple(word for word in stop if word)
        self._held = ""
        self.stopped = False
        """Whether a stop string was met; nothing comes after it."""

    def before(self, piece: bytes) -> int:
        """Characters between what was given and the first that ``piece``, which is to be fed next, is a part of."""
        begun = self._decoder.getstate()[0]
        broken = bool(begun and piece and not _continues(piece[0]))  # what was begun becomes a U+FFFD by itself
        return len(self._held) + broken

    def feed(self, piece: bytes) -> str:
        """The text that became certain with ``piece``; often empty."""
        return self._advance(self._decoder.decode(piece))

    def finish(self) -> str:
        """The rest, when no more bytes come: what was held back, and U+FFFD for a character left incomplete."""
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
            self.stopped = True
            self._held = ""
            return text[: min(found)[1]]
        keep = max(_overlap(text, word) for word in self._stop)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]


def _continues(byte: int) -> bool:
    """Whether ``byte`` can go on with a character in UTF-8."""
    return byte & 0b1100_0000 == 0b1000_0000


def _overlap(text: str, word: str) -> int:
    """Length of the longest end of ``text`` that ``word`` begins with, short of all of ``word``."""
    for length in range(min(len(text), len(word) - 1), 0, -1):
        if text.endswith(word[:length]):
            return length
    return 0
