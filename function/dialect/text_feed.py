"""Text that arrives in pieces, read by generators that yield when they need more. Pure."""

import re
from collections.abc import Generator, Iterable
from typing import TypeVar

T = TypeVar("T")
Wait = Generator[None, None, T]
"""Generator that yields whenever it needs more text, and returns a value."""

_SPACE = re.compile(r"\s*")


class TextFeed:
    """Received text with a reading position.

    ``at`` is the position, an index of ``text``. Read text is dropped when more arrives, except what comes after
    ``kept``, the position to which a reader may return.
    """

    def __init__(self, text: str = "", *, ended: bool = False) -> None:
        self.text = text
        self.at = 0
        self._dropped = 0
        self.kept: int | None = None
        self.ended = ended

    def add(self, text: str) -> None:
        """Append ``text``."""
        start = self.at if self.kept is None else self.kept
        self.text = self.text[start:] + text
        self._dropped += start
        self.at -= start
        if self.kept is not None:
            self.kept = 0

    @property
    def offset(self) -> int:
        """Position in the whole text that was added."""
        return self._dropped + self.at

    @property
    def exhausted(self) -> bool:
        """True when all text was read and no more comes."""
        return self.ended and self.at >= len(self.text)

    def peek(self) -> Wait[str]:
        """Return the next character without reading it; empty at the end."""
        while self.at >= len(self.text):
            if self.ended:
                return ""
            yield
        return self.text[self.at]

    def space(self) -> Wait[str]:
        """Read white space and return it."""
        found = ""
        while True:
            match = _SPACE.match(self.text, self.at)
            assert match is not None
            found += match[0]
            self.at = match.end()
            if self.at < len(self.text) or self.ended:
                return found
            yield

    def starts(self, word: str) -> Wait[bool]:
        """Return true if ``word`` comes next."""
        while len(self.text) - self.at < len(word):
            if self.ended or not word.startswith(self.text[self.at :]):
                return False
            yield
        return self.text.startswith(word, self.at)

    def accept(self, words: Iterable[str]) -> Wait[bool]:
        """Read ``words`` in order with any white space before each. On a mismatch read nothing and return false."""
        start = Backtrack(self)
        for word in words:
            yield from self.space()
            if not (yield from self.starts(word)):
                start.restore()
                return False
            self.at += len(word)
        start.release()
        return True


class Backtrack:
    """Position of a feed to which a reader may return."""

    def __init__(self, feed: TextFeed) -> None:
        self._feed = feed
        self._outer = feed.kept
        self._offset = 0 if feed.kept is None else feed.at - feed.kept
        if feed.kept is None:
            feed.kept = feed.at

    @property
    def text(self) -> str:
        """The text since this position."""
        assert self._feed.kept is not None
        return self._feed.text[self._feed.kept + self._offset : self._feed.at]

    def restore(self) -> None:
        """Go back to this position and release it."""
        assert self._feed.kept is not None
        self._feed.at = self._feed.kept + self._offset
        self.release()

    def release(self) -> None:
        """Give the position up."""
        if self._outer is None:
            self._feed.kept = None


class MarkSearch:
    """Search for the first of several words in text that arrives in pieces."""

    def __init__(self, words: Iterable[str]) -> None:
        self.words = tuple(dict.fromkeys(word for word in words if word))
        ordered = sorted(self.words, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, ordered))) if ordered else None
        self._beginnings = frozenset(word[:n] for word in self.words for n in range(1, len(word)))
        self._longest = max(map(len, self.words), default=1) - 1
        self._first = frozenset(word[0] for word in self.words)

    def find(self, text: str, at: int) -> "re.Match[str] | None":
        """Return the first word in ``text`` from ``at`` on."""
        return self._pattern.search(text, at) if self._pattern else None

    def held_back(self, text: str, at: int) -> int:
        """Return the length of the longest end of ``text[at:]`` that may be the beginning of a word."""
        begin = max(at, len(text) - self._longest)
        tail = text[begin:]
        for start, letter in enumerate(tail):
            if letter in self._first and tail[start:] in self._beginnings:
                return len(tail) - start
        return 0
