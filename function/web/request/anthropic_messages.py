"""Body of /v1/messages, Anthropic's Messages API, and its translation to a chat completion. Pure."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from function.engine import Grammar
from function.web.request.base_model import RequestModel, Unicode
from function.web.request.messages import FunctionCall, Message, TextPart, ToolCall
from function.web.request.parts import ChosenByType, SkippedPart
from function.web.request.schema import TEXT_FORMAT, ChatCompletion, GenerationRequest, ResponseFormat, Stops
from function.web.request.tools import Function, Name, Tool, ToolChoiceRequest

BILLING_STAMP = re.compile(r"\A(x-anthropic-billing-header:[^\n]*?\bcch=)\w+;")
"""Checksum in the first line of a system prompt. It differs in each request, and would defeat the prefix cache."""
_JOINT = "\n\n"


class PlainTextBlock(TextPart):
    """Text of a turn."""

    type: Literal["text"]
    citations: Any = None
    cache_control: Any = None


class DocumentSource(RequestModel):
    """Text of a document."""

    type: Literal["text", "content"]
    data: Unicode = ""
    content: Unicode | list[PlainTextBlock] = ""
    media_type: Any = None


class DocumentBlock(RequestModel):
    """Document that is text."""

    type: Literal["document"]
    source: DocumentSource
    title: Unicode = ""
    context: Unicode = ""
    citations: Any = None
    cache_control: Any = None

    @property
    def text(self) -> str:
        """Title, context and text of the document."""
        return _lines(self.title, self.context, self.source.data, _text(self.source.content))


class SearchResultBlock(RequestModel):
    """Result of a search that the caller carried out."""

    type: Literal["search_result"]
    source: Unicode
    title: Unicode
    content: list[PlainTextBlock]
    citations: Any = None
    cache_control: Any = None

    @property
    def text(self) -> str:
        """Title, source and text of the result."""
        return _lines(self.title, self.source, _text(self.content))


def _is_foreign(name: str) -> bool:
    """Return true for a block that Anthropic's own tools wrote, or that only Anthropic can read."""
    return name.endswith(("_tool_use", "_tool_result")) or name in (
        "redacted_thinking", "container_upload", "tool_reference",
    )  # fmt: skip


TextBlock = Annotated[PlainTextBlock | DocumentBlock | SearchResultBlock | SkippedPart, ChosenByType(skips=_is_foreign)]


class ThinkingBlock(RequestModel):
    """Thought of an earlier reply."""

    type: Literal["thinking"]
    thinking: Unicode
    signature: Any = None


class ToolUseBlock(RequestModel):
    """Tool call of an earlier reply."""

    type: Literal["tool_use"]
    id: Unicode
    name: Unicode
    input: dict[str, Any]
    caller: Any = None
    cache_control: Any = None


class ToolResultBlock(RequestModel):
    """Result of a tool call."""

    type: Literal["tool_result"]
    tool_use_id: Unicode
    content: Unicode | list[TextBlock] = ""
    is_error: bool = False
    cache_control: Any = None

    @property
    def text(self) -> str:
        """Text of the result; an error is named as one."""
        text = _text(self.content)
        return f"Error: {text}" if self.is_error else text


ContentBlock = Annotated[
    PlainTextBlock | DocumentBlock | SearchResultBlock | ThinkingBlock | ToolUseBlock | ToolResultBlock | SkippedPart,
    ChosenByType(skips=_is_foreign),
]


class ConversationTurn(RequestModel):
    """Message of a user or of the assistant."""

    role: Literal["user", "assistant", "system"]
    content: Unicode | list[ContentBlock]

    def messages(self) -> Iterator[Message]:
        """Yield the turn as messages of a chat completion: results of calls first, as templates expect them."""
        if isinstance(self.content, str):
            yield Message(role=self.role, content=self.content)
            return
        for block in self.content:
            if isinstance(block, ToolResultBlock):
                yield Message(role="tool", tool_call_id=block.tool_use_id, content=block.text)
        calls = [block for block in self.content if isinstance(block, ToolUseBlock)]
        thoughts = [block.thinking for block in self.content if isinstance(block, ThinkingBlock)]
        texts = [
            block for block in self.content if isinstance(block, PlainTextBlock | DocumentBlock | SearchResultBlock)
        ]
        if self.role == "assistant":
            yield Message(
                role="assistant",
                content=_text(texts),
                tool_calls=[_call(block) for block in calls] or None,
                reasoning_content=_JOINT.join(thoughts) or None,
            )
        elif texts:
            yield Message(role=self.role, content=_text(texts))


class InputSchemaTool(RequestModel):
    """Function that the caller carries out."""

    type: Literal["custom"] = "custom"
    name: Name
    description: Unicode | None = None
    input_schema: dict[str, Any]
    strict: bool | None = None
    cache_control: Any = None
    input_examples: Any = None
    eager_input_streaming: Any = None
    allowed_callers: Any = None

    def for_chat(self) -> Tool:
        """Return the tool as chat completions have it."""
        function = Function(
            name=self.name, description=self.description, parameters=self.input_schema, strict=self.strict
        )
        return Tool(type="function", function=function)


