"""What is answered, as models for /openapi.json. Replies are built without them; tests hold replies to them."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Answer(BaseModel):
    """Has the fields that are named and no others."""

    model_config = ConfigDict(extra="forbid")


class ErrorDetail(Answer):
    """What happened, to what, and what to do about it. ``param`` names the field at fault, ``code`` the kind."""

    message: str
    type: str
    param: str | None
    code: str


class Error(Answer):
    """OpenAI's error object."""

    error: ErrorDetail


class PromptTokensDetails(Answer):
    """``cached_tokens`` of the prompt were in the model's memory already."""

    cached_tokens: int


class Usage(Answer):
    """Tokens read and written."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails


class Alternative(Answer):
    """A token. Control tokens have no ``bytes``."""

    token: str
    logprob: float = Field(le=0)
    bytes: list[int] | None


class TokenLogprob(Alternative):
    """The token that was taken, and the likeliest ones in its place."""

    top_logprobs: list[Alternative]


class ChatLogprobs(Answer):
    """An entry for each token of the text it comes with; their ``bytes``, joined, are the text."""

    content: list[TokenLogprob]
    refusal: None


FinishReason = Literal["stop", "length", "tool_calls"]


class FunctionCall(Answer):
    """What to call with which JSON."""

    name: str
    arguments: str


class ToolCall(Answer):
    """A call that the model asks for."""

    id: str
    type: Literal["function"]
    function: FunctionCall


class AssistantMessage(Answer):
    """The reply."""

    role: Literal["assistant"]
    content: str | None
    refusal: None
    reasoning_content: str | None = None
    tool_calls: list[ToolCall] | None = None


class ChatChoice(Answer):
    """The one choice."""

    index: Literal[0]
    message: AssistantMessage
    logprobs: ChatLogprobs | None
    finish_reason: FinishReason


class Made(Answer):
    """What every object of a reply says of where it is from."""

    id: str
    created: int
    model: str
    system_fingerprint: str


class ChatCompletionReply(Made):
    """A whole chat completion. ``receipt``: with the header X-Receipt."""

    object: Literal["chat.completion"]
    choices: list[ChatChoice]
    usage: Usage
    receipt: dict[str, Any] | None = None


class FunctionCallDelta(Answer):
    """A piece of a call."""

    name: str | None = None
    arguments: str | None = None


class ToolCallDelta(Answer):
    """The next piece of the call at ``index``."""

    index: int
    id: str | None = None
    type: Literal["function"] | None = None
    function: FunctionCallDelta | None = None


class Delta(Answer):
    """The next piece of the reply."""

    role: Literal["assistant"] | None = None
    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[ToolCallDelta] | None = None


class ChunkChoice(Answer):
    """The one choice's next piece."""

    index: Literal[0]
    delta: Delta
    logprobs: ChatLogprobs | None
    finish_reason: FinishReason | None


class ChatCompletionChunk(Made):
    """An event of a streamed chat completion. The last one, without choices, has the usage if it was asked for."""

    object: Literal["chat.completion.chunk"]
    choices: list[ChunkChoice]
    usage: Usage | None = None
    receipt: dict[str, Any] | None = None


class TextLogprobs(Answer):
    """Columns, a row for each token. The first token of an echoed prompt has no logprob."""

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None]
    text_offset: list[int]


class TextChoice(Answer):
    """The one choice; in a stream, its next piece."""

    text: str
    index: Literal[0]
    logprobs: TextLogprobs | None
    finish_reason: FinishReason | None


class CompletionReply(Made):
    """A text completion, or an event of a streamed one."""

    object: Literal["text_completion"]
    choices: list[TextChoice]
    usage: Usage | None = None
    receipt: dict[str, Any] | None = None


class Model(Answer):
    """The model that is served."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class Models(Answer):
    """The one model."""

    object: Literal["list"]
    data: list[Model]


class Piece(Answer):
    """A token, and its text, or its bytes where they are no text by themselves."""

    id: int
    piece: str | list[int]


class Tokens(Answer):
    """The tokens of a text, with their pieces if they were asked for."""

    tokens: list[int] | list[Piece]


class Content(Answer):
    """The text of tokens."""

    content: str


class RenderedPrompt(Answer):
    """What the model would read."""

    prompt: str


class Alive(Answer):
    """The port is open."""

    state: str


class Readiness(BaseModel):
    """Where the model is on its way to the first token: ``done`` (0 … 1) of ``state``, or what keeps it.

    ``requests``: how many have the model or wait for it, if any.
    """

    state: str
    done: float | None = None
    eta: float | None = None
    bytes: int | None = None
    total: int | None = None
    rate: float | None = None
    requests: int | None = None
    error: ErrorDetail | None = None


class Warmth(BaseModel):
    """How warm the instance is. ``first_token``: one could be produced now."""

    state: str
    age_seconds: float
    model: str
    file: str | None
    loaded: bool
    first_token: bool
    cold_start_seconds: dict[str, float]
    busy: bool
    error: ErrorDetail | None = None
