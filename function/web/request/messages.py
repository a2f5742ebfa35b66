"""Messages of a conversation."""

from typing import Any, Literal

from pydantic import model_validator

from function.web.request.base_model import RequestModel, Unicode


class TextPart(RequestModel):
    """Text part of a message's content."""

    type: Literal["text"]
    text: Unicode


class FunctionCall(RequestModel):
    """Function of a past tool call. ``arguments`` is JSON as the model wrote it."""

    name: Unicode
    arguments: Unicode = "{}"
    parsed_arguments: Any = None


class ToolCall(RequestModel):
    """Tool call of an earlier reply."""

    id: Unicode
    type: Literal["function"] = "function"
    function: FunctionCall
    index: int | None = None


class Message(RequestModel):
    """Message of a conversation. Fields that clients add to an earlier reply are accepted and unused."""

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
    def _fill_missing_content(cls, given: Any) -> Any:
        """Give content to a reply that has none because it calls, refuses or only thinks."""
        if not isinstance(given, dict) or given.get("role") != "assistant" or given.get("content") is not None:
            return given
        if refusal := given.get("refusal"):
            return {**given, "content": refusal}
        return {**given, "content": ""} if given.get("tool_calls") or given.get("reasoning_content") else given

    def text(self) -> str:
        """Return the content as one string."""
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)
