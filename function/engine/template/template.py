"""Chat templates: messages → the text of a prompt. Either Jinja, as models bring it, or llama.cpp's own by name."""

import ctypes
import functools
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from function.engine.llama.library import library
from function.engine.llama.model import Model
from function.engine.template.builtin import template_for
from function.engine.template.watchdog import watchdog
from function.errors import ModelError, RequestError

log = logging.getLogger(__name__)

Messages = Sequence[Mapping[str, Any]]
_SENTENCE = 1000  # characters of a template's own words in an error
_WEDGED = 3  # times its limit, which it looks at at each step, is a step that does not end


class Template(Protocol):
    """Something that renders messages, ending where the assistant's reply begins."""

    source: str | None
    """Its Jinja; None where it has none."""

    @property
    def variables(self) -> frozenset[str]:
        """What it asks for by name, besides what it sets itself."""

    def render(self, messages: Messages, **variables: Any) -> str:
        """Raises RequestError, with the template's own sentence, when it refuses the messages or fails on them."""


class JinjaTemplate:
    """A template as a GGUF carries it. Safe for any number of threads.

    ``time_limit``: seconds of one rendering, 10 unless given. Raises ModelError when ``source`` is not Jinja.
    """

    def __init__(self, source: str, *, bos: str = "", eos: str = "", time_limit: float | None = None) -> None:
        from function.engine.template.sandbox import TIME_LIMIT, Sandbox

        self.source: str | None = source
        self._sandbox = Sandbox(TIME_LIMIT if time_limit is None else time_limit)
        self._special = {"bos_token": bos, "eos_token": eos}
        try:
            self._template = self._sandbox.from_string(source)
        except Exception as e:  # Jinja's own, Python's over nesting and numbers, and what else a text may bring about
            raise ModelError(
                f"The chat template is not valid Jinja: {_said(e)}. Set CHAT_TEMPLATE to one that is.",
                param="CHAT_TEMPLATE",
            ) from e

    @functools.cached_property
    def variables(self) -> frozenset[str]:
        """See Template."""
        from jinja2.meta import find_undeclared_variables

        assert self.source is not None
        return frozenset(find_undeclared_variables(self._sandbox.parse(self.source)))

    def render(self, messages: Messages, **variables: Any) -> str:
        """``variables`` reach the template beside ``messages``; absent tools and documents are none, as elsewhere."""
        from function.engine.template.sandbox import Refused

        given = {"tools": None, "documents": None, "add_generation_prompt": True} | self._special | variables
        try:
            with watchdog(_WEDGED * self._sandbox.time_limit):
                return self._sandbox.write(self._template, given | {"messages": list(messages)})
        except Refused as e:
            raise RequestError(f"The model's chat template refuses the messages: {_said(e)}", param="messages") from e
        except Exception as e:  # a template can raise anything that Python can
            raise RequestError(
                f"The model's chat template fails on the messages: {type(e).__name__}: {_said(e)}", param="messages"
            ) from e


class BuiltinTemplate:
    """One of the templates that llama.cpp has built in. Raises ModelError when it has none called ``name``."""

    def __init__(self, name: str) -> None:
        if name not in builtin_names():
            raise ModelError(f"llama.cpp has no chat template called {name!r}.", param="CHAT_TEMPLATE")
        self._lib = library()
        self._name = name.encode()
        self.source: str | None = None
        self.variables: frozenset[str] = frozenset()

    def render(self, messages: Messages, **variables: Any) -> str:
        """Roles and texts only; ``variables`` have no place in these templates."""
        kind = self._lib.llama_chat_message
        chat = (kind * len(messages))(*(kind(_plain(m["role"]), _plain(m.get("content"))) for m in messages))
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


def choose(model: Model, setting: str | None) -> tuple[Template, str]:
    """The template to use, and where it is from.

    ``setting``, a name or a text, goes before what the file brings, and that before what its architecture and
    vocabulary call for. Raises ModelError when none is left.
    """
    vocabulary = model.vocabulary
    if setting is not None and setting in builtin_names():
        return BuiltinTemplate(setting), f"{setting} (setting)"
    if setting is not None and "{" not in setting:  # as Jinja it would be the same prompt whatever is asked
        raise ModelError(
            f"CHAT_TEMPLATE={setting!r} is neither a Jinja template nor one of: {', '.join(builtin_names())}.",
            param="CHAT_TEMPLATE",
        )
    source = setting if setting is not None else model.metadata("tokenizer.chat_template")
    if source:
        bos, eos = vocabulary.text_of(vocabulary.bos), vocabulary.text_of(vocabulary.eos)
        return JinjaTemplate(source, bos=bos, eos=eos), "model" if setting is None else "setting"
    name = template_for(
        model.metadata("general.architecture") or "",
        name=model.metadata("general.name"),
        n_vocab=vocabulary.size,
        sentencepiece=vocabulary.is_sentencepiece,
        has=vocabulary.has,
    )
    if name is None:
        raise ModelError(
            "The model brings no chat template, and nothing in it says which one it was trained for. Set "
            f"CHAT_TEMPLATE to the text of one, or to one of: {', '.join(builtin_names())}.",
            param="CHAT_TEMPLATE",
        )
    log.warning("the model brings no chat template; %s is what its architecture and vocabulary call for", name)
    return BuiltinTemplate(name), f"{name} (by architecture)"


def builtin_names() -> tuple[str, ...]:
    """The names of llama.cpp's own chat templates."""
    lib = library()
    count = lib.llama_chat_builtin_templates(None, 0)
    names = (ctypes.c_char_p * count)()
    lib.llama_chat_builtin_templates(names, count)
    return tuple(sorted(name.decode() for name in names if name))


def _said(error: Exception) -> str:
    """What an error says, as much of it as a reply and a log line should hold."""
    said = str(error)
    return said if len(said) <= _SENTENCE else f"{said[:_SENTENCE]} …"


def _plain(content: Any) -> bytes:
    """The text of a message: a string, or the texts among its parts. NUL would end it early in C."""
    if isinstance(content, (list, tuple)):
        content = "".join(part.get("text") or "" for part in content if isinstance(part, Mapping))
    return str(content or "").replace("\0", "\ufffd").encode(errors="replace")
