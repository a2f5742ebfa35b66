"""The settings, read once from a mapping into a frozen value. Nothing else in the package reads the environment."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from function.errors import SettingsError

if TYPE_CHECKING:
    from function.gguf import KVType

DEMO_MODEL = Path(__file__).parent / "demo" / "model.gguf"
DEFAULT_CACHE = Path("/tmp/models")  # noqa: S108  the one writable place of both platforms; the cache checks its owner
CacheKind = Literal["directory", "memory"]
SnapshotMode = Literal["off", "auto"]
LoadMode = Literal["auto", "mapped", "repacked"]
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]


def _text(value: str) -> str:
    return value.strip()


def _path(value: str) -> Path:
    return Path(value.strip())


def _prose(value: str) -> str:
    return value  # white space at its ends is meant


def _number(kind: Callable[[str], Any], name: str, low: float, high: float) -> Callable[[str], Any]:
    def parse(value: str) -> Any:
        try:
            number = kind(value)
        except ValueError:
            raise ValueError(f"is not {name}") from None
        if not low <= number <= high:
            raise ValueError(f"is not between {low:g} and {high:g}")
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
    from function.gguf.memory import KV_BITS  # who does not set it need not import it

    value = value.strip().lower()
    if value not in KV_BITS:
        raise ValueError(f"is not one of {', '.join(KV_BITS)}")
    return value


def _list(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _sha256(value: str) -> str:
    value = value.strip()
    if len(value) != 64 or any(c not in "0123456789abcdef" for c in value.lower()):
        raise ValueError("is not 64 hexadecimal digits")
    return value.lower()


def _setting(default: Any, parse: Callable[[str], Any], meaning: str, *, shown: str | None = None) -> Any:
    """A field that knows how its text is parsed and what the README says of it."""
    metadata = {"parse": parse, "meaning": meaning, "shown": shown}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Each field is the environment variable of the same name in capitals."""

    model_uri: str = _setting(
        str(DEMO_MODEL),
        _text,
        "The model: `gs://bucket/name.gguf`, `s3://bucket/name.gguf`, `file://…` or a path",
        shown="the embedded demo model",
    )
    model_name: str | None = _setting(None, _text, "The name that replies carry", shown="the header's")
    model_sha256: str | None = _setting(None, _sha256, "What the model's bytes must hash to", shown="not checked")
    model_cache: CacheKind = _setting(
        "directory",
        _one_of(CacheKind),
        "`memory` keeps what is fetched in memory, where a disk is too small; a new process fetches anew",
    )
    model_cache_dir: Path = _setting(DEFAULT_CACHE, _path, "Where a fetched model is kept")
    chat_template: str | None = _setting(
        None, _prose, "A name llama.cpp knows, the text of a Jinja template, its path, or its URI", shown="the model's"
    )
    lora_uri: str | None = _setting(
        None, _text, "A LoRA adapter in GGUF, fetched like the model and laid over it", shown="none"
    )
    system_prompt: str | None = _setting(
        None, _prose, "Begins every conversation that brings no system message of its own", shown="none"
    )
    snapshot: SnapshotMode = _setting(
        "off",
        _one_of(SnapshotMode),
        "`auto` lets an instance that had to read SYSTEM_PROMPT itself store a snapshot of it",
    )
    snapshot_uri: str | None = _setting(
        None, _text, "Where the snapshot of SYSTEM_PROMPT is", shown="beside the model, `.snapshot` after its name"
    )
    n_ctx: int | None = _setting(
        None, _integer(64, 1 << 24), "Context in tokens; lowered to the model's own", shown="the model's, at most 4096"
    )
    kv_type: "KVType" = _setting(
        "f16", _kv_type, "How keys and values are kept: `f16`, `q8_0` (half the memory), `q4_0` (a quarter), …"
    )
    n_threads: int | None = _setting(None, _integer(1, 1024), "Threads of the engine", shown="the CPUs it may use")
    cpu_level: str | None = _setting(
        None,
        _text,
        "The CPU library to use where an image has several: `baseline`, `avx512`, …",
        shown="the best that works",
    )
    n_gpu_layers: int = _setting(0, _integer(-1, 10_000), "Layers on a GPU; -1 is all of them")
    prefix_cache_mb: int | None = _setting(
        None,
        _integer(0, 1 << 20),
        "Memory for conversations that made room for others, in MB",
        shown="two contexts, at most 256, as far as there is room",
    )
    load_mode: LoadMode = _setting(
        "auto",
        _one_of(LoadMode),
        "`mapped` loads while the file still comes, `repacked` copies weights into a faster layout",
        shown="chosen by quantisation, memory and size",
    )
    max_tokens: int | None = _setting(
        None, _integer(1, 1 << 24), "Caps every reply, in tokens", shown="what the context leaves"
    )
    request_timeout: float = _setting(
        600.0, _number(float, "a number", 1, 86_400), "Seconds after which a reply ends with `length`"
    )
    client_timeout: float = _setting(
        60.0,
        _number(float, "a number", 1, 86_400),
        "Seconds a client may take to send a request, or to take 64 kB of its reply, or anything; then it is cut off",
    )
    queue_size: int = _setting(2, _integer(0, 1000), "Requests that may wait for the model; more get a 429")
    api_key: str | None = _setting(None, _text, "Guards what reaches the model", shown="none")
    api_key_parameter: str | None = _setting(None, _text, "The SSM parameter that holds API_KEY, on AWS", shown="none")
    cors_origins: tuple[str, ...] = _setting(
        (), _list, "Origins a browser may call from, separated by commas; `*` is any", shown="none"
    )
    log_level: LogLevel = _setting("INFO", _one_of(LogLevel), "DEBUG, INFO, WARNING or ERROR")
    port: int = _setting(8080, _integer(1, 65_535), "The port gunicorn binds")

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Read the settings from ``environ``; an empty value counts as not set.

        Raises SettingsError, with key and value in its sentence. The default mapping is the process's environment.
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
                raise SettingsError(f"{key}={shown} {e}. {item.metadata['meaning']}.", param=key, value=shown) from e
        return cls(**given)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """What the object stores' own SDKs and tools read from the environment, under the names they gave it.

    It is what the light path to a store needs before any SDK is imported; whatever else an SDK knows (profiles, roles,
    instance credentials) it is asked for itself. Each field is the environment variable of the same name in capitals.
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
    storage_emulator_host: str | None = None
    google_application_credentials: str | None = None
    hf_endpoint: str = "https://huggingface.co"
    hf_token: str | None = None

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> "Stores":
        """Read from ``environ``, by default the process's environment; an empty value counts as not set."""
        return cls(**_given(cls, environ))


