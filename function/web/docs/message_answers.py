"""Models of replies in the shapes of Anthropic's Messages API, for /openapi.json."""

from typing import Any, Literal

from function.web.docs.answers import Answer, ErrorDetail

StopReason = Literal["end_turn", "max_tokens", "stop_sequence", "tool_use"]


class MessageTokensDetails(Answer):
    """Tokens of the output that are thoughts."""

    thinking_tokens: int


class MessageUsage(Answer):
    """Tokens of the input, without those that were in the KV cache already, and of the output."""

    input_tokens: int
    cache_creation_input_tokens: Literal[0]
    cache_read_input_tokens: int
    output_tokens: int
    output_tokens_details: MessageTokensDetails


class MessageBlock(Answer):
    """Part of a message: text, thoughts or a call."""

    type: Literal["text", "thinking", "tool_use"]
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    id: str | None = None
    name: str | None = None
    input: dict[str, Any] | None = None


class MessageObject(Answer):
    """A message. ``receipt``: with the request header X-Receipt."""

    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    model: str
    content: list[MessageBlock]
    stop_reason: StopReason | None
    stop_sequence: str | None
    usage: MessageUsage
    receipt: dict[str, Any] | None = None


class MessageDelta(Answer):
    """Next piece of a block, or the end of the message."""

    type: Literal["text_delta", "thinking_delta", "signature_delta", "input_json_delta"] | None = None
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: str | None = None
    stop_reason: StopReason | None = None
    stop_sequence: str | None = None


class MessageEvent(Answer):
    """Event of a message. Its name is its ``type``, which decides about the other fields."""

    type: Literal[
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "error",
    ]
    message: MessageObject | None = None
    index: int | None = None
    content_block: MessageBlock | None = None
    delta: MessageDelta | None = None
    usage: MessageUsage | None = None
    error: ErrorDetail | None = None
    receipt: dict[str, Any] | None = None


class MessageError(Answer):
    """Anthropic's error object."""

    type: Literal["error"]
    error: ErrorDetail
    request_id: str | None = None


class TokenCount(Answer):
    """Tokens of a request."""

    input_tokens: int
