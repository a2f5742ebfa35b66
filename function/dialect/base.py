"""How a model writes what is not plain text, thoughts and tool calls, read off its chat template. Pure."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Style = Literal["hermes", "llama", "mistral", "mistral-args"]


@dataclass(frozen=True, slots=True)
class Dialect:
    """``style`` of tool calls:

    - hermes: ``<tool_call>{"name": …, "arguments": {…}}</tool_call>``, one after the other; Hermes, Qwen and others
    - llama: ``{"name": …, "parameters": {…}}`` is the whole reply, perhaps after ``<|python_tag|>``
    - mistral: ``[TOOL_CALLS][{"name": …, "arguments": {…}}, …]``
    - mistral-args: ``[TOOL_CALLS]name[ARGS]{…}``

    ``native``: the template writes the tools itself. Otherwise they are told to the model in the system message, and
    the style is hermes. ``thought``: the tags around what a model thinks before it answers.
    """

    style: Style
    native: bool
    thought: tuple[str, str] | None = None

    @property
    def begins(self) -> tuple[str, ...]:
        """What begins a tool call, or several."""
        return {"hermes": ("<tool_call>",), "llama": ("<|python_tag|>",)}.get(self.style, ("[TOOL_CALLS]",))

    @property
    def end(self) -> str:
        """What ends a tool call; empty where its JSON does."""
        return "</tool_call>" if self.style == "hermes" else ""

    @property
    def key(self) -> str:
        """The name of a call's arguments."""
        return "parameters" if self.style == "llama" else "arguments"

    @property
    def marks(self) -> tuple[str, ...]:
        """All that may be a token of its own in the vocabulary, one that text does not show."""
        args = ("[ARGS]", "[CALL_ID]") if self.style == "mistral-args" else ()
        return (*self.begins, *((self.end,) if self.end else ()), *args, *(self.thought or ()))


_THOUGHTS = (
    ("<think>", "</think>"),
    ("[THINK]", "[/THINK]"),
    ("<seed:think>", "</seed:think>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
)
_OTHERS = ("<function=", "<arg_key>", "<invoke", "<tool_calls>", "<|START_ACTION|>", "<|tool_calls_section_begin|>")
"""Marks of styles that use ``<tool_call>`` or its like in another way."""


@lru_cache(maxsize=4)  # a process serves one template
def recognise(template: str | None) -> Dialect:
    """The dialect of a chat template's source; None for one that is not Jinja, which knows of no tools."""
    if template is None:
        return Dialect("hermes", native=False)
    # Some templates only cut a thought off, and so name nothing but its end.
    thought = next((tags for tags in _THOUGHTS if tags[1] in template), None)
    style = _style(template) if "tools" in template and not any(mark in template for mark in _OTHERS) else None
    return Dialect(style or "hermes", native=style is not None, thought=thought)


def _style(template: str) -> Style | None:
    if "[TOOL_CALLS]" in template:
        return "mistral-args" if "[ARGS]" in template else "mistral"
    if "<tool_call>" in template and "arguments" in template:
        return "hermes"
    if '"parameters": ' in template and '{"name": "' in template and "tool_calls" in template:
        return "llama"
    return None
