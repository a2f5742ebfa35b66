"""One chat request, from its messages to the prompt, and from the reply's text to its parts."""

import secrets
from collections.abc import Sequence
from typing import Any

from function.dialect.base import Dialect, recognise
from function.dialect.reply_parts import PlainReader, ReplyReader, ThoughtReader
from function.dialect.tool_call_parser import ToolCallReader
from function.dialect.tool_grammar import tool_call_grammar
from function.engine import Engine, Grammar, allow_thought
from function.errors import RequestError
from function.lifecycle.service import Service
from function.web.request.messages import Message
from function.web.request.schema import ChatCompletion, Prompt
from function.web.request.template_messages import conversation, folded
from function.web.request.tools import Tool, callables

_OWN = frozenset(("messages", "tools", "documents", "add_generation_prompt", "bos_token", "eos_token"))
"""Variables of a template that are not the caller's to set."""


class ChatPrompt:
    """``prompt`` comes first; what the others say depends on it. Raises RequestError for what contradicts itself."""

    def __init__(self, service: Service, messages: Sequence[Message], asked: ChatCompletion | None = None) -> None:
        self._service = service
        self._messages = messages
        self._asked = asked
        self._tools: list[tuple[int, Tool]] = asked.tool_choice.among(asked.tools) if asked else []
        self._dialect = Dialect("hermes", native=False)
        self._opened = self._closed = False

    def text(self, engine: Engine) -> str:
        """The prompt, up to where the reply begins."""
        dialect = self._dialect = recognise(engine.chat_template)
        tools = [tool for _, tool in self._tools]
        plain = conversation(self._messages, dialect, tools=tools, system=self._service.system_prompt)
        variables = self._variables(engine)
        if tools and dialect.native:
            variables["tools"] = [tool.told() for tool in tools]
        try:
            text = engine.render(plain, **variables)
        except RequestError:
            if not tools or dialect.native:
                raise
            text = engine.render(folded(plain), **variables)  # a template may refuse the system message that was added
        if dialect.thought:
            begin, end = dialect.thought
            self._opened, self._closed = text.rstrip().endswith(begin), text.rstrip().endswith(end)
        return text

    def prompt(self, engine: Engine) -> Prompt:
        """What the model is to read, and what its reply must look like."""
        tokens = engine.tokenize_prompt(self.text(engine))
        marks = self._dialect.marks if self._tools or self._dialect.thought else ()
        return Prompt(tokens, grammar=self._grammar(), shown=engine.find_control_tokens(marks))

    def reader(self) -> ReplyReader:
        """What tells the reply's parts."""
        content: ReplyReader = PlainReader()
        if self._tools:
            content = ToolCallReader(self._dialect, {tool.function.name for _, tool in self._tools})
        if self._dialect.thought is None or self._closed:
            return content
        return ThoughtReader(self._dialect.thought, opened=self._opened, content=content)

    def new_id(self) -> str:
        """The id of a new call."""
        short = self._dialect.style.startswith("mistral")
        return secrets.token_hex(5)[:9] if short else f"call_{secrets.token_hex(12)}"

    def _grammar(self) -> Grammar | None:
        asked, dialect = self._asked, self._dialect
        if asked is None:
            return None
        grammar, held = asked.grammar(), True
        if self._tools:
            required = asked.tool_choice.required
            strict = any(tool.function.strict for _, tool in self._tools)
            if required or strict or grammar or not asked.parallel_tool_calls:
                instead = None if required else grammar
                held = required or instead is not None
                grammar = tool_call_grammar(
                    dialect,
                    callables(self._tools),
                    required=required,
                    parallel=asked.parallel_tool_calls,
                    instead=instead,
                )
        if grammar is None or dialect.thought is None or self._closed or not (held or self._opened):
            return grammar
        return allow_thought(grammar, dialect.thought, opened=self._opened)

    def _variables(self, engine: Engine) -> dict[str, Any]:
        """What the template is given besides the messages. Raises RequestError for what it does not use."""
        if self._asked is None:
            return {}
        known = engine.template_variables() - _OWN
        given = dict(self._asked.chat_template_kwargs)
        for name in given:
            if name not in known:
                param = f"chat_template_kwargs.{name}"
                raise RequestError(f"{param}: the model's chat template has no such variable.", param=param)
        effort = self._asked.reasoning_effort
        if effort is not None and "reasoning_effort" in known:
            given["reasoning_effort"] = effort
        elif effort == "none" and "enable_thinking" in known:
            given["enable_thinking"] = False
        elif effort is not None and not (effort == "none" and self._dialect.thought is None):
            raise RequestError(
                "reasoning_effort: the model's chat template does not know it. Leave it out.", param="reasoning_effort"
            )
        return given
