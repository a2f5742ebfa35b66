"""Every error this program raises on purpose.

    FunctionError                 status, code, type, permanent, evidence
    ├── SettingsError             a setting that stops the start
    ├── RequestError          400 what the caller sent
    │   ├── ContextExceeded   400
    │   ├── Unauthorized      401
    │   ├── OriginRejected    403
    │   ├── NotFound          404
    │   ├── MethodNotAllowed  405
    │   ├── RequestTooSlow    408
    │   └── BodyTooLarge      413
    ├── Busy                  429 the queue is full; carries ``retry_after``
    ├── Unavailable           503 no model to answer with (yet)
    │   ├── Stopping          503 the instance is shutting down
    │   ├── SourceError       503 the model's place could not be reached; passing
    │   │   ├── UnknownScheme     permanent
    │   │   ├── ObjectNotFound    permanent
    │   │   ├── AccessDenied      permanent
    │   │   └── ObjectChanged     the object was replaced while it was read
    │   ├── FetchError        503 the bytes could not be made into a file
    │   │   ├── NoSpace           permanent
    │   │   ├── CacheUnusable     permanent
    │   │   └── ChecksumMismatch  what arrived is not what the store holds
    │   ├── UnsuitedCPU       503 no library for this CPU; permanent
    │   ├── NoGPU             503 layers are to go to a GPU that is not there; permanent
    │   └── ModelError        503 a file that cannot be served; permanent
    │       ├── NotGGUF           permanent
    │       ├── LoadCrashed       permanent
    │       └── DoesNotFit        permanent
    └── EngineError           500 llama.cpp refused or failed

``permanent`` says that the same attempt cannot succeed: it is not tried again, and clients are told so.
"""

import re
from typing import Any, ClassVar

_URI = re.compile(r"([A-Za-z0-9+.-]{1,16}://)((?:\\.|[^\s\"<>\\])*)")  # \" is a quote inside of JSON
_QUERY = re.compile(r"\?[^\s'\"]*")
_NAMED = frozenset({"s3://", "gs://", "hf://", "file://"})
"""Schemes after which nobody has a password, and an @ may stand in a name: ``hf://owner/repository@revision/…``."""


def redact(text: str) -> str:
    """``text`` without what a URI can hold of secrets: the user before its host, its query, a signature perhaps, and
    its fragment. Where it cannot be told what is which, more is left out than has to be."""
    return _QUERY.sub(_without_values, _URI.sub(_without_secrets, text))


def _without_secrets(found: re.Match[str]) -> str:
    scheme, whole = found[1], found[2]
    rest = whole.rstrip(".,:;?!)]}'")
    address, after = _parted(rest)
    named = scheme.lower() in _NAMED
    if "@" in after and not (named and "/" in address):  # of a password with a ? or a # in it, or of a query
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


def _parted(rest: str) -> tuple[str, str]:
    """A URI before its query or fragment, and from there on."""
    at = min((place for place in (rest.find("?"), rest.find("#")) if place >= 0), default=len(rest))
    return rest[:at], rest[at:]


def _without_values(found: re.Match[str]) -> str:
    return "?…" if "=" in found[0] or "&" in found[0] else found[0]


class FunctionError(Exception):
    """The base: what happened, to what, and what to do about it, as one sentence in ``str(error)``.

    ``evidence`` holds the values the sentence was made from, for logs and tests.
    ``param`` names the request field or the setting at fault, where there is one.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    type: ClassVar[str] = "server_error"
    permanent: bool = False

    def __init__(self, message: str, *, param: str | None = None, **evidence: Any) -> None:
        # Errors are shown where no key is asked for, as UTF-8, which a setting need not have been.
        self.message = redact(message).encode(errors="replace").decode()
        super().__init__(self.message)
        self.param = param
        self.evidence = evidence

    def body(self) -> dict[str, Any]:
        """The error as OpenAI's error object: ``{"error": {"message", "type", "param", "code"}}``."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}


class SettingsError(FunctionError):
    """A setting has a value that cannot be used; the start stops with key and value in the sentence."""

    code = "bad_setting"
    permanent = True


