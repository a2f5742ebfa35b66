"""Body of /v1/responses, OpenAI's Responses API, and its translation to a chat completion. Pure."""

import base64
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from function.engine import Grammar
from function.errors import RequestError
from function.web.request.base_model import RequestModel, Unicode
from function.web.request.item_memory import REFERENCE
from function.web.request.messages import FunctionCall, Message, TextPart, ToolCall
from function.web.request.parts import ChosenByType, SkippedPart
from function.web.request.schema import ChatCompletion, GenerationRequest, ResponseFormat
from function.web.request.thinking import Effort
from function.web.request.tools import Function, Name, Tool, ToolChoiceRequest

_SIMPLE_CHOICES = ("none", "auto", "required")
LOGPROBS = "message.output_text.logprobs"
"""Value of ``include`` that requests logprobs."""
ENCRYPTED = "reasoning.encrypted_content"
"""Value of ``include`` that requests thoughts in an opaque form, without which some clients do not send them back."""
_STATELESS = "this server stores no responses. Send the whole conversation in `input`"


class ResponseText(TextPart):
    """Text of a message; of an earlier reply as it came."""

    annotations: Any = None
    logprobs: Any = None


class InputMessage(RequestModel):
    """Message of a conversation."""

    type: Literal["message"] = "message"
    role: Literal["user", "assistant", "system", "developer"]
    content: Unicode | list[ResponseText]
    id: Any = None
    status: Any = None
    phase: Any = None


class FunctionCallItem(RequestModel):
    """Tool call of an earlier reply."""

    type: Literal["function_call"]
    call_id: Unicode
    name: Unicode
    arguments: Unicode
    parsed_arguments: Any = None
    id: Any = None
    status: Any = None


class FunctionCallOutput(RequestModel):
    """Result of a tool call."""

    type: Literal["function_call_output"]
    call_id: Unicode
    output: Unicode | list[ResponseText]
    id: Any = None
    status: Any = None


class ReasoningText(RequestModel):
    """Text of a thought, or of its summary."""

    type: Literal["reasoning_text", "summary_text", "text"] = "text"
    text: Unicode


class ReasoningItem(RequestModel):
    """Thoughts of an earlier reply."""

    type: Literal["reasoning"]
    summary: list[ReasoningText] = Field(default_factory=list)
    content: list[ReasoningText] = Field(default_factory=list)
    encrypted_content: Unicode = ""
    id: Any = None
    status: Any = None

    def thought(self) -> str:
        """Return the thoughts as text, from the first field that has them."""
        return "\n".join(part.text for part in self.content or self.summary) or self._opaque_thought()

    def _opaque_thought(self) -> str:
        try:
            return base64.b64decode(self.encrypted_content, validate=True).decode()
        except ValueError:  # another server's
            return ""


InputItem = Annotated[
    InputMessage | FunctionCallItem | FunctionCallOutput | ReasoningItem | SkippedPart,
    ChosenByType(skips=lambda name: name != REFERENCE, default="message"),
]


def _listed(given: Any) -> Any:
    return [{"role": "user", "content": given}] if isinstance(given, str) else given


class FunctionTool(RequestModel):
    """Function that the caller carries out."""

    type: Literal["function"]
    name: Name
    description: Unicode | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None
    output_schema: Any = None

    def for_chat(self) -> Tool:
        """Return the tool as chat completions have it."""
        function = Function(
            name=self.name, description=self.description, parameters=self.parameters, strict=self.strict
        )
        return Tool(type="function", function=function)

    def for_response(self) -> dict[str, Any]:
        """Return the tool as a response object repeats it."""
        return self.model_dump(include={"type", "name", "description", "parameters", "strict"})


ResponseTool = Annotated[FunctionTool | SkippedPart, ChosenByType(skips=lambda name: True)]


class NamedFunction(RequestModel):
    """One tool by its name."""

    type: Literal["function"]
    name: Unicode


