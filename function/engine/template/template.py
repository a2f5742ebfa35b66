"""Chat templates: messages → the text of a prompt. Either Jinja, as models carry it, or llama.cpp's own by name."""

import ctypes
import json
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from function.engine.llama.library import library
from function.engine.llama.model import Model
from function.engine.template.builtin import template_for
from function.engine.template.renderer import renderer
from function.errors import ModelError, RequestError

log = logging.getLogger(__name__)

Messages = Sequence[Mapping[str, Any]]
Variables = Mapping[str, Any]

THINKING_VARIABLE = "enable_thinking"
RESERVED_VARIABLES = frozenset(("messages", "tools", "documents", "add_generation_prompt", "bos_token", "eos_token"))
"""Variables that neither an operator nor a caller can set."""

RENDER_CPU_SECONDS = 10.0
MAX_SOURCE_CHARS = 1 << 20
"""Thirty times the longest template that a model carries."""
_PROBE_WORDS = "the text of a message"
_PROBE = f"{_PROBE_WORDS} '\""
"""With quotation marks: a template that writes a list of parts as Python or JSON does escapes them."""


class Template(Protocol):
    """Renders messages into a prompt that ends where the assistant's reply begins."""

    source: str | None
    """The Jinja source; None for a built-in template."""
    variables: frozenset[str]
    """Names of the variables that the template uses."""

    def render(self, messages: Messages, **variables: Any) -> str:
        """Return the prompt. Raises RequestError if the template refuses the messages, in its own words, or fails."""


class JinjaTemplate:
    """A template as a GGUF carries it. Any thread may use it. Needs no model.

    ``defaults`` are values for its variables. ``cpu_seconds`` bounds one rendering. Raises ModelError when ``source``
    is not valid Jinja.
    """

    def __init__(
        self,
        source: str,
        *,
        bos: str = "",
        eos: str = "",
        defaults: Variables | None = None,
        cpu_seconds: float = RENDER_CPU_SECONDS,
    ) -> None:
        self.source: str | None = source
        self._text, self._cpu_seconds = source, cpu_seconds
        self._defaults = {"bos_token": bos, "eos_token": eos, **(defaults or {})}
        kind, text = "failed", f"It has more than {MAX_SOURCE_CHARS:,} characters."
        if len(source) <= MAX_SOURCE_CHARS:
            kind, text = renderer().request(source, None, cpu_seconds)
        if kind != "rendered":
            raise ModelError(
                f"The chat template cannot be compiled: {text} Set CHAT_TEMPLATE to another one.", param="CHAT_TEMPLATE"
            )
        self.variables = frozenset(text.split())
        self._no_tools: Any = None
        self._typed = False
        self._probe()

    def render(self, messages: Messages, **variables: Any) -> str:
        """Return the prompt. ``variables`` reach the template, in addition to those that every template gets."""
        kind, text = self._request(list(messages), variables)
        if kind == "rendered":
            return text
        verb = "refuses" if kind == "refused" else "fails on"
        raise RequestError(f"The model's chat template {verb} the messages: {text}", param="messages")

    def _probe(self) -> None:
        """Find the form of text, and of absent tools, with which the template writes a message."""
        for self._no_tools, self._typed in ((None, False), (None, True), ([], False), ([], True)):
            kind, text = self._request([{"role": "user", "content": _PROBE}], {})
            if kind == "exceeded" or (kind == "rendered" and (_PROBE if self._typed else _PROBE_WORDS) in text):
                return
        self._no_tools, self._typed = None, False
        log.warning("the chat template does not write the text of a user message")

    def _request(self, messages: list[Mapping[str, Any]], variables: Mapping[str, Any]) -> tuple[str, str]:
        today = datetime.now().astimezone()
        given = {
            "tools": self._no_tools,
            "documents": None,
            "functions": json.dumps(variables.get("tools") or [], indent=4, ensure_ascii=False),
            "add_generation_prompt": True,
            "enable_thinking": True,
            "date_string": today.strftime("%d %b %Y"),
            "datetime": today.strftime("%b %d %Y"),
            **self._defaults,
            **variables,
            "messages": [_typed(message) for message in messages] if self._typed else messages,
        }
        return renderer().request(self._text, given, self._cpu_seconds)


class ToolUseTemplate(JinjaTemplate):
    """A template with a variant for requests with tools: ``tokenizer.chat_template.tool_use`` of a file."""

    def __init__(
        self, source: str, tool_use: str, *, bos: str = "", eos: str = "", defaults: Variables | None = None
    ) -> None:
        super().__init__(source, bos=bos, eos=eos, defaults=defaults)
        self._with_tools = JinjaTemplate(tool_use, bos=bos, eos=eos, defaults=defaults)
        self.variables |= self._with_tools.variables

    def render(self, messages: Messages, **variables: Any) -> str:
        """See Template."""
        if variables.get("tools"):
            return self._with_tools.render(messages, **variables)
        return super().render(messages, **variables)


