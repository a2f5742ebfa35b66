"""The messages of a conversation, as requests bring them."""

from typing import Any, Literal

from pydantic import model_validator

from function.web.request.base_model import RequestModel, Unicode


class TextPart(RequestModel):
    """A piece of a message's content."""

    type: Literal["text"]
    text: Unicode


class FunctionCall(RequestModel):
    """Name and JSON arguments of a call, as the model wrote them."""

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
        """Take a missing content of a reply or a result as empty; a refusal is the content of its reply."""
        if not isinstance(given, dict) or given.get("role") not in ("assistant", "tool"):
            return given
        if given.get("content") is not None:
            return given
        return {**given, "content": given.get("refusal") or ""}

    def text(self) -> str:
        """Return the content as one string, its parts on lines of their own."""
        return self.content if isinstance(self.content, str) else "\n".join(part.text for part in self.content)