AnthropicTool = Annotated[InputSchemaTool | SkippedPart, ChosenByType(skips=lambda name: True, default="custom")]


class ToolUseChoice(RequestModel):
    """Choice of a tool."""

    type: Literal["auto", "any", "tool", "none"]
    name: Unicode = ""
    disable_parallel_tool_use: bool = False

    def for_chat(self) -> ToolChoiceRequest:
        """Return the choice as chat completions have it."""
        if self.type == "tool":
            return ToolChoiceRequest.parse({"type": "function", "function": {"name": self.name}}, strict=True)
        return ToolChoiceRequest(type="required" if self.type == "any" else self.type)


class ThinkingConfig(RequestModel):
    """Configuration of thoughts. Without it a model does not think."""

    type: Literal["enabled", "disabled", "adaptive", "between_tools"]
    budget_tokens: int | None = Field(default=None, ge=0)
    display: Literal["summarized", "omitted"] | None = None


class SchemaFormat(RequestModel):
    """Format of the text: JSON that follows a schema."""

    type: Literal["json_schema"]
    json_schema: dict[str, Any] = Field(alias="schema")

    def for_chat(self) -> ResponseFormat:
        """Return the format as chat completions have it."""
        return ResponseFormat.parse({"type": self.type, "json_schema": {"schema": self.json_schema}}, strict=True)


class OutputConfig(RequestModel):
    """Configuration of the reply."""

    format: SchemaFormat | None = None
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None


class MessagesRequest(GenerationRequest):
    """Body of /v1/messages and /v1/messages/count_tokens."""

    WITHOUT_EFFECT = (
        *GenerationRequest.WITHOUT_EFFECT, "anthropic_beta", "betas", "cache_control", "container",
        "context_management", "diagnostics", "inference_geo", "speed", "user_profile_id",
    )  # fmt: skip
    CHAT_FIELDS: ClassVar = {
        "function.parameters": "input_schema", "function.name": "name",
        "response_format.json_schema": "output_config.format", "response_format": "output_config.format",
        "reasoning_effort": "output_config.effort", "thinking_budget_tokens": "thinking.budget_tokens",
        "enable_thinking": "thinking",
    }  # fmt: skip

    messages: list[ConversationTurn] = Field(min_length=1)
    system: Unicode | list[TextBlock] = ""
    tools: list[AnthropicTool] = Field(default_factory=list, max_length=128)
    tool_choice: ToolUseChoice = ToolUseChoice(type="auto")
    stop_sequences: Stops = Field(default_factory=list)
    thinking: ThinkingConfig = ThinkingConfig(type="disabled")
    output_config: OutputConfig = OutputConfig()
    output_format: SchemaFormat | None = None
    chat_template_kwargs: dict[str, Any] = Field(default_factory=dict)

    def chat(self) -> ChatCompletion:
        """Return the request as a chat completion. An assistant's last message is continued."""
        system = BILLING_STAMP.sub(r"\g<1>-;", _text(self.system))
        messages = [Message(role="system", content=system)] if system else []
        messages += [message for turn in self.messages for message in turn.messages()]
        last = messages[-1] if messages else None
        fields = {
            "messages": messages,
            "tools": [tool.for_chat() for tool in self.tools],
            "tool_choice": self.tool_choice.for_chat(),
            "parallel_tool_calls": not self.tool_choice.disable_parallel_tool_use,
            "response_format": self._format(),
            "json_schema": self.json_schema,
            "grammar": self.gbnf,
            "enable_thinking": self.thinks,
            "thinking_budget_tokens": self.thinking.budget_tokens if self.thinks else None,
            "reasoning_effort": self.output_config.effort if self.thinks else None,
            "continue_final_message": last is not None and last.role == "assistant" and not last.tool_calls,
            "chat_template_kwargs": self.chat_template_kwargs,
        }
        return ChatCompletion.parse(fields, strict=True)

    @property
    def thinks(self) -> bool:
        """True if the model may think."""
        return self.thinking.type != "disabled"

    @property
    def shows_thoughts(self) -> bool:
        """True if the reply has the text of thoughts."""
        return self.thinking.display != "omitted"

    @property
    def stop_strings(self) -> tuple[str, ...]:
        """See GenerationRequest."""
        return (*filter(None, self.stop_sequences), *super().stop_strings)

    def grammar(self) -> Grammar | None:
        """See GenerationRequest."""
        return self._format().grammar() or super().grammar()

    def _format(self) -> ResponseFormat:
        chosen = self.output_config.format or self.output_format
        return chosen.for_chat() if chosen else TEXT_FORMAT


def _call(block: ToolUseBlock) -> ToolCall:
    arguments = json.dumps(block.input, ensure_ascii=False)
    return ToolCall(id=block.id, function=FunctionCall(name=block.name, arguments=arguments))


def _text(content: str | Sequence[TextBlock]) -> str:
    """Return a text, or the texts of blocks as lines."""
    if isinstance(content, str):
        return content
    return "\n".join(block.text for block in content if not isinstance(block, SkippedPart))


def _lines(*texts: str) -> str:
    return "\n".join(filter(None, texts))