class ResponseToolChoice(RequestModel):
    """Choice of a tool. Only functions can be chosen."""

    type: Literal["none", "auto", "required", "function", "allowed_tools"]
    name: Unicode | None = None
    mode: Literal["auto", "required"] = "auto"
    tools: list[NamedFunction] = Field(default_factory=list)

    def for_chat(self) -> ToolChoiceRequest:
        """Return the choice as chat completions have it."""
        fields: dict[str, Any] = {"type": self.type}
        if self.type == "function" and self.name is not None:
            fields["function"] = {"name": self.name}
        elif self.type == "allowed_tools":
            names = [{"type": "function", "function": {"name": tool.name}} for tool in self.tools]
            fields["allowed_tools"] = {"mode": self.mode, "tools": names}
        return ToolChoiceRequest(**fields)

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        if self.type == "function" and self.name is None:
            raise ValueError("it needs the name of a function")
        if self.type == "allowed_tools" and not self.tools:
            raise ValueError("it needs the tools that are allowed")
        return self


def _object(given: Any) -> Any:
    return {"type": given} if isinstance(given, str) else given


class OutputFormat(RequestModel):
    """Format of the text: free, any JSON object, or JSON that follows a schema."""

    type: Literal["text", "json_object", "json_schema"] = "text"
    name: Unicode = ""
    description: Unicode | None = None
    json_schema: dict[str, Any] | None = Field(default=None, alias="schema")
    strict: bool | None = None

    def for_chat(self) -> ResponseFormat:
        """Return the format as chat completions have it. Raises RequestError for a schema that is missing."""
        if self.type != "json_schema":
            return ResponseFormat.parse({"type": self.type}, strict=True)
        if self.json_schema is None:
            raise RequestError('text.format.schema: "type": "json_schema" needs it.', param="text.format.schema")
        schema = {"name": self.name, "schema": self.json_schema, "strict": self.strict}
        return ResponseFormat.parse({"type": self.type, "json_schema": schema}, strict=True)


class TextOptions(RequestModel):
    """Options of the text."""

    format: OutputFormat = OutputFormat()
    verbosity: Any = None


class ReasoningOptions(RequestModel):
    """Options of the thoughts. With ``summary``, they are returned as the summary of the reasoning item."""

    effort: Effort | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    generate_summary: Literal["auto", "concise", "detailed"] | None = None
    context: Any = None
    mode: Any = None


