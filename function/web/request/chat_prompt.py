"""One chat request, from its messages to the prompt, and from the reply's text to its parts."""

import secrets
from collections.abc import Callable, Sequence
from typing import Any

from function.dialect.reply_parts import CallsOnlyReader, PlainReader, ReplyReader, StopReader
from function.dialect.reply_reader import ReplyTextReader
from function.dialect.reply_watch import ReplyWatch, ThoughtLimit, Tokens
from function.dialect.syntax import KNOWN_THOUGHTS, PLAIN
from function.engine import RESERVED_VARIABLES, THINKING_VARIABLE, Engine, Grammar, require_kind
from function.errors import RequestError
from function.lifecycle.service import Service
from function.web.request.message_guard import NO_GUARD, ControlNames, MessageGuard
from function.web.request.messages import Message
from function.web.request.model_dialect import ModelDialect, model_dialect
from function.web.request.schema import ChatCompletion, Prompt
from function.web.request.template_messages import CONTINUED, conversation, text_only
from function.web.request.thinking import ThinkingFields
from function.web.request.tools import NOTHING, Tool, signatures

_SWITCHES = (THINKING_VARIABLE, "thinking")
"""Variables of templates that switch thinking on or off."""


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
        thinking: ThinkingFields | None = None,
        stops: tuple[str, ...] = (),
    ) -> None:
        self._service = service
        self._messages = messages
        self._asked = asked
        variables = asked.chat_template_kwargs if asked else {}
        self._thinking_fields = thinking or asked or ThinkingFields()
        self._thinking = self._thinking_fields.thinking(service.settings, variables.get(THINKING_VARIABLE))
        self._stops = stops
        self._tools: list[tuple[int, Tool]] = asked.tool_choice.among(asked.tools) if asked else []
        self._model = ModelDialect(PLAIN, frozenset(), frozenset(), ControlNames(()))
        self._guard = NO_GUARD
        self._opened = self._closed = self._shut = False
        self._ignored: list[str] = []

    def text(self, engine: Engine) -> str:
        """Return the prompt, up to where the reply begins."""
        return "".join(self._pieces(engine))

    def _pieces(self, engine: Engine) -> list[str]:
        """Return the prompt, cut where a message spells a control token."""
        require_kind(engine.kind, "chat")
        self._model = model_dialect(engine)
        while True:
            self._guard = MessageGuard(self._model.names)
            text = self._guarded(engine)
            if not self._guard.is_ambiguous:
                return self._guard.split(text)

    def _guarded(self, engine: Engine) -> str:
        """Return the prompt with guarded messages."""
        dialect = self._model.dialect
        self._ignored = []
        variables = self._variables(engine)
        messages = self._messages
        if self._continued():
            last = messages[-1]
            messages = [*messages[:-1], last.model_copy(update={"content": f"{last.text()}{CONTINUED}"})]
            variables["add_generation_prompt"] = False
        if self._tools and dialect.native:
            described = (tool.for_template() for _, tool in self._tools)
            variables["tools"] = [self._guard.guard_values(tool, alone=True) for tool in described]
        text = self._render(engine, messages, variables)
        if self._continued():
            text, found, _ = text.rpartition(CONTINUED)
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
            if self._thinking.budget == 0:
                text += self._closing(engine)
        return text

    def _render(self, engine: Engine, messages: Sequence[Message], variables: dict[str, Any]) -> str:
        """Render ``messages`` as the template takes them, else as text."""
        dialect, system = self._model.dialect, self._service.system_prompt
        tools = [tool for _, tool in self._tools]
        try:
            plain = conversation(messages, dialect, tools=tools, system=system, guard=self._guard)
            return engine.render(plain, **variables)
        except RequestError as refused:
            if variables.get("reasoning_effort") == "none":  # not a level of this template
                del variables["reasoning_effort"]
                return self._render(engine, messages, variables)
            try:
                plain = text_only(messages, dialect, tools=tools, system=system, guard=self._guard)
                return engine.render(plain, **variables)
            except RequestError:
                raise refused from None

    def _closing(self, engine: Engine) -> str:
        """Return the text that closes the thought of a prompt before it begins; empty if it cannot begin there."""
        thought = self._model.dialect.thought
        assert thought is not None
        if self._opened:
            closing = thought.end
        elif self._closed or not thought.begin or _switches(engine):
            return ""  # the template switched thinking off
        else:
            closing = thought.begin + thought.end
        self._opened, self._closed, self._shut = False, True, not thought.turn
        return closing + (thought.gap if thought.turn else "")

    def count(self, engine: Engine) -> int:
        """Return the number of tokens of the prompt, however many there are."""
        return len(self._prompt(engine, self._pieces(engine)).tokens)

    def prompt(self, engine: Engine) -> Prompt:
        """Return the tokens to read, and the form of the reply. Raises ContextExceeded for a text of a great length."""
        pieces = self._pieces(engine)
        engine.check_length(*pieces)
        return self._prompt(engine, pieces)

    def _prompt(self, engine: Engine, pieces: Sequence[str]) -> Prompt:
        tokens = engine.tokenize_prompt(*pieces)
        shown = self._model.marks if self._tools else self._model.frame_marks
        grammar = self._grammar()
        new_watch = self._new_watch(engine, has_grammar=grammar is not None)
        unused = (*self._unused(), *self._ignored)
        return Prompt(tokens, grammar=grammar, shown=shown, new_watch=new_watch, unused=unused)

    def reader(self) -> ReplyReader:
        """Return a reader of the reply's parts."""
        reader = self._parts_reader()
        if self._tools and self._asked and self._asked.tool_choice.required:
            reader = CallsOnlyReader(reader)
        return StopReader(reader, self._stops) if self._stops else reader

    def new_id(self) -> str:
        """Return the id of a new call."""
        short = self._model.dialect.history.short_ids
        return secrets.token_hex(5)[:9] if short else f"call_{secrets.token_hex(12)}"

    def _parts_reader(self) -> ReplyReader:
        dialect = self._model.dialect
        tools = {tool.function.name: tool.function.parameters or NOTHING for _, tool in self._tools}
        if dialect.channels:
            from function.dialect.channel_reader import ChannelReader

            return ChannelReader(dialect, tools, continued=self._continued())
        if dialect is PLAIN and not tools:
            return PlainReader()
        return ReplyTextReader(dialect, tools, opened=self._opened, closed=self._closed)

    def _new_watch(self, engine: Engine, *, has_grammar: bool) -> Callable[[], ReplyWatch] | None:
        """Return a maker of watches over one reply; None where neither a stop string nor a thought can occur."""
        if isinstance(self._parts_reader(), PlainReader) and not self._stops:
            return None
        budget = self._thinking.budget
        limit = None if budget is None else ThoughtLimit(budget, self._closings(engine, has_grammar=has_grammar))
        return lambda: ReplyWatch(self._parts_reader(), stops=self._stops, limit=limit)

    def _closings(self, engine: Engine, *, has_grammar: bool) -> dict[str, tuple[Tokens, Tokens]]:
        """Return the tokens that close a thought, by the mark that does: for the first, and for further ones."""
        dialect, message = self._model.dialect, self._thinking.message
        ends = {end: end for _, end in KNOWN_THOUGHTS}
        if thought := dialect.thought:
            ends[thought.end] = thought.end + (thought.gap if thought.turn else "")
        further = ""
        if channels := dialect.channels:
            ends = {channels.thought_end: channels.thought_end}
            further = "" if has_grammar else channels.content_header
        closings = {}
        for mark, end in ends.items():
            first = end if self._tools else end + further
            closings[mark] = engine.tokenize_continuation(message + first), engine.tokenize_continuation(end + further)
        return closings

    def _unused(self) -> tuple[str, ...]:
        """Return the request's fields that ask for thoughts of a model that has none."""
        if self._model.dialect.has_thoughts:
            return ()
        fields = self._thinking_fields
        values = {name: getattr(fields, name) for name in ThinkingFields.model_fields.keys() & fields.model_fields_set}
        return tuple(sorted(name for name, value in values.items() if value not in (0, -1, "none")))

    def _grammar(self) -> Grammar | None:
        asked, dialect = self._asked, self._model.dialect
        if asked is None:
            return None
        grammar, held = asked.grammar(), True
        if grammar is None and not self._tools:
            return None
        from function.dialect.tool_grammar import allow_thought, content_grammar, tool_call_grammar

        if self._tools:
            required = asked.tool_choice.required
            strict = any(tool.function.strict for _, tool in self._tools)
            if required or strict or grammar or not asked.parallel_tool_calls:
                instead = None if required else grammar
                held = required or instead is not None
                tools, dropped = signatures(self._tools)
                self._ignored += dropped
                grammar = tool_call_grammar(
                    dialect,
                    tools,
                    required=required,
                    parallel=asked.parallel_tool_calls and not asked.tool_choice.is_named,
                    instead=instead,
                )
        elif grammar:
            grammar = content_grammar(grammar, dialect)
        if grammar is None or not (held or self._opened or self._shut or dialect.channels):
            return grammar
        return allow_thought(grammar, dialect, opened=self._opened, closed=self._closed, shut=self._shut)

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
        known = engine.template_variables()
        given: dict[str, Any] = {}
        thinking, asked = self._thinking, self._asked
        if thinking.enabled is not None or thinking.budget == 0:
            value = thinking.budget != 0
            given |= {name: value for name in _SWITCHES if name in known}
        if asked is None:
            return given
        given |= self._effort(asked, known)
        sent = asked.chat_template_kwargs
        if reserved := sorted(sent.keys() & RESERVED_VARIABLES):
            param = f"chat_template_kwargs.{reserved[0]}"
            raise RequestError(f"{param}: the request sets this variable by other fields.", param=param)
        neutral = (
            {THINKING_VARIABLE} if sent.get(THINKING_VARIABLE) is False or self._model.dialect.has_thoughts else ()
        )
        self._ignored += [f"chat_template_kwargs.{name}" for name in sent if name not in known and name not in neutral]
        if not asked.add_generation_prompt:
            given["add_generation_prompt"] = False
        return given | {
            name: self._guard.guard_values(value, alone=True) for name, value in sent.items() if name in known
        }

    def _effort(self, asked: ChatCompletion, known: frozenset[str]) -> dict[str, str]:
        """Return the template's variable for the effort. Raises RequestError for a level that it does not use."""
        effort = asked.effort
        if effort is None or (effort == "none" and "reasoning_effort" not in known):
            return {}
        if "reasoning_effort" in known:
            return {"reasoning_effort": effort}
        if not self._model.dialect.has_thoughts:
            return {}
        param = "reasoning_effort" if asked.reasoning_effort else "reasoning.effort"
        raise RequestError(f"{param}: the model's chat template does not know it. Leave it out.", param=param)


def _switches(engine: Engine) -> bool:
    """Return true if a variable of the template switches thinking off."""
    return any(name in engine.template_variables() for name in _SWITCHES)
