"""One chat request, from its messages to the prompt, and from the reply's text to its parts."""

import json
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any

from function.dialect.channel_reader import ChannelReader
from function.dialect.reply_parts import PlainReader, ReplyReader, StopReader
from function.dialect.reply_reader import ReplyTextReader
from function.dialect.syntax import PLAIN
from function.dialect.tool_grammar import allow_thought, content_grammar, tool_call_grammar
from function.engine import Engine, Grammar
from function.errors import RequestError
from function.lifecycle.service import Service
from function.web.request.messages import Message
from function.web.request.model_dialect import ModelDialect, model_dialect
from function.web.request.schema import ChatCompletion, Prompt
from function.web.request.template_messages import conversation, text_only
from function.web.request.tools import NOTHING, Tool, signatures

_OWN = frozenset(("messages", "tools", "documents", "add_generation_prompt", "bos_token", "eos_token"))
"""Variables of a template that the caller cannot set."""
_CUT = "\ue0ff"
"""Mark behind the message to continue: a private character that survives the template's trimming."""


class ChatPrompt:
    """Prompt of one request, and the reader of its reply; ``prompt`` comes first, and the others depend on it.

    ``stops`` end the answer. Raises RequestError for what contradicts itself.
    """

    def __init__(
        self,
        service: Service,
        messages: Sequence[Message],
        asked: ChatCompletion | None = None,
        *,
        stops: tuple[str, ...] = (),
    ) -> None:
        self._service = service
        self._messages = messages
        self._asked = asked
        self._stops = stops
        self._tools: list[tuple[int, Tool]] = asked.tool_choice.among(asked.tools) if asked else []
        self._model = ModelDialect(PLAIN, frozenset(), frozenset())
        self._opened = self._closed = False

    def text(self, engine: Engine) -> str:
        """Return the prompt, up to where the reply begins."""
        self._model = model_dialect(engine)
        dialect = self._model.dialect
        tools = [tool for _, tool in self._tools]
        system = self._service.system_prompt
        variables = self._variables(engine)
        messages = self._messages
        if self._continued():
            last = messages[-1]
            messages = [*messages[:-1], last.model_copy(update={"content": f"{last.text()}{_CUT}"})]
            variables["add_generation_prompt"] = False
        if tools and dialect.native:
            variables["tools"] = [tool.for_template() for tool in tools]
        try:
            text = engine.render(conversation(messages, dialect, tools=tools, system=system), **variables)
        except RequestError as refused:
            try:
                text = engine.render(text_only(messages, dialect, tools=tools, system=system), **variables)
            except RequestError:
                raise refused from None
        if self._continued():
            text, found, _ = text.rpartition(_CUT)
            if not found:
                raise RequestError(
                    "continue_final_message: the model's chat template does not write the last message.",
                    param="continue_final_message",
                )
            self._closed = True
            return text
        if dialect.thought:
            thought, end = dialect.thought, text.rstrip()
            self._opened = end.endswith(thought.begin) and (bool(thought.begin) or text.endswith(thought.prefix))
            self._closed = end.endswith(thought.end)
        return text

    def prompt(self, engine: Engine) -> Prompt:
        """Return the tokens to read, and the form of the reply."""
        tokens = engine.tokenize_prompt(self.text(engine))
        shown = self._model.marks if self._tools else self._model.frame_marks
        return Prompt(tokens, grammar=self._grammar(), shown=shown, stops=self._stop_watch())

    def reader(self) -> ReplyReader:
        """Return a reader of the reply's parts."""
        reader = self._parts_reader()
        return StopReader(reader, self._stops) if self._stops else reader

    def new_id(self) -> str:
        """Return the id of a new call."""
        short = self._model.dialect.history.short_ids
        return secrets.token_hex(5)[:9] if short else f"call_{secrets.token_hex(12)}"

    def _parts_reader(self) -> ReplyReader:
        dialect = self._model.dialect
        tools = {tool.function.name: tool.function.parameters or NOTHING for _, tool in self._tools}
        if dialect.channels:
            return ChannelReader(dialect, tools, continued=self._continued())
        if dialect is PLAIN and not tools:
            return PlainReader()
        return ReplyTextReader(dialect, tools, opened=self._opened, closed=self._closed)

    def _stop_watch(self) -> Callable[[str], bool] | None:
        """Return a function that takes the reply's text and returns true when the answer holds a stop string."""
        if not self._stops:
            return None
        reader = StopReader(self._parts_reader(), self._stops)

        def stopped(text: str) -> bool:
            for _ in reader.feed(text):
                pass
            return reader.stopped

        return stopped

    def _grammar(self) -> Grammar | None:
        asked, dialect = self._asked, self._model.dialect
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
                    signatures(self._tools),
                    required=required,
                    parallel=asked.parallel_tool_calls,
                    instead=instead,
                )
        elif grammar:
            grammar = content_grammar(grammar, dialect)
        if grammar is None or not (held or self._opened or dialect.channels):
            return grammar
        return allow_thought(grammar, dialect, opened=self._opened, closed=self._closed)

    def _continued(self) -> bool:
        """Return true if the reply continues the last message. Raises RequestError if it cannot."""
        asked = self._asked
        if asked is None or not (asked.continue_final_message or not asked.add_generation_prompt):
            return False
        last = self._messages[-1]
        if last.role == "assistant" and not last.tool_calls:
            return True
        if asked.continue_final_message:
            raise RequestError(
                "continue_final_message: the last message is not an assistant's text.", param="continue_final_message"
            )
        return False

    def _variables(self, engine: Engine) -> dict[str, Any]:
        """Return the template's variables besides the messages. Raises RequestError for those that it does not use."""
        known = engine.template_variables() - _OWN
        given = {name: value for name, value in self._defaults().items() if name in known}
        if self._asked is None:
            return given
        for name in self._asked.chat_template_kwargs:
            if name not in known:
                param = f"chat_template_kwargs.{name}"
                raise RequestError(f"{param}: the model's chat template has no such variable.", param=param)
        effort = self._asked.reasoning_effort
        if effort is not None and "reasoning_effort" in known:
            given["reasoning_effort"] = effort
        elif effort == "none" and "enable_thinking" in known:
            given["enable_thinking"] = False
        elif effort is not None and not (effort == "none" and self._model.dialect.thought is None):
            raise RequestError(
                "reasoning_effort: the model's chat template does not know it. Leave it out.", param="reasoning_effort"
            )
        if not self._asked.add_generation_prompt:
            given["add_generation_prompt"] = False
        return given | self._asked.chat_template_kwargs

    def _defaults(self) -> dict[str, Any]:
        """Return values for variables that templates expect and requests seldom set."""
        tools = [tool.for_template() for _, tool in self._tools]
        return {
            "datetime": time.strftime("%Y-%m-%d %H:%M:%S"),
            "functions": json.dumps(tools, ensure_ascii=False) if tools else "[]",
        }
