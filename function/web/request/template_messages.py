"""Messages and tools of a request → messages for a chat template. Pure."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from function.dialect.call_writer import write_calls
from function.dialect.syntax import HERMES, PLAIN, Dialect
from function.web.request.message_guard import NO_GUARD, MessageGuard
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
_JOINT = "\n\n"
CONTINUED = "\ue0ff"
"""Mark behind the message to continue: a private character that survives the template's trimming."""


def conversation(
    messages: Sequence[Message],
    dialect: Dialect,
    *,
    tools: Sequence[Tool] = (),
    system: str | None = None,
    guard: MessageGuard = NO_GUARD,
) -> list[Plain]:
    """Return ``messages`` as the template of ``dialect`` takes them, with their texts guarded by ``guard``.

    ``system`` goes before messages without a system message. A template that knows no tools gets the tools, their
    calls and their results as text. The result of an unknown call is text too.
    """
    plain: list[Plain] = []
    names: dict[str, str] = {}
    for message in messages:
        names |= {call.id: call.function.name for call in message.tool_calls or ()}
        if message.role == "tool":
            _add_result(plain, message, dialect, names, guard)
        elif message.role == "assistant":
            plain += _reply(message, dialect, guard)
        else:
            role = "system" if message.role == "developer" else message.role
            plain.append(_named(message, guard) | {"role": role, "content": guard.guard(message.text())})
    if system and all(message["role"] != "system" for message in plain):
        plain.insert(0, {"role": "system", "content": system})
    if tools and not dialect.native:
        described = (guard.guard_values(tool.for_template(), alone=True) for tool in tools)
        section = _SECTION.format(tools="\n".join(json.dumps(tool, ensure_ascii=False) for tool in described))
        plain = _with_system(plain, section)
    return _fitting([_without_marker(message) for message in plain], dialect)


def text_only(
    messages: Sequence[Message],
    dialect: Dialect,
    *,
    tools: Sequence[Tool] = (),
    system: str | None = None,
    guard: MessageGuard = NO_GUARD,
) -> list[Plain]:
    """Return ``messages`` in the form that any template takes: text of a user and an assistant who take turns."""
    plain = conversation(messages, PLAIN, tools=() if dialect.native else tools, system=system, guard=guard)
    return _alternating(_folded(_one_system(plain)))


def call_id(identity: str, dialect: Dialect) -> str:
    """Return an id of a call as the template accepts it: some take nine letters and digits only."""
    if not dialect.history.short_ids or (len(identity) == 9 and identity.isalnum()):
        return identity
    return hashlib.sha256(identity.encode(errors="replace")).hexdigest()[:9]


def _fitting(plain: list[Plain], dialect: Dialect) -> list[Plain]:
    """Return the messages with what the template's rules demand."""
    rules = dialect.history
    if not rules.later_system or not rules.system:
        plain = _one_system(plain)
    if not rules.system:
        plain = _folded(plain)
    if rules.alternates:
        plain = _alternating(plain)
    return plain


def _one_system(plain: list[Plain]) -> list[Plain]:
    """Join all system messages to one at the beginning."""
    texts = [message["content"] for message in plain if message["role"] == "system"]
    others = [message for message in plain if message["role"] != "system"]
    return [{"role": "system", "content": _JOINT.join(texts)}, *others] if texts else others


def _with_system(plain: list[Plain], text: str) -> list[Plain]:
    """Add ``text`` to the system message at the beginning."""
    if plain and plain[0]["role"] == "system":
        return [{**plain[0], "content": f"{plain[0]['content']}{_JOINT}{text}"}, *plain[1:]]
    return [{"role": "system", "content": text}, *plain]


def _folded(plain: list[Plain]) -> list[Plain]:
    """Make the system message the beginning of the first user message."""
    if not plain or plain[0]["role"] != "system":
        return plain
    text, rest = plain[0]["content"], plain[1:]
    if rest and rest[0]["role"] == "user":
        return [{**rest[0], "content": f"{text}{_JOINT}{rest[0]['content']}"}, *rest[1:]]
    return [{"role": "user", "content": text}, *rest]


