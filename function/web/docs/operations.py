"""Table of the API's operations."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from function.web.docs import answers, message_answers, response_answers
from function.web.request import embedding, schema
from function.web.request.anthropic_messages import MessagesRequest
from function.web.request.responses import ResponsesRequest

JSON, TEXT, EVENTS, HTML, FORM = (
    "application/json",
    "text/plain",
    "text/event-stream",
    "text/html",
    "application/x-www-form-urlencoded",
)
ERROR = answers.Error
NOT_READY = {503: "No model: it is loading, cannot be served, or the instance stops"}
ERRORS = {
    400: "A field is wrong or cannot be honoured; `param` names it",
    403: "A web page of a foreign origin sent the request",
    408: "The request arrived too slowly",
    413: "The body is larger than any context",
    500: "Internal error",
    **NOT_READY,
}
GENERATION_ERRORS = ERRORS | {429: "The queue is full; `Retry-After` has the seconds to wait"}


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. ``answers`` maps media types to the model, or a description, of a 200 or its events."""

    method: str
    path: str
    tag: str
    summary: str
    answers: dict[str, type[BaseModel] | str]
    body: type[BaseModel] | None = None
    errors: dict[int, str] = field(default_factory=dict)
    not_ready: type[BaseModel] | None = None
    """Model of a 503 that is no error object."""
    error: type[BaseModel] = ERROR
    description: str = ""
    guarded: bool = True
    form: Mapping[str, Any] | None = None
    """Schema of the body as a form, where one is accepted."""
    example: Mapping[str, Any] | None = None


CONVERSATION = {"messages": [{"role": "user", "content": "Hello! Who are you?"}]}

PROGRESS = "Comments report the progress of the wait: `: fetching 41% eta 3.2s`, `: queued 2`, `: prefill 512/900`."
STREAMED = (
    f"With `stream`, server-sent events that end with `data: [DONE]`. {PROGRESS} A failure after the first byte is an "
    "`error` event with an error object, and no `[DONE]`."
)
NAMED = (
    f"With `stream`, server-sent events whose names are their types. {PROGRESS} A failure after the first byte is an "
    "`error` event, and nothing follows that could be taken for the end of a reply."
)
PROMPTED = (
    "Send `prompt`, a text, or `messages`, as JSON, a form or the query. The reply is plain text, token by token; "
    f"with `Accept: text/event-stream` it is chat.completion.chunk events. {PROGRESS}"
)


def _chat(path: str) -> Operation:
    return Operation(
        "post",
        path,
        "chat",
        "Answer a prompt or a conversation",
        {TEXT: "The reply", EVENTS: answers.ChatCompletionChunk},
        schema.Chat,
        GENERATION_ERRORS,
        description=PROMPTED,
        form={"type": "object", "required": ["prompt"], "properties": {"prompt": {"type": "string", "minLength": 1}}},
        example={"prompt": "Hello! Who are you?", "max_tokens": 64},
    )


