"""Bodies of requests, as pydantic models."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from function.engine import Grammar, Sampling, TokenWatch, close_objects, gbnf_grammar, json_grammar, relax_schema
from function.errors import RequestError
from function.web.request.base_model import RequestModel, Unicode
from function.web.request.messages import Message
from function.web.request.parts import ChosenByType, SkippedPart
from function.web.request.thinking import ThinkingFields
from function.web.request.tools import Tool, ToolChoice

DEFAULT = Sampling()
MAX_STOPS = 16
MAX_CHOICES = 8
MAX_PROMPTS = 128

Token = Annotated[int, Field(ge=0, lt=2**31)]
Stop = Annotated[Unicode, Field(max_length=1024)]
Breaker = Annotated[Unicode, Field(min_length=1, max_length=40)]
BiasedText = Annotated[Unicode, Field(min_length=1, max_length=1024)]
Choices = Annotated[int, Field(ge=1, le=MAX_CHOICES)]
Bias = Annotated[float, Field(ge=-100, le=100)]


def _listed(stop: Any) -> Any:
    return [stop] if isinstance(stop, str) else stop


def _is_token(key: str) -> bool:
    return key.isascii() and key.isdigit() and len(key) < 10


def _pairs_as_object(bias: Any) -> Any:
    """Return llama.cpp's pairs as OpenAI's object; ``false`` bans a token."""
    if isinstance(bias, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in bias):
        bias = {str(token): value for token, value in bias}
    if isinstance(bias, dict):
        bias = {token: -100 if value is False else value for token, value in bias.items()}
    return bias


Stops = Annotated[
    list[Stop], Field(max_length=MAX_STOPS), BeforeValidator(_listed, json_schema_input_type=Stop | list[Stop])
]
LogitBias = Annotated[
    dict[BiasedText, Bias],
    Field(max_length=1024),
    BeforeValidator(
        _pairs_as_object,
        json_schema_input_type=(
            dict[BiasedText, Bias | Literal[False]] | list[tuple[Token | BiasedText, Bias | Literal[False]]]
        ),
    ),
]
"""Bias of each token: keys are ids of tokens, or texts, each token of which gets the bias."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """Tokens of a prompt. ``param``: the request field they come from; ``echo``: their text, if the reply repeats it.

    ``grammar`` constrains the reply; ``shown`` are the control tokens whose text belongs to it. ``new_watch`` returns a
    watch over one reply, which looks for stop strings in its answer. ``unused`` are fields of the request without
    effect on this model.
    """

    tokens: tuple[int, ...]
    param: str = "messages"
    echo: str | None = None
    grammar: Grammar | None = None
    shown: frozenset[int] = frozenset()
    new_watch: Callable[[], TokenWatch] | None = None
    unused: tuple[str, ...] = ()


class JsonSchema(RequestModel):
    """Named schema. The reply follows it; with ``strict`` a rule that cannot be enforced is rejected, not dropped."""

    name: Unicode = ""
    description: Unicode | None = None
    json_schema: dict[str, Any] | None = Field(None, alias="schema")
    strict: bool | None = None


def _schema_grammar(schema: dict[str, Any], param: str, *, strict: bool = False) -> Grammar:
    relaxed, dropped = relax_schema(schema, param, strict=strict)
    return replace(json_grammar(close_objects(relaxed), param), dropped=dropped)


class ResponseFormat(RequestModel):
    """Format of a reply: text, any JSON object, or JSON that follows a schema.

    The schema is in ``json_schema``, as for OpenAI, or in ``schema``, as for llama.cpp.
    """

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None
    llama_schema: dict[str, Any] | None = Field(None, alias="schema")

    def grammar(self) -> Grammar | None:
        """Return the grammar of the format; None for text. Raises RequestError for an unusable schema."""
        param = "response_format.json_schema"
        if self.type == "text":
            return None
        if self.llama_schema is not None:
            return _schema_grammar(self.llama_schema, "response_format.schema")
        if self.json_schema is not None and self.json_schema.json_schema is not None:
            strict = bool(self.json_schema.strict)
            return _schema_grammar(self.json_schema.json_schema, f"{param}.schema", strict=strict)
        if self.type == "json_schema" and self.json_schema is None:
            raise RequestError(f'{param}: "type": "json_schema" needs it.', param=param)
        return json_grammar({"type": "object"}, "response_format")


TEXT_FORMAT = ResponseFormat.parse({"type": "text"}, strict=True)


class StreamOptions(RequestModel):
    """Extras of a stream."""

    include_usage: bool = False
    include_obfuscation: bool = False
    include_progress: bool = True


class GenerationRequest(RequestModel):
    """Fields of every generating endpoint: OpenAI's and llama.cpp's sampling parameters."""

    DEFAULT_LIMIT: ClassVar[int | None] = None
    CHAT_FIELDS: ClassVar[Mapping[str, str]] = {}
    """Fields of a chat completion that have another name in this API, with that name."""
    WITHOUT_EFFECT: ClassVar[tuple[str, ...]] = (
        "user", "store", "metadata", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention",
        "prediction",
    )  # fmt: skip
    UNSUPPORTED: ClassVar = {
        "n": (1,), "best_of": (1,), "logprobs": (False,), "top_logprobs": (0,), "prompt_logprobs": (),
        "suffix": ("",), "modalities": (["text"],), "audio": (), "web_search_options": (),
        "functions": ([],), "function_call": ("none", "auto"), "documents": ([],), "image_data": ([],),
        "guided_json": (), "guided_regex": ("",), "guided_choice": ([],), "guided_grammar": ("",),
        "structured_outputs": (), "lora": ([],), "samplers": ([],), "options": ({},), "format": ("",),
        "mirostat_mode": (0,), "typ_p": (1,), "tfs_z": (1,), "data_sources": ([],),
        "n_probs": (0,), "min_keep": (0,), "post_sampling_probs": (False,), "return_tokens": (False,),
        "response_fields": ([],), "t_max_predict_ms": (0, -1), "n_indent": (0,), "adaptive_target": (-1,),
        "reasoning_budget_tokens": (-1,), "thinking_budget_tokens": (-1,), "reasoning_format": ("auto", "deepseek"),
        "parse_tool_calls": (True,),
        "repetition_penalty": (1,), "length_penalty": (1,), "use_beam_search": (False,), "early_stopping": (False,),
        "min_tokens": (0,), "stop_token_ids": ([],), "bad_words": ([],), "include_stop_str_in_output": (False,),
        "skip_special_tokens": (True,), "spaces_between_special_tokens": (True,), "truncate_prompt_tokens": (-1,),
    }  # fmt: skip

    model: str = ""
    temperature: float = Field(DEFAULT.temperature, ge=0, le=100)
    top_k: int = Field(DEFAULT.top_k, ge=-1, le=1_000_000)
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
    logit_bias: LogitBias = Field(default_factory=dict)
    ignore_eos: bool = False
    stop: Stops = Field(default_factory=list)
    max_tokens: int | None = Field(None, ge=-1)
    max_completion_tokens: int | None = Field(None, ge=-1)
    n_predict: int | None = Field(None, ge=-1)
    json_schema: dict[str, Any] | None = None
    gbnf: Unicode = Field("", alias="grammar")
    timings_per_token: bool = False
    return_progress: bool = False
    verbose: bool = False
    stream: bool = False
    stream_options: StreamOptions = StreamOptions()

    @model_validator(mode="after")
    def _check_limit(self) -> Self:
        for param in ("max_tokens", "max_completion_tokens", "n_predict"):
            if getattr(self, param) == 0 and self.DEFAULT_LIMIT is None:
                raise RequestError(f"{param}: a reply has at least one token.", param=param)
        return self

    def sampling(self, defaults: Sampling = DEFAULT) -> Sampling:
        """Return the request's sampling; ``defaults``, the model's own, hold for fields that it does not set."""
        given = {
            field.name: getattr(self, field.name) for field in fields(Sampling) if field.name in self.model_fields_set
        }
        if "logit_bias" in given:
            given["logit_bias"] = {int(key): bias for key, bias in self.logit_bias.items() if _is_token(key)}
        if "top_k" in given:
            given["top_k"] = max(0, self.top_k)  # others name no limit -1
        if "dry_sequence_breakers" in given:
            given["dry_sequence_breakers"] = tuple(self.dry_sequence_breakers)
        return replace(defaults, **given)

    @property
    def biased_texts(self) -> dict[str, float]:
        """Bias of each token of the texts in ``logit_bias``."""
        return {key: bias for key, bias in self.logit_bias.items() if not _is_token(key)}

    def own_name(self, field: str) -> str:
        """Return the name in this API of a chat completion's ``field``."""
        for name, own in self.CHAT_FIELDS.items():
            if name in field:
                return field.replace(name, own, 1)
        return field

    @property
    def stop_strings(self) -> tuple[str, ...]:
        """Texts that end the reply."""
        return tuple(filter(None, self.stop))

    @property
    def token_limit(self) -> int | None:
        """Largest number of tokens in the reply; None without a limit of the request's own."""
        given = (self.max_completion_tokens, self.max_tokens, self.n_predict, self.DEFAULT_LIMIT)
        limit = next((limit for limit in given if limit is not None), None)
        return None if limit == -1 else limit

    @property
    def choices(self) -> int:
        """Number of replies to each prompt."""
        return 1

    @property
    def alternatives(self) -> int | None:
        """Number of alternatives to return for each token; None without logprobs."""
        return None

    def grammar(self) -> Grammar | None:
        """Return the grammar that constrains the reply, if any. Raises RequestError."""
        if self.json_schema is not None:
            return _schema_grammar(self.json_schema, "json_schema")
        return gbnf_grammar(self.gbnf, "grammar") if self.gbnf.strip() else None