def _alternating(plain: list[Plain]) -> list[Plain]:
    """Join neighbours of a role, and let the user begin."""
    joined: list[Plain] = []
    for message in plain:
        last = joined[-1] if joined else None
        if last and last["role"] == message["role"] != "tool" and not last.get("tool_calls"):
            contents = [text for text in (last["content"], message["content"]) if text]
            joined[-1] = {**last, **message, "content": _JOINT.join(contents)}
        else:
            joined.append(message)
    first = next((message for message in joined if message["role"] != "system"), None)
    if first and first["role"] == "assistant":
        joined.insert(joined.index(first), {"role": "user", "content": ""})
    return joined


def _without_marker(message: Plain) -> Plain:
    return {key: value for key, value in message.items() if key != "results"}


def _named(message: Message, guard: MessageGuard) -> Plain:
    return {"name": guard.guard(message.name)} if message.name else {}


def _reply(message: Message, dialect: Dialect, guard: MessageGuard) -> list[Plain]:
    thought, content = _thought_and_content(message, dialect, guard)
    plain = _named(message, guard) | {"role": "assistant", "content": content}
    if thought:
        plain[dialect.history.thought_field] = thought
    calls = message.tool_calls or []
    if not calls:
        return [plain]
    if not dialect.native:
        written = write_calls(HERMES, [(guard.guard(call.function.name), _object(call, guard)) for call in calls])
        return [plain | {"content": f"{content}\n{written}".lstrip()}]
    sent = [_call(call, dialect, guard) for call in calls]
    if dialect.history.single_calls:
        return [plain | {"tool_calls": [call]} for call in sent]
    return [plain | {"tool_calls": sent}]


def _thought_and_content(message: Message, dialect: Dialect, guard: MessageGuard) -> tuple[str, str]:
    """Return the texts of a reply.

    A thought that a client left in the content, between its marks, goes the way that the template provides for it.
    """
    text, syntax, form = message.text(), dialect.thought, dialect.history.thoughts
    if message.reasoning_content or syntax is None or form == "text":
        return guard.guard(message.reasoning_content or ""), guard.guard(text)
    before, end, after = text.partition(syntax.end)
    begun = before.lstrip()
    begin = syntax.begin if begun.startswith(syntax.begin) else ""
    if not end and not (begin and text.endswith(CONTINUED)):
        return "", guard.guard(text)
    thought = begun.removeprefix(begin)
    if form == "field" and end:
        return guard.guard(thought.strip()), guard.guard(after.lstrip("\n"))
    return "", f"{begin}{guard.guard(thought)}{end}{guard.guard(after)}"


def _call(call: ToolCall, dialect: Dialect, guard: MessageGuard) -> Plain:
    """Return a call with its arguments as an object, which templates write best, or as text."""
    as_text = dialect.history.text_arguments
    arguments = guard.guard(call.function.arguments) if as_text else _object(call, guard)
    function = {"name": guard.guard(call.function.name), "arguments": arguments}
    return {"id": guard.guard(call_id(call.id, dialect)), "type": "function", "function": function}


def _object(call: ToolCall, guard: MessageGuard) -> Any:
    """Return the arguments of a call as an object; as the model wrote them where they are none."""
    try:
        arguments = json.loads(call.function.arguments)
    except (ValueError, RecursionError):
        arguments = None
    return guard.guard_values(arguments if isinstance(arguments, dict) else call.function.arguments)


def _add_result(
    plain: list[Plain], message: Message, dialect: Dialect, names: dict[str, str], guard: MessageGuard
) -> None:
    identity, content = message.tool_call_id, guard.guard(message.text())
    if dialect.native and identity is not None and identity in names:
        result = {"role": "tool", "tool_call_id": guard.guard(call_id(identity, dialect))}
        plain.append(result | {"name": guard.guard(message.name or names[identity]), "content": content})
        return
    text = f"<tool_response>\n{content}\n</tool_response>"
    if plain and plain[-1].get("results"):
        plain[-1]["content"] += f"\n{text}"
    else:
        plain.append({"role": "user", "content": text, "results": True})
