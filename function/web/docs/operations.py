"""The table of everything that can be asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from function.web.docs import answers
from function.web.request import schema

JSON, TEXT, EVENTS, HTML, FORM = (
    "application/json",
    "text/plain",
    "text/event-stream",
    "text/html",
    "application/x-www-form-urlencoded",
)
WAITING = {503: "No model to answer with: it is on its way, cannot be served, or the instance stops"}
REFUSALS = {
    400: "What the request says is wrong or cannot be honoured; `param` names the field",
    408: "The request came too slowly",
    413: "The body is larger than any context",
    500: "Something went wrong here",
    **WAITING,
}
BUSY = {429: "The model is taken and the queue full; `Retry-After` says for how long"}


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. ``answers`` maps media types to what a 200 has, or each event of it: model or text."""

    method: str
    path: str
    tag: str
    summary: str
    answers: dict[str, type[BaseModel] | str]
    body: type[BaseModel] | None = None
    errors: dict[int, str] = field(default_factory=dict)
    not_ready: type[BaseModel] | None = None
    """What a 503 has, where that is no error object."""
    description: str = ""
    guarded: bool = True
    example: Mapping[str, Any] | None = None


CONVERSATION = {"messages": [{"role": "user", "content": "Hello! Who are you?"}]}

SAID = "Waiting is told in comments: `: fetching 41% eta 3.2s`, `: queued 2`, `: prefill 512/900`."
STREAMED = (
    f"With `stream`, server-sent events that end with `data: [DONE]`. {SAID} A failure after the first byte is an "
    "`error` event with an error object, and no `[DONE]`."
)
PROMPTED = (
    "Say `prompt`, a text, or `messages`. JSON, a form or the query, as you like. The reply is plain text, token by "
    f"token; with `Accept: text/event-stream` it is chat.completion.chunk events. {SAID}"
)


def _chat(path: str) -> Operation:
    return Operation(
        "post",
        path,
        "chat",
        "Answer a prompt or a conversation",
        {TEXT: "The reply", EVENTS: answers.ChatCompletionChunk},
        schema.Chat,
        REFUSALS | BUSY,
        description=PROMPTED,
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
        REFUSALS | BUSY,
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
        REFUSALS | BUSY,
        description=f"The prompt is read as it is, without a chat template. {STREAMED}",
        example={"prompt": "Once upon a time", "max_tokens": 64},
    ),
    Operation("get", "/v1/models", "OpenAI", "The model that is served", {JSON: answers.Models}),
    Operation("get", "/v1/models/{name}", "OpenAI", "The same, by any name", {JSON: answers.Model}),
    _chat("/chat"),
    _chat("/"),
    Operation("get", "/", "pages", "A page to talk to", {HTML: "The page"}, guarded=False),
    Operation(
        "post",
        "/tokenize",
        "tokens",
        "The tokens of a text",
        {JSON: answers.Tokens},
        schema.Tokenize,
        REFUSALS,
        example={"content": "Hello!"},
        description="Takes no place in the line before the model.",
    ),
    Operation(
        "post",
        "/detokenize",
        "tokens",
        "The text of tokens",
        {JSON: answers.Content},
        schema.Detokenize,
        REFUSALS,
        example={"tokens": [1, 2, 3]},
        description="Takes no place in the line before the model.",
    ),
    Operation(
        "post",
        "/apply-template",
        "tokens",
        "The prompt that a conversation becomes",
        {JSON: answers.RenderedPrompt},
        schema.ChatCompletion,
        REFUSALS,
        example=CONVERSATION,
        description="Takes what /v1/chat/completions takes, and no place in the line before the model.",
    ),
    Operation("get", "/health/live", "platform", "Is the port open?", {JSON: answers.Alive}, guarded=False),
    Operation(
        "get",
        "/health/ready",
        "platform",
        "Could a token be produced?",
        {JSON: answers.Readiness},
        not_ready=answers.Readiness,
        guarded=False,
    ),
    *(
        Operation(
            method,
            "/events",
            "platform",
            "Wait for the model; how warm is it?",
            {JSON: answers.Warmth},
            not_ready=answers.Warmth,
            guarded=False,
            description="What a scheduled warmup asks. Whatever a body says, it never takes the model from a user.",
        )
        for method in ("get", "post")
    ),
    Operation("get", "/metrics", "platform", "For Prometheus", {TEXT: "Its text format"}, errors=WAITING),
    Operation("get", "/docs", "pages", "This, for people", {HTML: "The page"}, guarded=False),
    Operation("get", "/openapi.json", "pages", "This, for programs", {JSON: "OpenAPI 3.1"}, guarded=False),
)