@dataclass(frozen=True, slots=True, kw_only=True)
class Telemetry:
    """What the platforms' and OpenTelemetry's own variables say, under the names they gave them.

    Each field is the environment variable of the same name in capitals; OpenTelemetry's SDK reads the rest itself.
    """

    google_cloud_project: str | None = None
    otel_sdk_disabled: str = "false"
    otel_traces_exporter: str = "otlp"
    otel_exporter_otlp_endpoint: str | None = None
    otel_exporter_otlp_traces_endpoint: str | None = None

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> "Telemetry":
        """Read from ``environ``, by default the process's environment; an empty value counts as not set."""
        return cls(**_given(cls, environ))

    @property
    def traces(self) -> bool:
        """Whether traces are to be exported: there is an endpoint, and nothing switches them off."""
        off = self.otel_sdk_disabled.lower() == "true" or self.otel_traces_exporter.lower() != "otlp"
        return not off and bool(self.otel_exporter_otlp_endpoint or self.otel_exporter_otlp_traces_endpoint)


def _given(cls: "type[Stores] | type[Telemetry]", environ: Mapping[str, str] | None) -> dict[str, str]:
    """The fields of ``cls`` whose variables are set."""
    environ = os.environ if environ is None else environ
    texts = {item.name: environ.get(item.name.upper(), "").strip() for item in fields(cls)}
    return {name: text for name, text in texts.items() if text}


_LIBRARY_FOLDER = "LLAMA_CPP_LIB_PATH"
"""Read by llama-cpp-python when its bindings are imported."""


def library_folder() -> Path | None:
    """Where llama.cpp's shared libraries are, if it is not with their Python bindings."""
    name = os.environ.get(_LIBRARY_FOLDER, "").strip()
    return Path(name) if name else None


def library_path(first: Path) -> str:
    """LD_LIBRARY_PATH for a program that takes llama.cpp from ``first``, and all else from where this process does:
    Cloud Run has a GPU's driver there."""
    return os.pathsep.join(filter(None, (str(first), os.environ.get("LD_LIBRARY_PATH"))))


def set_library_folder(folder: Path) -> None:
    """Have the bindings, which must not be imported yet, load the libraries in ``folder``."""
    os.environ[_LIBRARY_FOLDER] = str(folder)
