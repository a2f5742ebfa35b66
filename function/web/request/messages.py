"""The messages of a conversation, as requests bring them."""

from typing import Any, Literal

from pydantic import model_validator

from function.web.request.base_model import RequestModel, Unicode


class TextPart(RequestModel):
    """A piece of a message's content."""

    type: Literal["text"]
    text: Unicode


class FunctionCall(RequestModel):
    """What was called, and with what: JSON, as the model wrote it."""

    name: Unicode
    arguments: Unicode = "{}"
    parsed_arguments: Any = None


class ToolCall(RequestModel):
    """A call of a tool in a reply that is sent back."""

    id: Unicode
    type: Literal["function"] = "function"
    function: FunctionCall
    index: int | None = None


class Message(RequestModel):
    """One message of a conversation. What clients add to a reply that they send back is taken and left alone."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Unicode | list[TextPart]
    name: Unicode | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: Unicode | None = None
    reasoning_content: Unicode | None = None
    refusal: Unicode | None = None
    annotations: Any = None
    parsed: Any = None

    @model_validator(mode="before")
    @classmethod
    def _without_content(cls, given: Any) -> Any:
        """A reply that calls, refuses or only thinks has no content."""
        if not isinstance(given, dict) or given.get("role") != "assistant" or given.get("content") is not None:
            return given
        if refusal := given.get("refusal"):
            return {**given, "content": refusal}
        return {**given, "content": ""} if given.get("tool_calls") or given.get("reasoning_content") else given

    def text(self) -> str:
        """The content as one string."""
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)
