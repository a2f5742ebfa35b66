"""A request's messages and tools → what a chat template takes. Pure."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from function.dialect.base import Dialect
from function.errors import RequestError
from function.web.request.messages import Message, ToolCall
from function.web.request.tools import Tool

Plain = dict[str, Any]

_SECTION = """# Tools

You can call functions. These are their signatures:
<tools>
{tools}
</tools>

To call one, write its name and its arguments as a JSON object between tags, and nothing after it:
<tool_call>
{{"name": "function-name", "arguments": {{"argument": "value"}}}}
</tool_call>
The results come between <tool_response> and </tool_response>."""


def conversation(
    messages: Sequence[Message], dialect: Dialect, *, tools: Sequence[Tool] = (), system: str | None = None
) -> list[Plain]:
    """``messages`` for the template of ``dialect``. ``system`` goes before those that bring no system message.

    A template that knows of no tools gets them, their calls and their results as text. Raises RequestError for results
    that belong to no call.
    """
    plain: list[Plain] = []
    names: dict[str, str] = {}
    for number, message in enumerate(messages):
        names |= {call.id: call.function.name for call in message.tool_calls or ()}
        if message.role == "tool":
            _result(plain, message, dialect, names, f"messages.{number}.tool_call_id")
        elif message.role == "assistant":
            plain += _reply(message, dialect)
        else:
            plain.append(_named(message, {"role": "system" if message.role == "developer" else message.role}))
    if system and plain[0]["role"] != "system":
        plain.insert(0, {"role": "system", "content": system})
    if tools and not dialect.native:
        section = _SECTION.format(tools="\n".join(json.dumps(tool.told(), ensure_ascii=False) for tool in tools))
        if plain[0]["role"] == "system":
            plain[0] = {**plain[0], "content": f"{plain[0]['content']}\n\n{section}"}
        else:
            plain.insert(0, {"role": "system", "content": section})
    return [{key: value for key, value in message.items() if key != "results"} for message in plain]


def folded(plain: Sequence[Plain]) -> list[Plain]:
    """The messages with the system's as the beginning of the user's."""
    if len(plain) < 2 or plain[0]["role"] != "system" or plain[1]["role"] != "user":
        return list(plain)
    return [plain[1] | {"content": f"{plain[0]['content']}\n\n{plain[1]['content']}"}, *plain[2:]]


def call_id(identity: str, dialect: Dialect) -> str:
    """An id of a call as the template accepts it: Mistral's take nine letters and digits."""
    if not dialect.style.startswith("mistral") or (len(identity) == 9 and identity.isalnum()):
        return identity
    return hashlib.sha256(identity.encode(errors="replace")).hexdigest()[:9]


def _named(message: Message, plain: Plain) -> Plain:
    plain["content"] = message.text()
    if message.name:
        plain["name"] = message.name
    return plain


def _reply(message: Message, dialect: Dialect) -> list[Plain]:
    plain = _named(message, {"role": "assistant"})
    if message.reasoning_content:
        plain["reasoning_content"] = message.reasoning_content
    calls = message.tool_calls or []
    if not calls:
        return [plain]
    if not dialect.native:
        written = [json.dumps(_call(call)["function"], ensure_ascii=False) for call in calls]
        blocks = "\n".join(f"<tool_call>\n{text}\n</tool_call>" for text in written)
        return [plain | {"content": f"{plain['content']}\n{blocks}".lstrip()}]
    told = [{"id": call_id(call.id, dialect)} | _call(call) for call in calls]
    if dialect.style == "llama":  # its template takes one call a message
        return [plain | {"tool_calls": [call]} for call in told]
    return [plain | {"tool_calls": told}]


def _call(call: ToolCall) -> Plain:
    """A call with its arguments as an object, which is what templates write best."""
    try:
        arguments = json.loads(call.function.arguments)
    except (ValueError, RecursionError):
        arguments = None
    if not isinstance(arguments, dict):  # as the model wrote it
        arguments = call.function.arguments
    return {"type": "function", "function": {"name": call.function.name, "arguments": arguments}}


def _result(plain: list[Plain], message: Message, dialect: Dialect, names: dict[str, str], param: str) -> None:
    identity = message.tool_call_id
    if identity is None:
        raise RequestError(f"{param}: a tool's result says which call it belongs to.", param=param)
    if identity not in names:
        raise RequestError(f"{param}: no message before it has a call {identity!r}.", param=param)
    if dialect.native:
        told = {"role": "tool", "tool_call_id": call_id(identity, dialect), "name": message.name or names[identity]}
        plain.append(told | {"content": message.text()})
        return
    text = f"<tool_response>\n{message.text()}\n</tool_response>"
    if plain and plain[-1].get("results"):
        plain[-1]["content"] += f"\n{text}"
    else:
        plain.append({"role": "user", "content": text, "results": True})