class RequestError(FunctionError):
    """The request cannot be answered as it is."""

    status = 400
    code = "invalid_request"
    type = "invalid_request_error"
    permanent = True


class ContextExceeded(RequestError):
    """The prompt has more tokens than the context holds."""

    code = "context_length_exceeded"

    def body(self) -> dict[str, Any]:
        """Return the error object, with the two numbers as ``n_prompt_tokens`` and ``n_ctx``."""
        numbers = {"n_prompt_tokens": self.evidence.get("tokens"), "n_ctx": self.evidence.get("n_ctx")}
        return {"error": super().body()["error"] | numbers}


class Unauthorized(RequestError):
    """The key is missing or wrong."""

    status = 401
    code = "invalid_api_key"
    type = "authentication_error"


class OriginRejected(RequestError):
    """The web page that sent the request may not use the function."""

    status = 403
    code = "origin_rejected"
    type = "permission_error"


class NotFound(RequestError):
    """No such path."""

    status = 404
    code = "not_found"


class MethodNotAllowed(RequestError):
    """The path exists, the method does not."""

    status = 405
    code = "method_not_allowed"


class RequestTooSlow(RequestError):
    """The request did not arrive in time; may pass."""

    status = 408
    code = "request_timeout"
    permanent = False


class BodyTooLarge(RequestError):
    """The body is larger than any prompt that could fit."""

    status = 413
    code = "body_too_large"


class Busy(FunctionError):
    """The model is taken and the queue is full. ``retry_after``: whole seconds until it is worth trying again."""

    status = 429
    code = "busy"
    type = "rate_limit_error"

    def __init__(self, message: str, *, retry_after: int, **evidence: Any) -> None:
        super().__init__(message, retry_after=retry_after, **evidence)
        self.retry_after = retry_after


class Unavailable(FunctionError):
    """There is no model to answer with."""

    status = 503
    code = "unavailable"


class Stopping(Unavailable):
    """The instance was told to stop."""

    code = "stopping"


class SourceError(Unavailable):
    """The store that holds the model could not be reached or did not answer as it should; may pass."""

    code = "source_unavailable"


class UnknownScheme(SourceError):
    """The URI names no store that is known."""

    code = "unknown_scheme"
    permanent = True


class ObjectNotFound(SourceError):
    """No such bucket, object, version or file."""

    code = "model_not_found"
    permanent = True


class AccessDenied(SourceError):
    """The store knows who asks and refuses, or does not know who asks."""

    code = "model_access_denied"
    permanent = True


class ObjectChanged(SourceError):
    """The object was replaced while it was being read."""

    code = "model_changed"


class FetchError(Unavailable):
    """The bytes could not be made into a verified file."""

    code = "fetch_failed"


class NoSpace(FetchError):
    """The cache has no room for the model."""

    code = "no_space"
    permanent = True


class CacheUnusable(FetchError):
    """The cache directory cannot be written."""

    code = "cache_unusable"
    permanent = True


class ChecksumMismatch(FetchError):
    """What arrived is not what the store says it holds."""

    code = "checksum_mismatch"


class UnsuitedCPU(Unavailable):
    """This machine's CPU cannot run llama.cpp's library, or not the one that was asked for."""

    code = "unsuited_cpu"
    permanent = True


class NoGPU(Unavailable):
    """Layers are to go to a GPU, and llama.cpp sees none."""

    code = "no_gpu"
    permanent = True


class ModelError(Unavailable):
    """The file is there and cannot be served."""

    code = "model_unusable"
    permanent = True


class NotGGUF(ModelError):
    """The file is not a GGUF that can be trusted: foreign, truncated or hostile."""

    code = "not_gguf"


class LoadCrashed(ModelError):
    """Every process that loaded the model died at it."""

    code = "model_load_crashed"


class DoesNotFit(ModelError):
    """The model needs more memory than the container has."""

    code = "model_does_not_fit"


class EngineError(FunctionError):
    """llama.cpp refused an operation or failed in it."""

    code = "engine_error"
