"""Protection of a prompt against control tokens that its messages spell. Pure.

A chat template writes control tokens such as ``<|im_end|>`` as text, and the tokenizer finds them there. So that only
the template's own are found, a private character is put into each spelling of one in a message before the template is
rendered. Afterwards the private characters are removed, and where one of them was inside of a spelling the text is cut:
its pieces are tokenized one by one, and make ordinary tokens.
"""

import itertools
import re
import secrets
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from function.dialect.syntax import MARK

_PRIVATE = range(0xE100, 0xF900)
"""Characters for private use in Unicode, except those that the package uses itself."""
_WORD = re.compile(r"^[\W_]*|[\W_]*$")
_BAR = re.compile(r"[|｜]")
_SEPARATOR = "\0"


class ControlNames:
    """Texts of a vocabulary's control tokens, in a form to search for."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(name for name in names if len(name) > 1)
        lengths: defaultdict[str, set[int]] = defaultdict(set)
        for name in self._names:
            lengths[name[:2]].add(len(name))
        self._lengths = {start: tuple(sorted(found)) for start, found in lengths.items()}
        self._joined = _SEPARATOR + "".join(f"{name}{_SEPARATOR}" for name in self._names)
        self._cores = frozenset(_WORD.sub("", name) for name in self._names) - {""}
        self._longest = max(map(len, self._names), default=0)
        self._first = _any_of({name[0] for name in self._names})
        self._last = _any_of({name[-1] for name in self._names})

    def spans(self, text: str, begin: int = 0, end: int | None = None) -> Iterator[tuple[int, int]]:
        """Yield where names are in ``text``; those that begin between ``begin`` and ``end``, also overlapping ones."""
        end = len(text) if end is None else end
        for match in self._first.finditer(text, begin, end):
            at = match.start()
            for length in self._lengths.get(text[at : at + 2], ()):
                if text[at : at + length] in self._names:
                    yield at, at + length

    def breaks(self, text: str, *, alone: bool = False) -> set[int]:
        """Return positions in ``text``; if it is broken there, it contains no name.

        Nor does it form one with the text around it, unless it is ``alone``.
        """
        found = {begin + 1 for begin, _ in self.spans(text)}
        if alone:
            return found
        begin, end = len(text) - len(text.lstrip()), len(text.rstrip())
        for match in self._first.finditer(text, max(0, end - self._longest + 1), end):
            if f"{_SEPARATOR}{text[match.start() : end]}" in self._joined:
                found.add(match.start() + 1)
        for match in self._last.finditer(text, begin, min(end, begin + self._longest - 1)):
            if f"{text[begin : match.end()]}{_SEPARATOR}" in self._joined:
                found.add(begin)
        if text[begin:end] in self._cores:
            found.add(begin + 1)
        return found

    def crosses(self, text: str, at: int) -> bool:
        """Return true if a name in ``text`` begins before position ``at`` and ends behind it."""
        return any(end > at for _, end in self.spans(text, max(0, at - self._longest + 1), at))


def control_names(control: Iterable[str], other: Iterable[str], source: str) -> Iterator[str]:
    """Yield the names of ``control`` tokens, and those of ``other`` special tokens that serve as such.

    Those others are in the form of a control token, and either have bars, or the template with ``source`` writes them:
    ``<tool_call>``. Tokens of words, and of HTML's tags, are not among them.
    """
    yield from control
    yield from (name for name in other if MARK.fullmatch(name) and (_BAR.search(name) or name in source))


class MessageGuard:
    """Guard of one prompt: guards the texts of its messages, and splits the prompt that is rendered from them."""

    def __init__(self, names: ControlNames) -> None:
        self._names = names
        code = secrets.choice(_PRIVATE)
        self._mark, self._escape = chr(code), f"\\u{code:04x}"  # a template may escape it
        self._written = re.compile(f"{self._mark}|{re.escape(self._escape)}")
        self._used = False
        self.is_ambiguous = False
        """True if a message contains the private character itself. Use another guard."""

    def guard(self, text: str, *, alone: bool = False) -> str:
        """Return ``text`` of a message with the private character wherever it could make a control token.

        ``alone``: the text forms none with the text around it.
        """
        self.is_ambiguous |= self._mark in text or self._escape in text
        if not (breaks := self._names.breaks(text, alone=alone)):
            return text
        self._used = True
        places = [0, *sorted(breaks), len(text)]
        return self._mark.join(text[begin:end] for begin, end in itertools.pairwise(places))

    def guard_values(self, value: Any, *, alone: bool = False) -> Any:
        """Return ``value``, of JSON, with all names and texts in it guarded."""
        if isinstance(value, str):
            return self.guard(value, alone=alone)
        if isinstance(value, dict):
            return {self.guard(name, alone=alone): self.guard_values(item, alone=alone) for name, item in value.items()}
        return [self.guard_values(item, alone=alone) for item in value] if isinstance(value, list) else value

    def split(self, prompt: str) -> list[str]:
        """Return the pieces of a rendered prompt, without private characters; one if no message forged a token."""
        if not self._used:
            return [prompt]
        parts = self._written.split(prompt)
        text = "".join(parts)
        pieces, done, at = [], 0, 0
        for part in parts[:-1]:
            at += len(part)
            if at > done and self._names.crosses(text, at):
                pieces.append(text[done:at])
                done = at
        return [*pieces, text[done:]]


def _any_of(characters: set[str]) -> "re.Pattern[str]":
    """Return a pattern of one of ``characters``."""
    return re.compile(f"[{''.join(map(re.escape, sorted(characters)))}]" if characters else r"(?!)")


NO_GUARD = MessageGuard(ControlNames(()))
