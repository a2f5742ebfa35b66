"""Settings, read once from a mapping into a frozen object. No other module reads the environment."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

from function import default_model
from function.errors import SettingsError

if TYPE_CHECKING:
    from function.gguf import KVType, Pooling

DEFAULT_CACHE = Path("/tmp/models")  # noqa: S108  the only writable folder of both platforms; the cache verifies its owner
CacheKind = Literal["directory", "memory"]
SnapshotMode = Literal["off", "auto"]
LoadMode = Literal["auto", "mapped", "repacked"]
SpeculationMode = Literal["auto", "always", "off"]
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]


def _path(value: str) -> Path:
    return Path(value.strip())


def _number(kind: Callable[[str], Any], name: str, low: float, high: float) -> Callable[[str], Any]:
    def parse(value: str) -> Any:
        try:
            number = kind(value)
        except ValueError:
            raise ValueError(f"is not {name}") from None
        if not low <= number <= high:
            raise ValueError(f"is not between {low:,} and {high:,}")
        return number

    return parse


def _integer(low: int, high: int) -> Callable[[str], int]:
    return _number(int, "a whole number", low, high)


def _one_of(kind: Any) -> Callable[[str], str]:
    names: dict[str, str] = {name.lower(): name for name in get_args(kind)}

    def parse(value: str) -> str:
        name = names.get(value.strip().lower())
        if name is None:
            raise ValueError(f"is not one of {', '.join(names.values())}")
        return name

    return parse


def _kv_type(value: str) -> str:
    from function.gguf.memory import KV_BITS  # imported only if KV_TYPE is set

    value = value.strip().lower()
    if value not in KV_BITS:
        raise ValueError(f"is not one of {', '.join(KV_BITS)}")
    return value


def _json_object(value: str) -> dict[str, Any]:
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ValueError("is not a JSON object")
    return found


def _pooling(value: str) -> str:
    from function.gguf.kinds import Pooling  # imported only if POOLING is set

    return _one_of(Pooling)(value)


def _list(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


def parse_sha256(value: str) -> str:
    """Return a SHA-256 in lower case. Raises ValueError unless it has 64 hexadecimal digits."""
    value = value.strip()
    if len(value) != 64 or any(c not in "0123456789abcdef" for c in value.lower()):
        raise ValueError("is not 64 hexadecimal digits")
    return value.lower()


def _setting(default: Any, parse: Callable[[str], Any], meaning: str, *, shown: str | None = None) -> Any:
    """Return a field with its parser and its description in docs/settings.md. ``shown``: the default there.

    The parser of single words strips white space, that of prose (``str``) keeps it.
    """
    metadata = {"parse": parse, "meaning": meaning, "shown": shown}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of the function. Each field is the environment variable of the same name in capitals."""

    model_uri: str = _setting(
        str(default_model.find() or ""),
        str.strip,
        "The model: `gs://bucket/name.gguf`, `s3://bucket/name.gguf`, `file://…` or a path",
        shown="SmolLM2-135M-Instruct",
    )
    model_name: str | None = _setting(None, str.strip, "Name of the model in replies", shown="the header's")
    model_sha256: str | None = _setting(
        None, parse_sha256, "SHA-256 that the model's bytes must have", shown="not checked"
    )
    model_cache: CacheKind = _setting(
        "directory",
        _one_of(CacheKind),
        "`memory` keeps fetched files in memory, for a disk that is too small; each new process fetches them again",
    )
    model_cache_dir: Path = _setting(DEFAULT_CACHE, _path, "Directory of the fetched models")
    chat_template: str | None = _setting(
        None,
        str,
        "A template name that llama.cpp knows, the text of a Jinja template, its path, or its URI",
        shown="the model's",
    )
    chat_template_kwargs: Mapping[str, Any] | None = _setting(
        None,
        _json_object,
        'Variables of the chat template for all requests, as a JSON object: `{"enable_thinking": false}`',
        shown="the template's",
    )
    thinking_budget: int = _setting(
        -1,
        _integer(-1, 1 << 24),
        "Tokens that the thoughts of a reply may have, unless its request sets a limit: 0 is no thinking, -1 no limit",
    )
    thinking_budget_message: str | None = _setting(
        None, str, "Text that ends a thought which has reached its limit", shown="none"
    )
    pooling: "Pooling | None" = _setting(
        None,
        _pooling,
        "Serve the model as an embedding model with this pooling (`mean`, `cls`, `last`), or as a reranker (`rank`)",
        shown="the model's",
    )
    lora_uri: str | None = _setting(
        None, str.strip, "URI of a LoRA adapter in GGUF, which is applied to the model", shown="none"
    )
    system_prompt: str | None = _setting(
        None, str, "Text, or its URI, that starts each conversation without a system message", shown="none"
    )
    snapshot: SnapshotMode = _setting(
        "off",
        _one_of(SnapshotMode),
        "With `auto`, an instance that finds no valid snapshot of SYSTEM_PROMPT stores one",
    )
    snapshot_uri: str | None = _setting(
        None, str.strip, "URI of the snapshot of SYSTEM_PROMPT", shown="the model's, with `.snapshot` after the name"
    )
    n_ctx: int | None = _setting(
        None, _integer(64, 1 << 24), "Context in tokens, at most the model's", shown="the model's, at most 4096"
    )
    kv_type: "KVType" = _setting(
        "f16", _kv_type, "Type of the KV cache: `f16`, `q8_0` (half the memory), `q4_0` (a quarter), …"
    )
    n_threads: int | None = _setting(None, _integer(1, 1024), "Threads of the engine", shown="the available CPUs")
    cpu_level: str | None = _setting(
        None,
        str.strip,
        "CPU library to use, in an image with several: `baseline`, `avx512`, …",
        shown="the fastest that works",
    )
    n_gpu_layers: int = _setting(0, _integer(-1, 10_000), "Layers on the GPU; -1 is all")
    prefix_cache_mb: int | None = _setting(
        None,
        _integer(0, 1 << 20),
        "Memory for the prefix cache, in MB: conversations that have left the context, and checkpoints",
        shown="two contexts, at most 256, as memory allows",
    )
    load_mode: LoadMode = _setting(
        "auto",
        _one_of(LoadMode),
        "`mapped` uses the weights in the file, `repacked` copies them into a faster layout",
        shown="chosen by quantisation, memory and size",
    )
    speculation: SpeculationMode = _setting(
        "auto",
        _one_of(SpeculationMode),
        "Drafts of replies that repeat earlier text: `auto`, `always` (also with a seed), `off`",
    )
    max_tokens: int | None = _setting(
        None, _integer(1, 1 << 24), "Maximum length of a reply in tokens", shown="the rest of the context"
    )
    request_timeout: float = _setting(
        600.0, _number(float, "a number", 1, 86_400), "Seconds after which a reply ends with `length`"
    )
    start_timeout: float = _setting(
        3600.0,
        _number(float, "a number", 1, 86_400),
        "Seconds after which a start that is not ready fails; the next request starts it again",
    )
    client_timeout: float = _setting(
        60.0,
        _number(float, "a number", 1, 86_400),
        "Timeout in seconds for receiving a request and for a client that stops reading its reply",
    )
    queue_size: int = _setting(2, _integer(0, 1000), "Requests that may wait for the model; further ones get a 429")
    api_key: str | None = _setting(None, str.strip, "Key that callers must send", shown="none")
    api_key_parameter: str | None = _setting(None, str.strip, "SSM parameter that holds API_KEY, on AWS", shown="none")
    cors_origins: tuple[str, ...] = _setting(
        (),
        _list,
        "Origins that a browser may call from, separated by commas; `localhost` is any on this machine, `*` any",
        shown="none",
    )
    log_level: LogLevel = _setting(
        "INFO", _one_of(LogLevel), "Least severe level that is logged: DEBUG, INFO, WARNING or ERROR"
    )
    port: int = _setting(8080, _integer(1, 65_535), "Port that gunicorn binds")

    @property
    def serves_default_model(self) -> bool:
        """True where MODEL_URI is not set, or set to the default model's file."""
        return bool(self.model_uri) and self.model_uri == str(default_model.find())

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Read the settings from ``environ``, by default the process's environment. Empty values count as not set.

        Raises SettingsError, with key and value in its message.
        """
        environ = os.environ if environ is None else environ
        given: dict[str, Any] = {}
        for item in fields(cls):
            key = item.name.upper()
            text = environ.get(key, "")
            if not text.strip():
                continue
            try:
                given[item.name] = item.metadata["parse"](text)
            except ValueError as e:
                shown = "(hidden)" if item.name == "api_key" else repr(text.strip())
                message = f"{key}={shown} {e}. Correct it, or unset it: docs/settings.md."
                raise SettingsError(message, param=key, value=shown) from e
        return cls(**given)


def _is_true(text: str) -> bool:
    """Return the value of a Boolean variable as the SDKs read it."""
    return text.lower() == "true"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Variables:
    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Read from ``environ``, by default the process's environment. Empty values count as not set."""
        environ = os.environ if environ is None else environ
        texts = {item.name: environ.get(item.name.upper(), "").strip() for item in fields(cls)}
        return cls(**{name: text for name, text in texts.items() if text})


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores(_Variables):
    """Environment variables of the object stores' SDKs, under the SDKs' own names.

    Requests to a store are made with these before any SDK is imported. An SDK is asked for all other credentials
    (profiles, roles, instances). Each field is the environment variable of the same name in capitals.
    """

    aws_access_key_id: str | None = None
    aws_secret_access_key: str | None = None
    aws_session_token: str | None = None
    aws_region: str | None = None
    aws_default_region: str | None = None
    aws_endpoint_url: str | None = None
    aws_endpoint_url_s3: str | None = None
    aws_profile: str | None = None
    aws_config_file: str = "~/.aws/config"
    aws_use_fips_endpoint: str = "false"
    aws_use_dualstack_endpoint: str = "false"
    aws_ignore_configured_endpoint_urls: str = "false"
    aws_ca_bundle: str | None = None
    aws_request_payer: str | None = None
    requests_ca_bundle: str | None = None
    curl_ca_bundle: str | None = None
    storage_emulator_host: str | None = None
    google_application_credentials: str | None = None
    hf_endpoint: str = "https://huggingface.co"
    hf_token: str | None = None

    @property
    def ca_bundle(self) -> str | None:
        """File or folder of the certificate authorities for every store, as ``requests`` chooses it."""
        return self.requests_ca_bundle or self.curl_ca_bundle

    @property
    def s3_endpoint(self) -> str | None:
        """Endpoint of S3 in the environment; None if there is none, or if it must be ignored."""
        ignored = _is_true(self.aws_ignore_configured_endpoint_urls)
        return None if ignored else self.aws_endpoint_url_s3 or self.aws_endpoint_url

    @property
    def aws_needs_sdk(self) -> bool:
        """True if the environment has an option that botocore must resolve."""
        options = self.aws_use_fips_endpoint, self.aws_use_dualstack_endpoint
        return self.aws_profile is not None or any(map(_is_true, options))


