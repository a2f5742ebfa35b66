"""Models of replies in the shapes of OpenAI's Responses API, for /openapi.json."""

from typing import Any, Literal

from pydantic import Field

from function.web.docs.answers import Answer, ErrorDetail, PromptProgress, ReplyTimings, TokenAlternative

ItemStatus = Literal["in_progress", "completed", "incomplete"]


class ResponseTokenAlternative(TokenAlternative):
    """A token. Control tokens have no bytes."""

    bytes: list[int]


class ResponseTokenLogprob(ResponseTokenAlternative):
    """The sampled token, and the likeliest ones in its place."""

    top_logprobs: list[ResponseTokenAlternative]


class OutputPart(Answer):
    """Text of a message, of a thought or of its summary."""

    type: Literal["output_text", "reasoning_text", "summary_text"]
    text: str
    annotations: list[Any] | None = None
    logprobs: list[ResponseTokenLogprob] | None = None


class OutputItem(Answer):
    """Part of a response: a message, a call or thoughts."""

    id: str
    type: Literal["message", "function_call", "reasoning"]
    status: ItemStatus
    role: Literal["assistant"] | None = None
    content: list[OutputPart] | None = None
    summary: list[OutputPart] | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    encrypted_content: str | None = None


class InputTokensDetails(Answer):
    """``cached_tokens`` of the input were in the KV cache already."""

    cached_tokens: int
    cache_write_tokens: int


class OutputTokensDetails(Answer):
    """Tokens of the output that are thoughts."""

    reasoning_tokens: int


class ResponseUsage(Answer):
    """Tokens of the input and the output."""

    input_tokens: int
    input_tokens_details: InputTokensDetails
    output_tokens: int
    output_tokens_details: OutputTokensDetails
    total_tokens: int


class ResponseFailure(Answer):
    """Cause of a failed response."""

    code: str
    message: str


class IncompleteDetails(Answer):
    """Reason why a response is incomplete."""

    reason: Literal["max_output_tokens"]


class ResponseObject(Answer):
    """A response. It repeats fields of the request. ``receipt``: with the request header X-Receipt."""

    id: str
    object: Literal["response"]
    created_at: int
    status: Literal["in_progress", "completed", "incomplete", "failed"]
    completed_at: int | None
    error: ResponseFailure | None
    incomplete_details: IncompleteDetails | None
    model: str
    instructions: str | None
    max_output_tokens: int | None
    max_tool_calls: None
    temperature: float | None
    top_p: float | None
    top_logprobs: int
    text: dict[str, Any]
    reasoning: dict[str, Any]
    tools: list[dict[str, Any]]
    tool_choice: str | dict[str, Any]
    parallel_tool_calls: bool
    truncation: Literal["disabled"]
    metadata: Any
    store: Literal[False]
    background: Literal[False]
    previous_response_id: None
    service_tier: Literal["default"]
    output: list[OutputItem]
    usage: ResponseUsage | None
    receipt: dict[str, Any] | None = None


class ResponseEvent(Answer):
    """Event of a response. Its name is its ``type``, which decides about the other fields.

    ``timings`` come with ``timings_per_token``, and ``prompt_progress`` with ``return_progress``.
    """

    type: Literal[
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.output_item.done",
        "response.content_part.added",
        "response.content_part.done",
        "response.output_text.delta",
        "response.output_text.done",
        "response.reasoning_text.delta",
        "response.reasoning_text.done",
        "response.reasoning_summary_part.added",
        "response.reasoning_summary_part.done",
        "response.reasoning_summary_text.delta",
        "response.reasoning_summary_text.done",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.completed",
        "response.incomplete",
        "response.failed",
        "error",
    ]
    sequence_number: int = Field(ge=0)
    response: ResponseObject | None = None
    output_index: int | None = None
    item: OutputItem | None = None
    item_id: str | None = None
    content_index: int | None = None
    summary_index: int | None = None
    part: OutputPart | None = None
    delta: str | None = None
    text: str | None = None
    logprobs: list[ResponseTokenLogprob] | None = None
    name: str | None = None
    arguments: str | None = None
    code: str | None = None
    message: str | None = None
    param: str | None = None
    error: ErrorDetail | None = None
    timings: ReplyTimings | None = None
    prompt_progress: PromptProgress | None = None
    receipt: dict[str, Any] | None = None
