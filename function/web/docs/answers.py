"""Models of replies, for /openapi.json. Replies are built without them; tests compare them."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel


class Answer(BaseModel):
    """Object with exactly the named fields."""

    model_config = ConfigDict(extra="forbid")


class ErrorDetail(Answer):
    """Cause of an error and its remedy. ``param`` names the field at fault, ``code`` the kind."""

    message: str
    type: str
    param: str | None
    code: str
    n_prompt_tokens: int | None = None
    n_ctx: int | None = None


class Error(Answer):
    """OpenAI's error object."""

    error: ErrorDetail


class PromptTokensDetails(Answer):
    """``cached_tokens`` of the prompt were in the KV cache already."""

    cached_tokens: int


class CompletionTokensDetails(Answer):
    """``reasoning_tokens`` of the reply are thoughts."""

    reasoning_tokens: int


class Usage(Answer):
    """Tokens of the prompt and the reply."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails
    completion_tokens_details: CompletionTokensDetails


class TokenAlternative(Answer):
    """A token. Control tokens have no ``bytes``."""

    token: str
    logprob: float = Field(le=0)
    bytes: list[int] | None


class TokenLogprob(TokenAlternative):
    """The sampled token, and the likeliest ones in its place."""

    top_logprobs: list[TokenAlternative]


class ChatLogprobs(Answer):
    """An entry for each token of the text; their ``bytes``, joined, are the text."""

    content: list[TokenLogprob]
    refusal: None


FinishReason = Literal["stop", "length", "tool_calls"]


class CalledFunction(Answer):
    """Function to call and its arguments, as JSON."""

    name: str
    arguments: str


class ReplyToolCall(Answer):
    """Tool call in a reply."""

    id: str
    type: Literal["function"]
    function: CalledFunction


class AssistantMessage(Answer):
    """The reply."""

    role: Literal["assistant"]
    content: str | None
    refusal: None
    reasoning_content: str | None = None
    tool_calls: list[ReplyToolCall] | None = None


class ChatChoice(Answer):
    """One of ``n`` choices."""

    index: int
    message: AssistantMessage
    logprobs: ChatLogprobs | None
    finish_reason: FinishReason


class ReplyTimings(Answer):
    """Tokens and durations of the prefill and of the decode; ``cache_n`` of the prompt were in the KV cache."""

    cache_n: int
    prompt_n: int
    prompt_ms: float
    prompt_per_token_ms: float
    prompt_per_second: float
    predicted_n: int
    predicted_ms: float
    predicted_per_token_ms: float
    predicted_per_second: float


class PromptProgress(Answer):
    """Tokens of the prompt that are in the KV cache, and the time since the prefill began."""

    total: int
    cache: int
    processed: int
    time_ms: int


class ReplyObject(Answer):
    """Fields of every object of a reply.

    ``timings`` come with ``timings_per_token``, and ``__verbose``, llama.cpp's own form of the reply, with ``verbose``.
    """

    model_config = ConfigDict(extra="forbid", serialize_by_alias=True)

    id: str
    created: int
    model: str
    system_fingerprint: str
    timings: ReplyTimings | None = None
    verbose: dict[str, Any] | None = Field(None, alias="__verbose")


class ChatCompletionReply(ReplyObject):
    """A whole chat completion. ``receipt``: with the request header X-Receipt."""

    object: Literal["chat.completion"]
    choices: list[ChatChoice]
    usage: Usage
    receipt: dict[str, Any] | None = None


class FunctionCallDelta(Answer):
    """Piece of a call."""

    name: str | None = None
    arguments: str | None = None


class ToolCallDelta(Answer):
    """Next piece of the call at ``index``."""

    index: int
    id: str | None = None
    type: Literal["function"] | None = None
    function: FunctionCallDelta | None = None


class Delta(Answer):
    """Next piece of the reply."""

    role: Literal["assistant"] | None = None
    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[ToolCallDelta] | None = None


class ChunkChoice(Answer):
    """Next piece of a choice."""

    index: int
    delta: Delta
    logprobs: ChatLogprobs | None
    finish_reason: FinishReason | None


class ChatCompletionChunk(ReplyObject):
    """An event of a streamed chat completion. The last one has no choices; it has the usage on request.

    ``prompt_progress`` comes with ``return_progress``.
    """

    object: Literal["chat.completion.chunk"]
    choices: list[ChunkChoice]
    usage: Usage | None = None
    prompt_progress: PromptProgress | None = None
    receipt: dict[str, Any] | None = None


class TextLogprobs(Answer):
    """Columns, a row for each token. The first token of an echoed prompt has no logprob."""

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None]
    text_offset: list[int]


class TextChoice(Answer):
    """One of the choices, ``n`` for each prompt; in a stream, its next piece."""

    text: str
    index: int
    logprobs: TextLogprobs | None
    finish_reason: FinishReason | None


class CompletionReply(ReplyObject):
    """A text completion, or an event of a streamed one."""

    object: Literal["text_completion"]
    choices: list[TextChoice]
    usage: Usage | None = None
    prompt_progress: PromptProgress | None = None
    receipt: dict[str, Any] | None = None


class LlamaToken(Answer):
    """A token, its bytes and its logprob, or its probability with ``post_sampling_probs``."""

    id: int
    token: str
    bytes: list[int]
    logprob: float | None = None
    prob: float | None = None


class LlamaTokenProbability(LlamaToken):
    """The sampled token, and the likeliest ones in its place."""

    top_logprobs: list[LlamaToken] | None = None
    top_probs: list[LlamaToken] | None = None


class LlamaCompletionReply(BaseModel):
    """A completion in llama.cpp's own form, or an event of a streamed one.

    Only the last event, or the one object, has ``stop: true`` and the fields about the whole reply, or those of them
    that ``response_fields`` selects.
    """

    index: int | None = None
    content: str | None = None
    tokens: list[int] | None = None
    stop: bool | None = None
    id_slot: int | None = None
    model: str | None = None
    tokens_predicted: int | None = None
    tokens_evaluated: int | None = None
    tokens_cached: int | None = None
    generation_settings: dict[str, Any] | None = None
    prompt: str | None = None
    has_new_line: bool | None = None
    truncated: bool | None = None
    stop_type: Literal["eos", "word", "limit", "none"] | None = None
    stopping_word: str | None = None
    timings: ReplyTimings | None = None
    prompt_progress: PromptProgress | None = None
    completion_probabilities: list[LlamaTokenProbability] | None = None
    receipt: dict[str, Any] | None = None


class LlamaCompletionReplies(RootModel[LlamaCompletionReply | list[LlamaCompletionReply]]):
    """The reply, or one for each of several prompts."""


class EitherCompletion(RootModel[CompletionReply | LlamaCompletionReply | list[LlamaCompletionReply]]):
    """OpenAI's form for a request that names a model, else llama.cpp's."""


class InputUsage(Answer):
    """Tokens of all inputs, special tokens included."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingEntry(Answer):
    """Vector of the input at ``index``: numbers, or 32-bit floats in base64."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class Embeddings(Answer):
    """A vector of length 1 for each input, in order."""

    object: Literal["list"]
    data: list[EmbeddingEntry]
    model: str
    usage: InputUsage
    receipt: dict[str, Any] | None = None


class RankedDocument(Answer):
    """Document, if requested."""

    text: str


class RankedEntry(Answer):
    """Score of the document at ``index``."""

    index: int
    relevance_score: float
    document: RankedDocument | None = None


class Ranking(Answer):
    """Documents by their scores, the best first."""

    object: Literal["list"]
    results: list[RankedEntry]
    model: str
    usage: InputUsage
    receipt: dict[str, Any] | None = None


class ScoredText(Answer):
    """Score of the text at ``index``, as Text Embeddings Inference returns it."""

    index: int
    score: float
    text: str | None = None


class Reranked(RootModel[Ranking | list[ScoredText]]):
    """The ranking of ``documents``, or the scores of ``texts``."""


class ModelSizes(Answer):
    """Sizes of the model: tokens of its context here, of its context in training and of its vocabulary; bytes."""

    n_ctx: int
    n_ctx_train: int
    n_vocab: int
    size: int | None


class Model(Answer):
    """The model that is served. Its kind and sizes are known once it is loaded."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    kind: Literal["chat", "embedding", "reranker"] | None = None
    context_length: int | None = None
    max_model_len: int | None = None
    meta: ModelSizes | None = None


