"""Bodies of requests, as pydantic models."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema

from function.engine.grammar.grammar import Grammar, json_schema
from function.engine.types import Sampling
from function.errors import RequestError
from function.web.request.base_model import Name, RequestModel, Unicode
from function.web.request.messages import Message
from function.web.request.tools import Tool, ToolChoice

DEFAULT = Sampling()
MAX_STOPS = 16

Token = Annotated[int, Field(ge=0, lt=2**31)]
Stop = Annotated[Unicode, Field(min_length=1, max_length=1024)]
Breaker = Annotated[Unicode, Field(min_length=1, max_length=40)]
TokenId = Annotated[str, Field(pattern="^[0-9]{1,9}$")]
Bias = Annotated[float, Field(ge=-100, le=100)]

IGNORED = frozenset(
    (
        "user",
        "store",
        "metadata",
        "service_tier",
        "safety_identifier",
        "prompt_cache_key",
        "prompt_cache_retention",
        "prediction",
    )
)
"""Fields of OpenAI's API that do not change a reply."""

NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "n": (1,),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "modalities": (["text"],),
    "verbosity": ("medium",),
    "suffix": ("",),
    "best_of": (1,),
}
"""Fields that would change a reply, with the values that do not."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """Tokens of a prompt. ``param``: the request field they come from; ``echo``: their text, if the reply repeats it.

    ``grammar`` constrains the reply; ``shown`` are the control tokens whose text belongs to it.
    """

    tokens: tuple[int, ...]
    param: str = "messages"
    echo: str | None = None
    grammar: Grammar | None = None
    shown: frozenset[int] = frozenset()


class JsonSchema(RequestModel):
    """Named schema. The reply follows it exactly, with or without ``strict``."""

    name: Name
    description: Unicode | None = None
    json_schema: dict[str, Any] | None = Field(None, alias="schema")
    strict: bool | None = None


class ResponseFormat(RequestModel):
    """Format of a reply: text, any JSON object, or JSON that follows a schema."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None

    def grammar(self) -> Grammar | None:
        """Return the grammar of the format; None for text. Raises RequestError for an unusable schema."""
        param = "response_format.json_schema"
        if (self.type == "json_schema") != (self.json_schema is not None):
            raise RequestError(f'{param}: set it together with "type": "json_schema".', param=param)
        if self.json_schema is None:
            return None if self.type == "text" else json_schema({"type": "object"}, "response_format")
        schema = self.json_schema.json_schema
        return json_schema({"type": "object"} if schema is None else schema, f"{param}.schema")


class StreamOptions(RequestModel):
    """Extras of a stream."""

    include_usage: bool = False
    include_obfuscation: bool = False


class GenerationRequest(RequestModel):
    """Fields of every generating endpoint: OpenAI's and llama.cpp's sampling parameters."""

    model: str = ""
    temperature: float = Field(DEFAULT.temperature, ge=0, le=100)
    top_k: int = Field(DEFAULT.top_k, ge=0, le=1_000_000)
    top_p: float = Field(DEFAULT.top_p, ge=0, le=1)
    min_p: float = Field(DEFAULT.min_p, ge=0, le=1)
    typical_p: float = Field(DEFAULT.typical_p, ge=0, le=1)
    repeat_penalty: float = Field(DEFAULT.repeat_penalty, gt=0, le=10)
    repeat_last_n: int = Field(DEFAULT.repeat_last_n, ge=-1, le=1_000_000)
    presence_penalty: float = Field(DEFAULT.presence_penalty, ge=-2, le=2)
    frequency_penalty: float = Field(DEFAULT.frequency_penalty, ge=-2, le=2)
    top_n_sigma: float = Field(DEFAULT.top_n_sigma, ge=-1, le=1000)
    xtc_probability: float = Field(DEFAULT.xtc_probability, ge=0, le=1)
    xtc_threshold: float = Field(DEFAULT.xtc_threshold, ge=0, le=1)
    dynatemp_range: float = Field(DEFAULT.dynatemp_range, ge=0, le=100)
    dynatemp_exponent: float = Field(DEFAULT.dynatemp_exponent, ge=0.01, le=100)
    mirostat: int = Field(DEFAULT.mirostat, ge=0, le=2)
    mirostat_tau: float = Field(DEFAULT.mirostat_tau, ge=0, le=100)
    mirostat_eta: float = Field(DEFAULT.mirostat_eta, ge=0, le=1)
    dry_multiplier: float = Field(DEFAULT.dry_multiplier, ge=0, le=100)
    dry_base: float = Field(DEFAULT.dry_base, ge=1, le=100)
    dry_allowed_length: int = Field(DEFAULT.dry_allowed_length, ge=0, le=1_000_000)
    dry_penalty_last_n: int = Field(DEFAULT.dry_penalty_last_n, ge=-1, le=1_000_000)
    dry_sequence_breakers: list[Breaker] = Field(
        default_factory=lambda: [*DEFAULT.dry_sequence_breakers], max_length=16
    )
    seed: int | None = Field(None, ge=-(2**63), lt=2**64)
    logit_bias: dict[TokenId, Bias] = Field(
        default_factory=dict, max_length=1024, json_schema_extra={"additionalProperties": False}
    )
    ignore_eos: bool = False
    stop: Stop | Annotated[list[Stop], Field(max_length=MAX_STOPS)] = Field(default_factory=list)
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()

    @classmethod
    def parse(cls, fields: Mapping[str, Any], *, strict: bool) -> Self:
        """See RequestModel. Drops fields without effect; raises RequestError for those that cannot be honoured."""
        given = {key: value for key, value in fields.items() if value is not None and key not in IGNORED}
        for key in [key for key in given if key in NEUTRAL and key not in cls.model_fields]:
            value, neutral = given.pop(key), NEUTRAL[key]
            if not (_is_one_of(value, neutral) or (not strict and value in map(str, neutral))):
                raise RequestError(f"{key}: this server cannot honour it. Leave it out.", param=key)
        return super().parse(given, strict=strict)

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """See RequestModel. Adds the fields that are accepted without effect, or with a neutral value alone."""
        reference = super().__get_pydantic_json_schema__(core_schema, handler)
        properties = handler.resolve_ref_schema(reference)["properties"]
        for name in sorted(IGNORED):
            properties.setdefault(name, {"description": "Accepted; does not change a reply."})
        for name, values in NEUTRAL.items():
            properties.setdefault(name, {"enum": [*values, None], "description": "No other value can be honoured."})
        return reference

    @property
    def sampling(self) -> Sampling:
        """Sampling parameters of the engine."""
        values = {field.name: getattr(self, field.name) for field in fields(Sampling)}
        values["logit_bias"] = {int(token): bias for token, bias in self.logit_bias.items()}
        values["dry_sequence_breakers"] = tuple(self.dry_sequence_breakers)
        return Sampling(**values)

    @property
    def stop_strings(self) -> tuple[str, ...]:
        """Texts that end the reply."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)

    @property
    def token_limit(self) -> int | None:
        """Largest number of tokens in the reply; None without a limit of the request's own."""
        return self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens

    @property
    def alternatives(self) -> int | None:
        """Number of alternatives to return for each token; None without logprobs."""
        return None

    def grammar(self) -> Grammar | None:
        """Return the grammar that constrains the reply, if any. Raises RequestError."""
        return None


