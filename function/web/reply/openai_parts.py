"""The parts of a reply in the shapes of OpenAI's API: a message, or the deltas of one. Pure."""

from collections.abc import Callable, Sequence
from typing import Any

from function.dialect.reply_parts import ArgumentsPiece, CallStart, ContentPiece, Part, ThoughtPiece

Object = dict[str, Any]


def message(parts: Sequence[Part], new_id: Callable[[], str]) -> Object:
    """The whole reply. ``content`` is null where there are calls and no text."""
    calls: list[Object] = []
    texts: dict[type[Part], str] = {}
    for part in parts:
        if isinstance(part, CallStart):
            calls.append(_call(part, new_id()))
        elif isinstance(part, ArgumentsPiece):
            calls[-1]["function"]["arguments"] += part.text
        else:
            texts[type(part)] = texts.get(type(part), "") + part.text
    content = texts.get(ContentPiece, "")
    said: Object = {"role": "assistant", "content": None if calls and not content else content, "refusal": None}
    if ThoughtPiece in texts:
        said["reasoning_content"] = texts[ThoughtPiece]
    return said | {"tool_calls": calls} if calls else said


def delta(part: Part, calls: Sequence[str]) -> Object:
    """One part of a stream; ``calls`` are the ids of the calls that began, this one's among them."""
    if isinstance(part, ContentPiece):
        return {"content": part.text}
    if isinstance(part, ThoughtPiece):
        return {"reasoning_content": part.text}
    index = len(calls) - 1
    if isinstance(part, CallStart):
        return {"tool_calls": [{"index": index} | _call(part, calls[-1])]}
    return {"tool_calls": [{"index": index, "function": {"arguments": part.text}}]}


def _call(part: CallStart, identity: str) -> Object:
    return {"id": identity, "type": "function", "function": {"name": part.name, "arguments": ""}}