@dataclass(frozen=True, slots=True, kw_only=True)
class Telemetry(_Variables):
    """Environment variables of the platforms and of OpenTelemetry, under their own names.

    Each field is the environment variable of the same name in capitals. OpenTelemetry's SDK reads all others itself.
    """

    google_cloud_project: str | None = None
    aws_lambda_function_name: str | None = None
    aws_lambda_function_memory_size: str = ""
    aws_lwa_snapstart_after_restore_path: str | None = None
    otel_sdk_disabled: str = "false"
    otel_traces_exporter: str = "otlp"
    otel_exporter_otlp_endpoint: str | None = None
    otel_exporter_otlp_traces_endpoint: str | None = None

    @property
    def lambda_mib(self) -> int | None:
        """Memory of the Lambda function in MiB; None elsewhere."""
        text = self.aws_lambda_function_memory_size
        return int(text) if text.isdecimal() else None

    @property
    def copies_instances(self) -> bool:
        """True if Lambda's web adapter calls this process before and after it is copied."""
        return self.aws_lambda_function_name is not None and self.aws_lwa_snapstart_after_restore_path is not None

    @property
    def exports_traces(self) -> bool:
        """True if an endpoint is set and traces are not disabled."""
        off = self.otel_sdk_disabled.lower() == "true" or self.otel_traces_exporter.lower() != "otlp"
        return not off and bool(self.otel_exporter_otlp_endpoint or self.otel_exporter_otlp_traces_endpoint)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal(_Variables):
    """Environment variables of terminals, under their own names."""

    term: str = ""
    no_color: str | None = None

    @property
    def has_colours(self) -> bool:
        """True unless NO_COLOR is set or the terminal cannot show colours."""
        return self.no_color is None and self.term != "dumb"


_LIBRARY_FOLDER = "LLAMA_CPP_LIB_PATH"
"""Variable that llama-cpp-python reads when it is imported."""


def library_folder() -> Path | None:
    """Return the folder of llama.cpp's shared libraries; None if they are in that of the Python bindings."""
    name = os.environ.get(_LIBRARY_FOLDER, "").strip()
    return Path(name) if name else None


def library_path(first: Path) -> str:
    """Return an LD_LIBRARY_PATH with ``first`` before this process's own, in which Cloud Run has the GPU's driver."""
    return os.pathsep.join(filter(None, (str(first), os.environ.get("LD_LIBRARY_PATH"))))


def set_library_folder(folder: Path) -> None:
    """Let llama-cpp-python load the libraries in ``folder``. Call before its import."""
    os.environ[_LIBRARY_FOLDER] = str(folder)
