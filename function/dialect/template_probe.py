"""Probe of a chat template: messages with known words, and the texts that the template writes for them. Pure."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from function.dialect.mark_text import common, snapped

Render = Callable[..., str]
"""``render(messages, tools=…, **variables)`` returns a prompt; any exception means that the template refuses."""
Message = dict[str, Any]

USER_TEXT, ANSWER, THOUGHT = "qzuser", "qzanswer", "qzthought"
FIRST, OTHER = "qzfirst", "qzother"
KEY_A, KEY_B, VALUE_A, VALUE_B = "qzkeya", "qzkeyb", "qzvala", "qzvalb"
IDS = ("qzid00001", "qzid00002")
LONG_ID = "call_qz0123456789abcdef01"
USER: Message = {"role": "user", "content": USER_TEXT}
_DEFAULTS = {"enable_thinking": True, "datetime": "2025-01-01", "date_string": "01 Jan 2025"}


def _tool(name: str) -> dict[str, Any]:
    properties = {key: {"type": "string", "description": "A value."} for key in (KEY_A, KEY_B)}
    parameters = {"type": "object", "properties": properties, "required": [KEY_A], "additionalProperties": False}
    return {"type": "function", "function": {"name": name, "description": "Does it.", "parameters": parameters}}


_TOOLS = [_tool(FIRST), _tool(OTHER)]


class TemplateProbe:
    """A template that is asked for texts. ``text_arguments``: calls are given their arguments as JSON text.

    ``prompts`` are those of a user's message, with thinking and without.
    """

    def __init__(self, render: Render) -> None:
        self._render = render
        self.text_arguments = False
        self.prompts: list[str] = []
        for thinking in (True, False):
            if (prompt := self.render([USER], enable_thinking=thinking)) is not None:
                self.prompts.append(prompt)

    def render(self, messages: Sequence[Message], *, prompt: bool = True, **variables: Any) -> str | None:
        """Return what the template writes; None if it refuses."""
        given = {
            "tools": _TOOLS,
            "functions": json.dumps(_TOOLS),
            "add_generation_prompt": prompt,
            **_DEFAULTS,
            **variables,
        }
        try:
            return self._render(list(messages), **given)
        except Exception:  # a template can raise anything
            return None

    def body(self, message: Message, *, prompt: bool = False, following: Sequence[Message] = ()) -> str | None:
        """Return what the template writes for an assistant's message, without the header of its role."""
        text = self.render([USER, message, *following], prompt=prompt)
        if text is None:
            return None
        return text[max((self.shared(text, prompt) for prompt in self.prompts), default=0) :]

    def shared(self, text: str, prompt: str) -> int:
        """Return where ``text`` leaves ``prompt``, not within a mark."""
        length = len(common(text, prompt))
        return snapped(text, length)

    def message(self, *calls: dict[str, Any], content: str = "", **more: Any) -> Message:
        """Return an assistant's message."""
        message: Message = {"role": "assistant", "content": content, **more}
        return message | {"tool_calls": list(calls)} if calls else message

    def call(self, name: str, arguments: Mapping[str, Any], identity: str = IDS[0]) -> dict[str, Any]:
        """Return a call as a history has it."""
        given = json.dumps(arguments) if self.text_arguments else dict(arguments)
        return {"id": identity, "type": "function", "function": {"name": name, "arguments": given}}

    def reply(self, text: str) -> str | None:
        """Return how ``text`` is written as a reply; None if it is not in it."""
        body = self.body(self.message(content=text))
        return body if body is not None and text in body else None

    def one_call(self, arguments: Mapping[str, Any]) -> str | None:
        """Return how a call with ``arguments`` is written; None if it is not."""
        body = self.body(self.message(self.call(FIRST, arguments)))
        return body if body is not None and FIRST in body else None

    def two_calls(self) -> str | None:
        """Return how two calls in one message are written."""
        first, second = self.call(FIRST, {KEY_A: VALUE_A}), self.call(OTHER, {KEY_A: VALUE_B}, IDS[1])
        return self.body(self.message(first, second))
