"""The shapes of OpenAI's API that logprobs have. Pure."""

from collections.abc import Iterable
from typing import Any

from function.engine.events import Choice, Logprob

Object = dict[str, Any]


def chat_logprobs(entries: Iterable[Logprob]) -> Object:
    """The ``logprobs`` of a chat completion's choice.

    The ``bytes`` of all entries, joined, are the text in UTF-8; a control token, which adds nothing, has none.
    """
    content = [_chat_entry(entry.chosen) | {"top_logprobs": list(map(_chat_entry, entry.top))} for entry in entries]
    return {"content": content, "refusal": None}


def _chat_entry(choice: Choice) -> Object:
    return {
        "token": choice.data.decode(errors="backslashreplace"),
        "logprob": choice.logprob,
        "bytes": None if choice.control else list(choice.data),
    }