OPERATIONS = (
    Operation(
        "post",
        "/v1/chat/completions",
        "OpenAI",
        "Answer a conversation",
        {JSON: answers.ChatCompletionReply, EVENTS: answers.ChatCompletionChunk},
        schema.ChatCompletion,
        GENERATION_ERRORS,
        description=STREAMED,
        example=CONVERSATION | {"max_tokens": 64},
    ),
    Operation(
        "post",
        "/v1/completions",
        "OpenAI",
        "Complete a text",
        {JSON: answers.CompletionReply, EVENTS: answers.CompletionReply},
        schema.Completion,
        GENERATION_ERRORS,
        description=f"Without a chat template. {STREAMED}",
        example={"prompt": "Once upon a time", "max_tokens": 64},
    ),
    Operation(
        "post",
        "/v1/chat/completions/input_tokens",
        "OpenAI",
        "Count the tokens of a conversation",
        {JSON: answers.InputTokens},
        schema.ChatCompletion,
        ERRORS,
        example=CONVERSATION,
        description="Takes the body of /v1/chat/completions, and no place in the queue.",
    ),
    Operation(
        "post",
        "/completion",
        "llama.cpp",
        "Complete a text, in llama.cpp's form",
        {JSON: answers.LlamaCompletionReplies, EVENTS: answers.LlamaCompletionReply},
        schema.LlamaCompletion,
        GENERATION_ERRORS,
        description="Without a chat template. With `stream`, server-sent events, the last of which has `stop: true`.",
        example={"prompt": "Once upon a time", "n_predict": 64},
    ),
    Operation(
        "post",
        "/completions",
        "llama.cpp",
        "Complete a text, in OpenAI's form for a request with `model`, else in llama.cpp's",
        {JSON: answers.EitherCompletion, EVENTS: answers.EitherCompletion},
        schema.LlamaCompletion,
        GENERATION_ERRORS,
        example={"prompt": "Once upon a time", "n_predict": 64},
    ),
    Operation(
        "post",
        "/v1/responses",
        "OpenAI",
        "Answer a conversation, in the Responses API",
        {JSON: response_answers.ResponseObject, EVENTS: response_answers.ResponseEvent},
        ResponsesRequest,
        GENERATION_ERRORS,
        description=f"No response is stored: send the whole conversation in `input`. {NAMED}",
        example={"input": "Hello! Who are you?", "max_output_tokens": 64},
    ),
    Operation(
        "post",
        "/v1/responses/input_tokens",
        "OpenAI",
        "Count the tokens of a request to /v1/responses",
        {JSON: answers.InputTokens},
        ResponsesRequest,
        ERRORS,
        description="Takes the same body, and no place in the queue.",
        example={"input": "Hello! Who are you?"},
    ),
    Operation(
        "post",
        "/v1/messages",
        "Anthropic",
        "Answer a conversation, in the Messages API",
        {JSON: message_answers.MessageObject, EVENTS: message_answers.MessageEvent},
        MessagesRequest,
        GENERATION_ERRORS,
        description=NAMED,
        example=CONVERSATION | {"max_tokens": 64},
        error=message_answers.MessageError,
    ),
    Operation(
        "post",
        "/v1/messages/count_tokens",
        "Anthropic",
        "Count the tokens of a request to /v1/messages",
        {JSON: message_answers.TokenCount},
        MessagesRequest,
        ERRORS,
        description="Takes the same body, and no place in the queue.",
        example=CONVERSATION,
        error=message_answers.MessageError,
    ),
    Operation(
        "post",
        "/v1/embeddings",
        "OpenAI",
        "Embed texts",
        {JSON: answers.Embeddings},
        embedding.EmbeddingRequest,
        GENERATION_ERRORS,
        description="For embedding models. Any other model is a 400 that names its kind.",
        example={"input": ["Hello!", "Good morning!"]},
    ),
    Operation(
        "post",
        "/v1/rerank",
        "OpenAI",
        "Rank documents by a query",
        {JSON: answers.Reranked},
        embedding.RerankRequest,
        GENERATION_ERRORS,
        description="For rerankers. Any other model is a 400 that names its kind.",
        example={"query": "What is a cat?", "documents": ["A cat is an animal.", "A mat is a carpet."], "top_n": 1},
    ),
    Operation("get", "/v1/models", "OpenAI", "List the model", {JSON: answers.Models}),
    Operation("get", "/v1/models/{name}", "OpenAI", "Describe the model; any name is accepted", {JSON: answers.Model}),
    Operation(
        "get",
        "/props",
        "llama.cpp",
        "Describe the loaded model as llama-server does",
        {JSON: answers.Properties},
        errors=NOT_READY,
    ),
    Operation("get", "/slots", "llama.cpp", "Check if the model is busy", {JSON: answers.Slots}, errors=NOT_READY),
    _chat("/chat"),
    _chat("/"),
    Operation("get", "/", "pages", "Chat page", {HTML: "The page"}, guarded=False),
    Operation(
        "post",
        "/tokenize",
        "tokens",
        "Tokenize a text",
        {JSON: answers.Tokens},
        schema.Tokenize,
        ERRORS,
        example={"content": "Hello!"},
        description="Takes no place in the queue.",
    ),
    Operation(
        "post",
        "/detokenize",
        "tokens",
        "Detokenize tokens",
        {JSON: answers.Content},
        schema.Detokenize,
        ERRORS,
        example={"tokens": [1, 2, 3]},
        description="Takes no place in the queue.",
    ),
    Operation(
        "post",
        "/apply-template",
        "tokens",
        "Render a conversation as a prompt",
        {JSON: answers.RenderedPrompt},
        schema.ChatCompletion,
        ERRORS,
        example=CONVERSATION,
        description="Takes the body of /v1/chat/completions, and no place in the queue.",
    ),
    Operation("get", "/health/live", "platform", "Check that the port is open", {JSON: answers.Alive}, guarded=False),
    Operation(
        "get",
        "/health/ready",
        "platform",
        "Check that a token can be produced",
        {JSON: answers.Readiness},
        not_ready=answers.Readiness,
        guarded=False,
    ),
    *(
        Operation(
            method,
            "/events",
            "platform",
            "Wait for the model and report how warm it is",
            {JSON: answers.Warmth},
            not_ready=answers.Warmth,
            guarded=False,
            description="For scheduled warmups. The body is ignored; the model stays free for users. Without the key, "
            "where there is one, it answers at once.",
        )
        for method in ("get", "post")
    ),
    Operation(
        "get", "/metrics", "platform", "Metrics for Prometheus", {TEXT: "Prometheus' text format"}, errors=NOT_READY
    ),
    Operation("get", "/docs", "pages", "This documentation as a page", {HTML: "The page"}, guarded=False),
    Operation(
        "get",
        "/openapi.json",
        "pages",
        "This documentation as an OpenAPI document",
        {JSON: "OpenAPI 3.1"},
        guarded=False,
    ),
)