class GenerationDefaults(Answer):
    """Context in tokens, and the sampling parameters of a request without any."""

    n_ctx: int
    params: dict[str, Any]


class Modalities(Answer):
    """Kinds of input beside text."""

    vision: bool
    audio: bool


class Properties(Answer):
    """Properties of the loaded model, as llama-server names them."""

    default_generation_settings: GenerationDefaults
    total_slots: int
    model_alias: str
    model_path: str
    chat_template: str | None
    modalities: Modalities
    build_info: str


class Slot(Answer):
    """State of the one slot."""

    id: int
    n_ctx: int
    speculative: bool
    is_processing: bool


class Slots(RootModel[list[Slot]]):
    """The one slot, as llama-server names it."""


class Models(Answer):
    """The one model."""

    object: Literal["list"]
    data: list[Model]


class Piece(Answer):
    """A token and its text, or its bytes where they are no text on their own."""

    id: int
    piece: str | list[int]


class InputTokens(Answer):
    """Number of tokens of a request."""

    object: Literal["response.input_tokens"]
    input_tokens: int


class Tokens(Answer):
    """Tokens of a text, on request with their pieces."""

    tokens: list[int] | list[Piece]


class Content(Answer):
    """Text of tokens."""

    content: str


class RenderedPrompt(Answer):
    """Prompt of a conversation."""

    prompt: str


class Alive(Answer):
    """The port is open."""

    state: str


class Readiness(BaseModel):
    """Progress of the model to the first token: ``done`` (0 … 1) of ``state``, or the error that prevents it.

    ``requests``: number of requests that have the model or wait for it, if any.
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
    """Warmth of the instance. ``first_token``: one could be produced now."""

    state: str
    age_seconds: float
    model: str
    kind: Literal["chat", "embedding", "reranker"] | None
    file: str | None
    loaded: bool
    first_token: bool
    cold_start_seconds: dict[str, float]
    busy: bool
    error: ErrorDetail | None = None