ChatTool = Annotated[Tool | SkippedPart, ChosenByType(skips=lambda name: True, default="function")]


class ChatCompletion(GenerationRequest, ThinkingFields):
    """Body of /v1/chat/completions."""

    messages: list[Message] = Field(min_length=1)
    n: Choices = 1
    logprobs: bool = False
    top_logprobs: int = Field(0, ge=0, le=20)
    response_format: ResponseFormat = TEXT_FORMAT
    tools: list[ChatTool] = Field(default_factory=list, max_length=128)
    tool_choice: ToolChoice = ToolChoice(type="auto")
    parallel_tool_calls: bool = True
    chat_template_kwargs: dict[str, Any] = Field(default_factory=dict)
    continue_final_message: bool = False
    add_generation_prompt: bool = True

    @model_validator(mode="after")
    def _check_continuation(self) -> Self:
        if (
            self.continue_final_message
            and self.add_generation_prompt
            and "add_generation_prompt" in self.model_fields_set
        ):
            raise RequestError(
                "continue_final_message: it excludes add_generation_prompt.", param="continue_final_message"
            )
        return self

    @model_validator(mode="after")
    def _check_logprobs(self) -> Self:
        if self.top_logprobs and not self.logprobs:
            raise RequestError('top_logprobs: it needs "logprobs": true.', param="top_logprobs")
        return self

    @property
    def alternatives(self) -> int | None:
        """See GenerationRequest."""
        return self.top_logprobs if self.logprobs else None

    @property
    def choices(self) -> int:
        """See GenerationRequest."""
        return self.n

    def grammar(self) -> Grammar | None:
        """See GenerationRequest."""
        return self.response_format.grammar() or super().grammar()


