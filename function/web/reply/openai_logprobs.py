"""Logprobs in the shapes of OpenAI's API. Pure."""

import codecs
from collections.abc import Iterable, Sequence
from typing import Any

from function.engine import Logprob, TokenChoice

Object = dict[str, Any]


def chat_logprobs(entries: Iterable[Logprob]) -> Object:
    """Return the ``logprobs`` of a chat completion's choice.

    The ``bytes`` of all entries, joined, are the text in UTF-8; a control token, which adds nothing to it, has none.
    """
    content = [_chat_entry(entry.chosen) | {"top_logprobs": list(map(_chat_entry, entry.top))} for entry in entries]
    return {"content": content, "refusal": None}


def _chat_entry(choice: TokenChoice) -> Object:
    return {
        "token": choice.data.decode(errors="backslashreplace"),
        "logprob": choice.logprob,
        "bytes": None if choice.control else list(choice.data),
    }


_CONTINUING = frozenset(bytes([byte]) for byte in range(0x80, 0xC0))


class Offsets:
    """Character offsets of consecutive tokens in their text."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._characters = 0

    def next(self, choice: TokenChoice) -> int:
        """Return the offset of ``choice``, the next token."""
        if choice.control:
            return self._characters
        pending = self._decoder.getstate()[0]
        if pending and choice.data[:1] not in _CONTINUING:
            # The open character stays incomplete: its replacement stands before this token.
            self._characters += len(self._decoder.decode(b"", final=True))
        begins = self._characters
        self._characters += len(self._decoder.decode(choice.data))
        return begins


def text_logprobs(entries: Sequence[Logprob], offsets: Offsets) -> Object:
    """Return the ``logprobs`` of a text completion's choice. A token's alternatives include the token itself."""
    return {
        "tokens": [_token_text(entry.chosen) for entry in entries],
        "token_logprobs": [entry.chosen.logprob for entry in entries],
        "top_logprobs": [_alternatives(entry) for entry in entries],
        "text_offset": [offsets.next(entry.chosen) for entry in entries],
    }


def _alternatives(entry: Logprob) -> Object | None:
    if entry.chosen.logprob is None:
        return None
    alternatives: Object = {}
    for choice in (*entry.top, entry.chosen):
        alternatives.setdefault(
            _token_text(choice), choice.logprob
        )  # of two tokens with the same text, the likelier one counts
    return alternatives


def _token_text(choice: TokenChoice) -> str:
    try:
        return choice.data.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in choice.data)
