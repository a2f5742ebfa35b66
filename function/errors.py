"""Errors that this program raises.

    FunctionError                 status, code, type, permanent, evidence
    ├── SettingsError             a setting that cannot be used; the process exits
    ├── RequestError          400 an error of the caller
    │   ├── ContextExceeded   400
    │   ├── WrongModelKind    400
    │   ├── Unauthorized      401
    │   ├── OriginRejected    403
    │   ├── NotFound          404
    │   ├── MethodNotAllowed  405
    │   ├── RequestTooSlow    408
    │   └── BodyTooLarge      413
    ├── Busy                  429 the queue is full; carries ``retry_after``
    ├── Unavailable           503 the model is not loaded (yet)
    │   ├── Stopping          503 the instance is shutting down
    │   ├── StartTimeout      503 the start took longer than START_TIMEOUT
    │   ├── SourceError       503 the store could not be reached; temporary
    │   │   ├── UnknownScheme     permanent
    │   │   ├── ObjectNotFound    permanent
    │   │   ├── AccessDenied      permanent
    │   │   └── ObjectChanged     the object was replaced while it was read
    │   ├── FetchError        503 the bytes could not be written to a file
    │   │   ├── NoSpace           permanent
    │   │   ├── CacheUnusable     permanent
    │   │   └── ChecksumMismatch  the bytes differ from those in the store
    │   ├── UnsuitedCPU       503 no library for this CPU; permanent
    │   ├── NoGPU             503 N_GPU_LAYERS is set and there is no GPU; permanent
    │   └── ModelError        503 a file that cannot be served; permanent
    │       ├── NotGGUF           permanent
    │       ├── LoadCrashed       permanent
    │       └── DoesNotFit        permanent
    └── EngineError           500 llama.cpp rejected an operation or failed

``permanent``: the same attempt cannot succeed, so it is not repeated, and clients are asked not to retry.
"""

import re
from typing import Any, ClassVar

_URI = re.compile(r"([A-Za-z0-9+.-]{1,16}://)((?:\\.|[^\s\"<>\\])*)")  # \" is a quote inside of JSON
_QUERY = re.compile(r"\?[^\s'\"]*")
_NAMED = frozenset({"s3://", "gs://", "hf://", "file://"})
"""Schemes of URIs that hold no password, but may hold an @ in a name: ``hf://owner/repository@revision/…``."""


def redact(text: str) -> str:
    """Return ``text`` without the secrets of its URIs: the user before the host, the query (which may hold a
    signature) and the fragment. If a URI is ambiguous, more of it is removed than necessary."""
    return _QUERY.sub(_without_values, _URI.sub(_without_secrets, text))


def _without_secrets(found: re.Match[str]) -> str:
    scheme, whole = found[1], found[2]
    rest = whole.rstrip(".,:;?!)]}'")
    address, after = _split(rest)
    named = scheme.lower() in _NAMED
    if "@" in after and not (named and "/" in address):  # part of a password with a ? or # in it, or of a query
        return f"{scheme}…{whole[len(rest) :]}"
    if named:
        bucket, slash, path = address.partition("/")
        if ":" in bucket or "@" in bucket:
            shown = f"…@{address.rpartition('@')[2]}" if "@" in address else "…"
        else:
            shown = bucket + slash + redact(path)
    else:
        shown = f"…@{address.rpartition('@')[2]}" if "@" in address else address
    return f"{scheme}{shown}{after and after[0] + '…'}{whole[len(rest) :]}"


def _split(rest: str) -> tuple[str, str]:
    """Split a URI before its query or fragment."""
    at = min((place for place in (rest.find("?"), rest.find("#")) if place >= 0), default=len(rest))
    return rest[:at], rest[at:]


def _without_values(found: re.Match[str]) -> str:
    return "?…" if "=" in found[0] or "&" in found[0] else found[0]


class FunctionError(Exception):
    """Base of all errors. The message names the problem, the object and the remedy; ``redact`` is applied to it.

    ``evidence`` holds the values in the message, for logs and tests. ``param`` names the request field or setting at
    fault, if any.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    type: ClassVar[str] = "server_error"
    permanent: bool = False

    def __init__(self, message: str, *, param: str | None = None, **evidence: Any) -> None:
        # Errors are shown without authentication, and as UTF-8, which a setting may not be.
        self.message = redact(message).encode(errors="replace").decode()
        super().__init__(self.message)
        self.param = param
        self.evidence = evidence

    def rename_param(self, name: str) -> None:
        """Give the field at fault another name, in the message too."""
        if self.param is not None:
            self.message = self.message.replace(self.param, name)
            self.args = (self.message,)
        self.param = name

    def body(self) -> dict[str, Any]:
        """Return OpenAI's error object: ``{"error": {"message", "type", "param", "code"}}``."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}


