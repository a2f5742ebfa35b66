"""Tool calls in a reply's text, found while it comes. Pure."""

import json
import re
from collections.abc import Collection, Iterator
from typing import Any

from function.dialect.base import Dialect
from function.dialect.reply_parts import ArgumentsPiece, CallStart, ContentPiece, Part, overlap

_KEYS = frozenset(("name", "arguments", "parameters", "type", "id", "function"))
_FIRST_KEY = re.compile(r'\{\s*"([^"\\]*)"')
_NAME = re.compile(r'\{\s*"name"\s*:\s*"([^"\\]*)"\s*[,}]')
_HEAD = re.compile(r'\{\s*"name"\s*:\s*"([^"\\]*)"\s*,\s*"(?:arguments|parameters)"\s*:\s*(?=\{)')
_ARGS = re.compile(r"\s*([\w.-]+)(?:\[CALL_ID\]\w+)?\[ARGS\]\s*(?=\{)")
_ARGS_BEGUN = re.compile(r"\s*[\w.-]*(?:\[[A-Z_]*\]?\w*)?(?:\[[A-Z]*\]?)?\s*")


class ToolCallReader:
    """Finds calls of the tools called ``names``, as ``dialect`` writes them.

    What begins like a call is held back until it is known whether it is one, that is until its arguments begin; then
    they are told as they come. What turns out to be none, for its shape or its name, is content. Space around calls
    belongs to nobody.
    """

    def __init__(self, dialect: Dialect, names: Collection[str]) -> None:
        self._dialect = dialect
        self._names = names
        self._step = self._text
        self._held = ""
        self._calls = 0
        self._raw = ""
        """Of what may be a call: all of it so far before ``_held``, in case it is none."""
        self._bare = dialect.style == "llama"
        """Whether a call may begin here without a mark."""
        self._scan = _Scan()

    def feed(self, text: str) -> Iterator[Part]:
        """See Reader."""
        self._held += text
        while True:
            before = (self._step, len(self._held))
            yield from self._step()
            if (self._step, len(self._held)) == before or not self._held:
                return

    def finish(self) -> Iterator[Part]:
        """See Reader."""
        rest = self._raw + self._held
        if self._step in (self._text, self._perhaps) and rest and not (self._calls and rest.isspace()):
            yield ContentPiece(rest)
        self._raw = self._held = ""

    def _text(self) -> Iterator[Part]:
        """Content, up to a mark."""
        if self._bare and not (begun := self._held.lstrip()):
            return
        if self._bare:
            self._bare = False
            if begun.startswith("{"):
                self._raw, self._held = self._held[: len(self._held) - len(begun)], begun
                self._become(self._perhaps)
                return
        found = [(at, mark) for mark in self._dialect.begins if (at := self._held.find(mark)) >= 0]
        at, mark = min(found, default=(-1, ""))
        sure = self._held[:at] if found else self._held[: len(self._held) - self._overlap()]
        sure = sure.rstrip()
        if sure:
            yield ContentPiece(sure)
        if found:
            self._raw, self._held = self._held[len(sure) : at + len(mark)], self._held[at + len(mark) :]
            self._become(self._perhaps)
        else:
            self._held = self._held[len(sure) :]

    def _perhaps(self) -> Iterator[Part]:
        """What may be a call, from its first character on."""
        text = self._held.lstrip()
        if self._dialect.style == "mistral" and text.startswith("[") and "[TOOL_CALLS]" in self._raw:
            text = text[1:].lstrip()
        if not text:
            return
        if self._dialect.style == "mistral-args":
            yield from self._perhaps_args(text)
            return
        if not text.startswith("{"):
            yield from self._is_none()
            return
        if head := _HEAD.match(text):
            if head[1] in self._names:
                yield self._begin(head[1])
                self._scan = _Scan(depth=1)
                self._held = text[head.end() :]
                self._become(self._arguments)
            else:
                yield from self._is_none()
            return
        key, name = _FIRST_KEY.match(text), _NAME.match(text)
        if (key and key[1] not in _KEYS) or (name and name[1] not in self._names):
            yield from self._is_none()
            return
        end = self._scan.find_end(text)
        if end is None:
            return
        call = _call(text[:end], self._names)
        if call is None:
            yield from self._is_none()
            return
        yield self._begin(call[0])
        yield ArgumentsPiece(call[1])
        self._held = text[end:]
        self._become(self._after)

    def _perhaps_args(self, text: str) -> Iterator[Part]:
        if (head := _ARGS.match(text)) and head[1] in self._names:
            yield self._begin(head[1])
            self._held = text[head.end() :]
            self._become(self._arguments)
        elif head or not _ARGS_BEGUN.fullmatch(text):
            yield from self._is_none()

    def _begin(self, name: str) -> CallStart:
        self._raw = ""
        self._calls += 1
        return CallStart(name)

    def _is_none(self) -> Iterator[Part]:
        """It only looked like a call."""
        text, self._raw = self._raw, ""
        if not text:  # a bare brace
            text, self._held = self._held[:1], self._held[1:]
        yield ContentPiece(text)
        self._become(self._text)

    def _arguments(self) -> Iterator[Part]:
        """The arguments of a call, which end with their brace."""
        inside = 0 if self._dialect.style == "mistral-args" else 1
        end = self._scan.find_end(self._held, depth=inside, anew=True)
        text = self._held if end is None else self._held[:end]
        if text:
            yield ArgumentsPiece(text)
        self._held = self._held[len(text) :]
        if end is not None:
            self._become(self._rest if inside else self._after)

    def _rest(self) -> Iterator[Part]:
        """What a call says after its arguments, an id perhaps."""
        end = self._scan.find_end(self._held, anew=True)
        self._held = "" if end is None else self._held[end:]
        if end is not None:
            self._become(self._after)
        yield from ()

    def _after(self) -> Iterator[Part]:
        """Between two calls, or after the last."""
        text = self._held.lstrip()
        style, end = self._dialect.style, self._dialect.end
        if end and text.startswith(end):
            self._held = text[len(end) :]
            self._become(self._text)
        elif style == "mistral" and text.startswith((",", "]")):
            self._held = text[1:]
            self._become(self._perhaps if text[0] == "," else self._text)
        elif style == "llama" and text.startswith((";", ",", "{")):
            self._held = text.lstrip(";, \n")
            self._bare = True
            self._become(self._text)
        elif text and not (end and end.startswith(text)):
            self._become(self._text)
        yield from ()

    def _become(self, step: Any) -> None:
        self._step = step
        if step != self._arguments and step != self._rest:
            self._scan = _Scan()

    def _overlap(self) -> int:
        return max(overlap(self._held, mark) for mark in self._dialect.begins)