class PromptText(RequestModel):
    """Prompt in llama.cpp's form for prompts with media, without any."""

    UNSUPPORTED: ClassVar = {"multimodal_data": ([],)}
    prompt_string: Unicode


TokensAndText = list[Token | Unicode]
OnePrompt = Unicode | TokensAndText | PromptText
PromptField = Unicode | PromptText | Annotated[list[Token | OnePrompt], Field(min_length=1)]
"""A text, or a list of tokens and texts with at least one token, or a list of prompts of either form."""


def _listed_prompts(given: PromptField) -> list[OnePrompt]:
    """Return the prompts of a request. Raises ValueError."""
    if not isinstance(given, list):
        return [given]
    if any(isinstance(part, int) for part in given):
        tokens = [part for part in given if isinstance(part, int | str)]
        if len(tokens) < len(given):
            raise ValueError("tokens and prompts are in one list")
        return [tokens]
    if len(given) > MAX_PROMPTS:
        raise ValueError(f"a request may have {MAX_PROMPTS} prompts")
    return [part for part in given if not isinstance(part, int)]


def _check_prompts(given: PromptField) -> PromptField:
    _listed_prompts(given)
    return given


Prompts = Annotated[PromptField, AfterValidator(_check_prompts)]


class Completion(GenerationRequest):
    """Body of /v1/completions."""

    prompt: Prompts
    n: Choices = 1
    echo: bool = False
    logprobs: int | None = Field(None, ge=0, le=5)
    DEFAULT_LIMIT = 16
    UNSUPPORTED: ClassVar = GenerationRequest.UNSUPPORTED | {"messages": ()}

    @property
    def prompts(self) -> list[OnePrompt]:
        """Prompts, each of which is completed."""
        return _listed_prompts(self.prompt)

    @property
    def alternatives(self) -> int | None:
        """See GenerationRequest."""
        return self.logprobs

    @property
    def choices(self) -> int:
        """See GenerationRequest."""
        return self.n


class LlamaCompletion(GenerationRequest):
    """Body of /completion, llama.cpp's own endpoint."""

    prompt: Prompts
    n_probs: int = Field(0, ge=0, le=1000)
    post_sampling_probs: bool = False
    return_tokens: bool = False
    response_fields: list[Unicode] = Field(default_factory=list, max_length=100)

    @property
    def prompts(self) -> list[OnePrompt]:
        """Prompts, each of which is completed."""
        return _listed_prompts(self.prompt)

    @property
    def alternatives(self) -> int | None:
        """See GenerationRequest."""
        return self.n_probs or None


class Chat(GenerationRequest, ThinkingFields):
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


Body = GenerationRequest | Tokenize | Detokenize