class ChatCompletion(GenerationRequest):
    """Body of /v1/chat/completions."""

    messages: list[Message] = Field(min_length=1)
    logprobs: bool = False
    top_logprobs: int = Field(0, ge=0, le=20)
    response_format: ResponseFormat = ResponseFormat(type="text")
    tools: list[Tool] = Field(default_factory=list, max_length=128)
    tool_choice: ToolChoice = ToolChoice(type="auto")
    parallel_tool_calls: bool = True
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None
    chat_template_kwargs: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_logprobs(self) -> Self:
        if self.top_logprobs and not self.logprobs:
            raise RequestError('top_logprobs: it needs "logprobs": true.', param="top_logprobs")
        return self

    @property
    def alternatives(self) -> int | None:
        """See GenerationRequest."""
        return self.top_logprobs if self.logprobs else None

    def grammar(self) -> Grammar | None:
        """See GenerationRequest."""
        return self.response_format.grammar()


def _unwrap_single(prompt: Any) -> Any:
    if isinstance(prompt, list) and prompt and isinstance(prompt[0], (str, list)):
        if len(prompt) > 1:
            raise ValueError("one prompt a request; send the others in requests of their own")
        return prompt[0]
    return prompt


_SINGLE = Field(min_length=1, max_length=1)
OnePrompt = Annotated[
    Unicode | list[Token],
    BeforeValidator(
        _unwrap_single,
        json_schema_input_type=(
            str | list[Token] | Annotated[list[str], _SINGLE] | Annotated[list[list[Token]], _SINGLE]
        ),
    ),
]
"""Text or tokens, or a list of exactly one of them."""


class Completion(GenerationRequest):
    """Body of /v1/completions."""

    prompt: OnePrompt
    echo: bool = False
    logprobs: int | None = Field(None, ge=0, le=5)
    max_tokens: int | None = Field(16, ge=0)

    @property
    def alternatives(self) -> int | None:
        """See GenerationRequest."""
        return self.logprobs


class Chat(GenerationRequest):
    """Body of /chat: a prompt or messages."""

    prompt: Unicode | None = Field(None, min_length=1)
    messages: list[Message] | None = Field(None, min_length=1)

    @model_validator(mode="after")
    def _check_conversation(self) -> Self:
        if (self.prompt is None) == (self.messages is None):
            raise RequestError('Send either "prompt", a text, or "messages", a list; not both.', param="prompt")
        return self

    @property
    def conversation(self) -> list[Message]:
        """Messages; a prompt becomes one message of the user."""
        return self.messages or [Message(role="user", content=self.prompt or "")]


class Tokenize(RequestModel):
    """Body of /tokenize."""

    content: Unicode
    add_special: bool = False
    parse_special: bool = True
    with_pieces: bool = False


class Detokenize(RequestModel):
    """Body of /detokenize."""

    tokens: list[Token]


def _is_one_of(value: Any, known: tuple[Any, ...]) -> bool:
    """Return True if ``value`` is in ``known`` as JSON compares values: true is not 1."""
    return any(value == other and isinstance(value, bool) == isinstance(other, bool) for other in known)