class _Scan:
    """Follows JSON to where an object ends."""

    def __init__(self, depth: int = 0) -> None:
        self._depth = depth
        self._string = self._escaped = False
        self._seen = 0

    def find_end(self, text: str, *, depth: int = 0, anew: bool = False) -> int | None:
        """Where the brace behind which only ``depth`` are open ends, if it came.

        ``text`` is what it was at the last call and more; ``anew``: only what is more.
        """
        for at in range(0 if anew else self._seen, len(text)):
            letter = text[at]
            if self._escaped:
                self._escaped = False
            elif self._string:
                self._escaped = letter == "\\"
                self._string = letter != '"'
            elif letter == '"':
                self._string = True
            elif letter in "{[":
                self._depth += 1
            elif letter in "}]":
                self._depth -= 1
                if self._depth <= depth:
                    return at + 1
        self._seen = len(text)
        return None


def _call(text: str, names: Collection[str]) -> tuple[str, str] | None:
    """Name and arguments of the call that ``text`` is, if it is one of a known tool."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, dict) and isinstance(value.get("function"), dict):
        value = value["function"]
    if not isinstance(value, dict) or value.get("name") not in names:
        return None
    arguments = value.get("arguments", value.get("parameters", {}))
    if isinstance(arguments, str):
        return value["name"], arguments
    return (value["name"], json.dumps(arguments, ensure_ascii=False)) if isinstance(arguments, dict) else None
