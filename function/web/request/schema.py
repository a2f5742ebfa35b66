"""What requests may say, as pydantic models; what is wrong in one is a RequestError that names the field."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import Field, ValidationError, model_validator

from function.engine import Grammar, Sampling
from function.errors import RequestError
from function.web.request.base_model import RequestModel, Unicode
from function.web.request.completion_prompt import OnePrompt, Token
from function.web.request.messages import Message
from function.web.request.response_format import ResponseFormat
from function.web.request.tools import Tool, ToolChoice

DEFAULT = Sampling()
MAX_STOPS = 16


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


class StreamOptions(RequestModel):
    """What a stream carries besides the reply."""

    include_usage: bool = False
    include_obfuscation: bool = False


class GenerationRequest(RequestModel):
    """The fields that every endpoint takes: OpenAI's and llama.cpp's sampling parameters."""

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
    stream_options: StreamOptions | None = None

    def sampling(self, defaults: Sampling = DEFAULT) -> Sampling:
        """Return the request's sampling; ``defaults``, the model's own, hold for fields that it does not set."""
        names = {field.name for field in fields(Sampling)} & self.model_fields_set
        given = {name: getattr(self, name) for name in names}
        if "logit_bias" in given:
            given["logit_bias"] = {int(token): bias for token, bias in self.logit_bias.items()}
        if "dry_sequence_breakers" in given:
            given["dry_sequence_breakers"] = tuple(self.dry_sequence_breakers)
        return replace(defaults, **given)

    def stops(self) -> tuple[str, ...]:
        """The stop strings."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)

    def limit(self) -> int | None:
        """Tokens the reply may have, if the request says."""
        return self.max_completion_tokens or self.max_tokens

    def alternatives(self) -> int | None:
        """Alternatives to tell for each token; None when no logprobs are asked for."""
        return None

    def grammar(self) -> Grammar | None:
        """What the reply must look like; None when that is not said. Raises RequestError."""
        return None

    def include_usage(self) -> bool:
        """Whether a stream tells at its end what it took."""
        return self.stream_options is not None and self.stream_options.include_usage


class ChatCompletion(GenerationRequest):
    """The body of /v1/chat/completions."""

    model: str = ""
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
            raise RequestError("top_logprobs: only with logprobs, set to true.", param="top_logprobs")
        return self

    def alternatives(self) -> int | None:
        """See Generation."""
        return self.top_logprobs if self.logprobs else None

    def grammar(self) -> Grammar | None:
        """See Generation."""
        return self.response_format.grammar("response_format")


class Completion(GenerationRequest):
    """The body of /v1/completions."""

    model: str = ""
    prompt: OnePrompt
    echo: bool = False
    logprobs: int | None = Field(None, ge=0, le=5)
    max_tokens: int | None = Field(16, ge=0)

    def limit(self) -> int | None:
        """See Generation."""
        return self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens

    def alternatives(self) -> int | None:
        """See Generation."""
        return self.logprobs


class Chat(GenerationRequest):
    """The body of /chat: a prompt or messages."""

    model: str = ""
    prompt: Unicode | None = Field(None, min_length=1)
    messages: list[Message] | None = Field(None, min_length=1)

    def conversation(self) -> list[Message]:
        """The messages; a prompt is one from the user."""
        if (self.prompt is None) == (self.messages is None):
            raise RequestError('Send either "prompt", a text, or "messages", a list; not both.', param="prompt")
        return self.messages or [Message(role="user", content=self.prompt or "")]


class Tokenize(RequestModel):
    """The body of /tokenize."""

    content: Unicode
    add_special: bool = False
    parse_special: bool = True
    with_pieces: bool = False


class Detokenize(RequestModel):
    """The body of /detokenize."""

    tokens: list[Token]


StrictT = TypeVar("StrictT", bound=RequestModel)


def parse(model: type[StrictT], fields: Mapping[str, Any], *, strict: bool) -> StrictT:
    """Validate ``fields``. ``strict``: types must be right as they are, as in JSON; else texts are converted.

    Raises RequestError with the first field at fault.
    """
    given = {}
    known = issubclass(model, GenerationRequest)
    for key, value in fields.items():
        if value is None or (known and key in IGNORED):
            continue
        if known and key in NEUTRAL and key not in model.model_fields:
            if not (_is_one_of(value, NEUTRAL[key]) or (not strict and value in map(str, NEUTRAL[key]))):
                raise RequestError(f"{key}: this server cannot honour it. Leave it out.", param=key)
            continue
        given[key] = value
    try:
        return model.model_validate(given, strict=strict)
    except ValidationError as e:
        raise _refusal(e) from None


def _is_one_of(value: Any, known: tuple[Any, ...]) -> bool:
    """As JSON tells values apart: true is not 1."""
    return any(value == other and isinstance(value, bool) == isinstance(other, bool) for other in known)


def _refusal(error: ValidationError) -> RequestError:
    # Where a field may be one of several types, the deepest complaint is about the one that was meant.
    first = max(error.errors(include_url=False, include_input=False), key=lambda found: len(found["loc"]))
    path = ".".join(
        str(part)
        for part in first["loc"]
        if part != "str" and not str(part).startswith(("list[", "constrained-", "function-", "[key]"))
    )
    if first["type"] == "extra_forbidden":
        return RequestError(f"{path}: no such parameter.", param=path)
    said = first["ctx"]["error"] if first["type"] == "value_error" else first["msg"]
    return RequestError(f"{path or 'body'}: {said}.", param=path or None)
