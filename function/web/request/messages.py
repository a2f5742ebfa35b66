"""Messages of a conversation."""

import json
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, model_validator

from function.web.request.base_model import RequestModel, Unicode


class TextPart(RequestModel):
    """Text part of a message's content, under any of the types that OpenAI's APIs give it."""

    type: Literal["text", "input_text", "output_text", "refusal"]
    text: Unicode

    @model_validator(mode="before")
    @classmethod
    def _read_refusal(cls, given: Any) -> Any:
        refused = isinstance(given, dict) and given.get("type") == "refusal"
        return {"type": "refusal", "text": given.get("refusal")} if refused else given


def _arguments_text(arguments: Any) -> Any:
    return json.dumps(arguments, ensure_ascii=False) if isinstance(arguments, dict) else arguments


class FunctionCall(RequestModel):
    """Function of a past tool call. ``arguments`` is JSON as the model wrote it, or the object."""

    name: Unicode
    arguments: Annotated[Unicode, BeforeValidator(_arguments_text, json_schema_input_type=Unicode | dict[str, Any])] = (
        "{}"
    )
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
        """Give content to a reply or a tool's result without one."""
        if not isinstance(given, dict) or given.get("content") is not None:
            return given
        return {**given, "content": given.get("refusal") or ""} if given.get("role") in ("assistant", "tool") else given

    def text(self) -> str:
        """Return the content as one string; each part is a line of its own."""
        return self.content if isinstance(self.content, str) else "\n".join(part.text for part in self.content)
