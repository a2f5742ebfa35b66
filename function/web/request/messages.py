"""Messages of a conversation."""

import json
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, model_validator

from function.web.request.base_model import RequestModel, Unicode

MEDIA = {
    "image": "image", "image_url": "image", "input_image": "image", "input_audio": "audio", "video_url": "video",
    "file": "file", "input_file": "file", "document": "document",
}  # fmt: skip
"""Types of content parts that are no text, with the name of their medium."""


def media_error(kind: object) -> str | None:
    """Return the reason why a part of type ``kind`` is rejected; None for one that is no medium."""
    medium = MEDIA.get(kind) if isinstance(kind, str) else None
    return medium and f"{medium} input is not supported: the model reads text"


def _reject_medium(kind: object) -> object:
    if (reason := media_error(kind)) is not None:
        raise ValueError(reason)
    return kind


class TextPart(RequestModel):
    """Text part of a message's content, under any of the types that OpenAI's APIs give it."""

    type: Annotated[Literal["text", "input_text", "output_text", "refusal"], BeforeValidator(_reject_medium)]
    text: Unicode

    @model_validator(mode="before")
    @classmethod
    def _read_refusal(cls, given: Any) -> Any:
        """Read a refusal as text."""
        kind = given.get("type") if isinstance(given, dict) else None
        return {"type": "refusal", "text": given.get("refusal")} if kind == "refusal" else given


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