class SettingsError(FunctionError):
    """A setting has a value that cannot be used. The message contains key and value."""

    code = "bad_setting"
    permanent = True


class RequestError(FunctionError):
    """The request is invalid."""

    status = 400
    code = "invalid_request"
    type = "invalid_request_error"
    permanent = True


class ContextExceeded(RequestError):
    """The prompt has more tokens than the context."""

    code = "context_length_exceeded"

    def body(self) -> dict[str, Any]:
        """Return the error object, with the two numbers as ``n_prompt_tokens`` and ``n_ctx``."""
        numbers = {"n_prompt_tokens": self.evidence.get("tokens"), "n_ctx": self.evidence.get("n_ctx")}
        return {"error": super().body()["error"] | numbers}


class WrongModelKind(RequestError):
    """The request needs a model of another kind than the loaded one."""

    code = "wrong_model_kind"


class Unauthorized(RequestError):
    """The API key is missing or wrong."""

    status = 401
    code = "invalid_api_key"
    type = "authentication_error"


class OriginRejected(RequestError):
    """The web page that sent the request may not use the function."""

    status = 403
    code = "origin_rejected"
    type = "permission_error"


class NotFound(RequestError):
    """The path does not exist."""

    status = 404
    code = "not_found"


class MethodNotAllowed(RequestError):
    """The path does not support the method."""

    status = 405
    code = "method_not_allowed"


class RequestTooSlow(RequestError):
    """The request did not arrive in time. Temporary."""

    status = 408
    code = "request_timeout"
    permanent = False


class BodyTooLarge(RequestError):
    """The body is larger than any prompt that fits."""

    status = 413
    code = "body_too_large"


class Busy(FunctionError):
    """The queue is full. ``retry_after``: whole seconds until the caller should try again."""

    status = 429
    code = "busy"
    type = "rate_limit_error"

    def __init__(self, message: str, *, retry_after: int, **evidence: Any) -> None:
        super().__init__(message, retry_after=retry_after, **evidence)
        self.retry_after = retry_after


class Unavailable(FunctionError):
    """The model is not loaded."""

    status = 503
    code = "unavailable"


class Stopping(Unavailable):
    """The instance is shutting down."""

    code = "stopping"


class StartTimeout(Unavailable):
    """The model was not ready within START_TIMEOUT. Temporary: the next start resumes what was fetched."""

    code = "start_timeout"


class SourceError(Unavailable):
    """The store of the model could not be reached or gave an unexpected answer. Temporary."""

    code = "source_unavailable"


class UnknownScheme(SourceError):
    """The scheme of the URI is not supported."""

    code = "unknown_scheme"
    permanent = True


class ObjectNotFound(SourceError):
    """The bucket, object, version or file does not exist."""

    code = "model_not_found"
    permanent = True


class AccessDenied(SourceError):
    """The store denied access, or there are no valid credentials."""

    code = "model_access_denied"
    permanent = True


class ObjectChanged(SourceError):
    """The object was replaced while it was read."""

    code = "model_changed"


class FetchError(Unavailable):
    """The model could not be fetched into a verified file."""

    code = "fetch_failed"


class NoSpace(FetchError):
    """The cache has too little space for the model."""

    code = "no_space"
    permanent = True


class CacheUnusable(FetchError):
    """The cache directory cannot be written."""

    code = "cache_unusable"
    permanent = True


class ChecksumMismatch(FetchError):
    """The fetched bytes do not match the checksum of the store."""

    code = "checksum_mismatch"


class UnsuitedCPU(Unavailable):
    """The CPU cannot run any library of llama.cpp, or not the one that CPU_LEVEL requests."""

    code = "unsuited_cpu"
    permanent = True


class NoGPU(Unavailable):
    """N_GPU_LAYERS is set, and llama.cpp finds no GPU."""

    code = "no_gpu"
    permanent = True


class ModelError(Unavailable):
    """The file exists but cannot be served."""

    code = "model_unusable"
    permanent = True


class NotGGUF(ModelError):
    """The file is not a valid GGUF: another format, truncated or malicious."""

    code = "not_gguf"


class LoadCrashed(ModelError):
    """Every process that loaded the model died."""

    code = "model_load_crashed"


class DoesNotFit(ModelError):
    """The model needs more memory than the container has."""

    code = "model_does_not_fit"


class EngineError(FunctionError):
    """llama.cpp rejected an operation or failed."""

    code = "engine_error"