class BuiltinTemplate:
    """A template that llama.cpp has built in. Raises ModelError if it has none with this name."""

    def __init__(self, name: str) -> None:
        if name not in builtin_names():
            raise ModelError(f"llama.cpp has no chat template called {name!r}.", param="CHAT_TEMPLATE")
        self._lib = library()
        self._name = name.encode()
        self.source: str | None = None
        self.variables: frozenset[str] = frozenset()

    def render(self, messages: Messages, **variables: Any) -> str:
        """Render roles and texts; ``variables`` are ignored."""
        kind = self._lib.llama_chat_message
        chat = (kind * len(messages))(*(kind(_c_text(m["role"]), _c_text(m.get("content"))) for m in messages))
        size = 1024 + 2 * sum(len(message.content) for message in chat)
        for _ in range(2):
            buffer = ctypes.create_string_buffer(size)
            length = int(self._lib.llama_chat_apply_template(self._name, chat, len(chat), True, buffer, size))
            if length < 0:
                break
            if length < size:
                return buffer.raw[:length].decode(errors="replace")
            size = length + 1
        raise RequestError(f"The chat template {self._name.decode()} fails on the messages.", param="messages")


def choose(model: Model, setting: str | None, defaults: Variables | None = None) -> tuple[Template, str]:
    """Return the template to use and its origin: ``model``, ``setting``, ``chatml (by vocabulary)`` or the like.

    ``setting`` is the name of a built-in template, the path of a file or the text of a template. It has precedence over
    the model's own, and that over the one that the vocabulary calls for. ``defaults`` are values for the template's
    variables. Raises ModelError if there is no template, or none of its variables has the name of a default.
    """
    defaults = defaults or {}
    template, origin = _choose(model, setting, defaults)
    for name in defaults:
        # Thinking is switched off whether or not the template has a variable for it.
        if name in RESERVED_VARIABLES or (name not in template.variables and name != THINKING_VARIABLE):
            raise ModelError(
                f"CHAT_TEMPLATE_KWARGS: the chat template has no variable called {name!r}.",
                param="CHAT_TEMPLATE_KWARGS",
            )
    return template, origin


def _choose(model: Model, setting: str | None, defaults: Variables) -> tuple[Template, str]:
    vocabulary = model.vocabulary
    bos, eos = vocabulary.text_of(vocabulary.bos), vocabulary.text_of(vocabulary.eos)
    if setting is not None and setting in builtin_names():
        return BuiltinTemplate(setting), f"{setting} (setting)"
    if setting is not None:
        return JinjaTemplate(_setting_source(setting), bos=bos, eos=eos, defaults=defaults), "setting"
    if source := model.metadata("tokenizer.chat_template"):
        if tool_use := model.metadata("tokenizer.chat_template.tool_use"):
            return ToolUseTemplate(source, tool_use, bos=bos, eos=eos, defaults=defaults), "model"
        return JinjaTemplate(source, bos=bos, eos=eos, defaults=defaults), "model"
    name = template_for(
        model.metadata("general.architecture") or "",
        name=model.metadata("general.name"),
        n_vocab=vocabulary.size,
        sentencepiece=vocabulary.is_sentencepiece,
        has=vocabulary.has,
    )
    if name is None:
        raise ModelError(
            "The model has no chat template, and its vocabulary fits none that is known. Set CHAT_TEMPLATE to the text "
            f"of one, or to one of: {', '.join(builtin_names())}.",
            param="CHAT_TEMPLATE",
        )
    log.warning("the model has no chat template; its vocabulary calls for %s", name)
    return BuiltinTemplate(name), f"{name} (by vocabulary)"


def builtin_names() -> tuple[str, ...]:
    """Return the names of llama.cpp's own chat templates."""
    lib = library()
    count = lib.llama_chat_builtin_templates(None, 0)
    names = (ctypes.c_char_p * count)()
    lib.llama_chat_builtin_templates(names, count)
    return tuple(sorted(name.decode() for name in names if name))


def _setting_source(setting: str) -> str:
    """Return the template that ``setting`` is the path or the text of."""
    if "{" in setting:
        return setting
    try:
        return Path(setting).read_text(encoding="utf-8")
    except FileNotFoundError:  # as Jinja it would render the same prompt for all messages
        names = ", ".join(builtin_names())
        raise ModelError(
            f"CHAT_TEMPLATE={setting!r} is neither a Jinja template, nor a file, nor one of: {names}.",
            param="CHAT_TEMPLATE",
        ) from None
    except (OSError, ValueError) as e:
        raise ModelError(f"CHAT_TEMPLATE={setting!r} cannot be read: {e}.", param="CHAT_TEMPLATE") from e


def _typed(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return ``message`` with its text as a typed part."""
    content = message.get("content")
    return {**message, "content": [{"type": "text", "text": content}]} if isinstance(content, str) else message


def _c_text(content: Any) -> bytes:
    """Return the text of a message: a string, or the texts of its parts. A NUL would end it early in C."""
    if isinstance(content, (list, tuple)):
        content = "".join(part.get("text") or "" for part in content if isinstance(part, Mapping))
    return str(content or "").replace("\0", "\ufffd").encode(errors="replace")