class ResponsesRequest(GenerationRequest):
    """Body of /v1/responses."""

    WITHOUT_EFFECT = (
        *GenerationRequest.WITHOUT_EFFECT, "prompt_cache_options", "max_tool_calls", "truncation", "context_management",
    )  # fmt: skip
    UNSUPPORTED: ClassVar = GenerationRequest.UNSUPPORTED | {"background": (False,), "prompt": ()}
    CHAT_FIELDS: ClassVar = {
        "messages": "input", "function.parameters": "parameters", "function.name": "name",
        "response_format.json_schema": "text.format", "response_format": "text.format",
        "reasoning_effort": "reasoning.effort",
    }  # fmt: skip

    input: Annotated[
        list[InputItem],
        Field(min_length=1),
        BeforeValidator(_listed, json_schema_input_type=Unicode | Annotated[list[InputItem], Field(min_length=1)]),
    ]
    instructions: Unicode | None = None
    tools: list[ResponseTool] = Field(default_factory=list, max_length=128)
    tool_choice: Annotated[
        ResponseToolChoice,
        BeforeValidator(_object, json_schema_input_type=Literal["none", "auto", "required"] | ResponseToolChoice),
    ] = ResponseToolChoice(type="auto")
    parallel_tool_calls: bool = True
    text: TextOptions = TextOptions()
    reasoning: ReasoningOptions = ReasoningOptions()
    max_output_tokens: int | None = Field(None, ge=1)
    top_logprobs: int = Field(0, ge=0, le=20)
    include: list[Unicode] = Field(default_factory=list)
    previous_response_id: Unicode | None = None
    conversation: Any = None
    chat_template_kwargs: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _reject_state(self) -> Self:
        for param in ("previous_response_id", "conversation"):
            if getattr(self, param):
                raise RequestError(f"{param}: {_STATELESS}.", param=param)
        return self

    def chat(self) -> ChatCompletion:
        """Return the request as a chat completion."""
        messages = [Message(role="system", content=self.instructions)] if self.instructions else []
        fields = {
            "messages": messages + chat_messages(self.input),
            "tools": [tool.for_chat() for tool in self.tools],
            "tool_choice": self.tool_choice.for_chat(),
            "parallel_tool_calls": self.parallel_tool_calls,
            "reasoning_effort": self.reasoning.effort,
            "response_format": self.text.format.for_chat(),
            "json_schema": self.json_schema,
            "grammar": self.gbnf,
            "chat_template_kwargs": self.chat_template_kwargs,
        }
        return ChatCompletion.parse(fields, strict=True)

    def response_fields(self) -> dict[str, Any]:
        """Return the fields that the response object repeats."""
        given, choice, form = self.model_fields_set, self.tool_choice, self.text.format
        schema = {"name": form.name, "schema": form.json_schema, "strict": form.strict}
        return {
            "instructions": self.instructions,
            "max_output_tokens": self.max_output_tokens,
            "max_tool_calls": None,
            "temperature": self.temperature if "temperature" in given else None,
            "top_p": self.top_p if "top_p" in given else None,
            "top_logprobs": self.top_logprobs,
            "text": {"format": {"type": form.type} | (schema if form.type == "json_schema" else {})},
            "reasoning": {"effort": self.reasoning.effort, "summary": self.reasoning.summary},
            "tools": [tool.for_response() for tool in self.tools if isinstance(tool, FunctionTool)],
            "tool_choice": choice.type if choice.type in _SIMPLE_CHOICES else choice.model_dump(exclude_unset=True),
            "parallel_tool_calls": self.parallel_tool_calls,
            "truncation": "disabled",
            "metadata": (self.model_extra or {}).get("metadata", {}),
            "store": False,
            "background": False,
            "previous_response_id": None,
            "service_tier": "default",
        }

    @property
    def wants_opaque_thoughts(self) -> bool:
        """True if thoughts are wanted in an opaque form too."""
        return ENCRYPTED in self.include

    @property
    def may_be_kept(self) -> bool:
        """True unless the request forbids to store the response."""
        return (self.model_extra or {}).get("store") is not False

    @property
    def wants_summary(self) -> bool:
        """True if the thoughts are wanted as a summary."""
        return (self.reasoning.summary or self.reasoning.generate_summary) is not None

    @property
    def token_limit(self) -> int | None:
        """See GenerationRequest."""
        return self.max_output_tokens or super().token_limit

    @property
    def alternatives(self) -> int | None:
        """See GenerationRequest."""
        return self.top_logprobs if self.top_logprobs or LOGPROBS in self.include else None

    def grammar(self) -> Grammar | None:
        """See GenerationRequest."""
        return self.text.format.for_chat().grammar() or super().grammar()


def chat_messages(items: Sequence[InputItem]) -> list[Message]:
    """Return ``items`` as messages: thoughts, texts and calls of one reply are one message."""
    messages: list[Message] = []
    for item in items:
        if isinstance(item, SkippedPart):
            continue
        if isinstance(item, FunctionCallOutput):
            messages.append(Message(role="tool", content=_text(item.output), tool_call_id=item.call_id))
        elif isinstance(item, InputMessage) and item.role != "assistant":
            messages.append(Message(role=item.role, content=_text(item.content)))
        else:
            last = messages.pop() if messages and messages[-1].role == "assistant" else None
            messages.append(_extended(last or Message(role="assistant", content=""), item))
    return messages


def _extended(reply: Message, item: InputMessage | FunctionCallItem | ReasoningItem) -> Message:
    """Return ``reply`` with one more item of it."""
    if isinstance(item, ReasoningItem):
        return reply.model_copy(update={"reasoning_content": _joined(reply.reasoning_content, item.thought())})
    if isinstance(item, FunctionCallItem):
        call = ToolCall(id=item.call_id, function=FunctionCall(name=item.name, arguments=item.arguments))
        return reply.model_copy(update={"tool_calls": [*(reply.tool_calls or ()), call]})
    return reply.model_copy(update={"content": _joined(reply.text(), _text(item.content))})


def _text(content: str | Sequence[ResponseText]) -> str:
    return content if isinstance(content, str) else "\n".join(part.text for part in content)


def _joined(text: str | None, more: str) -> str:
    return f"{text}\n{more}" if text and more else text or more
