"""Base of the request models: validates fields, names the one at fault and those without effect."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Self

from flask import Request
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    GetJsonSchemaHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError

from function.errors import RequestError
from function.web.request.body import any_fields, json_fields

PART_TAG = "part:"
"""Beginning of the names that tell apart the members of a union; they are no part of a field's path."""
_TYPE_NAMES = (PART_TAG, "list[", "dict[", "constrained-", "function-", "[key]")
"""Beginnings of the names that pydantic adds to the path of a field."""
_NO_CHARACTER = "half of a surrogate pair is not a character"


def _reject_surrogates(text: str) -> str:
    if not _is_unicode(text):
        raise ValueError(_NO_CHARACTER)
    return text


Unicode = Annotated[str, AfterValidator(_reject_surrogates)]


class RequestModel(BaseModel):
    """Model of a request, or of a part of one.

    Unknown fields are accepted without effect; ``ignored_fields`` names them. Null counts as not given, as in OpenAI's
    API: clients return a reply as it came, its nulls included. So does an integer that is written as 7.0.
    """

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)  # a cold start builds what it needs

    UNSUPPORTED: ClassVar[Mapping[str, tuple[Any, ...]]] = {}
    """Fields that would change the reply and cannot be honoured, with the values that do not change it."""

    WITHOUT_EFFECT: ClassVar[tuple[str, ...]] = ()
    """Known fields that do not change a reply; they are not reported as ignored."""

    @classmethod
    def from_json(cls, request: Request) -> Self:
        """Return the JSON body of ``request``, validated. Raises RequestError with the first field at fault."""
        return cls.parse(json_fields(request), strict=True)

    @classmethod
    def from_any(cls, request: Request) -> Self:
        """Return the JSON body, form or query of ``request``, validated. Raises RequestError."""
        fields, typed = any_fields(request)
        return cls.parse(fields, strict=typed)

    @classmethod
    def parse(cls, fields: Mapping[str, Any], *, strict: bool) -> Self:
        """Return ``fields``, validated. Raises RequestError with the first field at fault.

        With ``strict=True`` types must be right as they are, as in JSON; otherwise texts are converted.
        """
        try:
            body = cls.model_validate(fields, strict=strict)
            known = {name: fields[name] for name in cls.model_fields if name in fields}
            path = next(_surrogates(known), None)
        except ValidationError as e:
            raise _request_error(e) from None
        except RecursionError:
            raise RequestError("The body is nested too deeply.") from None
        if path is not None:
            raise RequestError(f"{path}: {_NO_CHARACTER}.", param=path)
        return body

    def ignored_fields(self) -> list[str]:
        """Return the names of unknown fields, each once: ``keep_alive``, ``messages.reasoning``."""
        return [name for name in dict.fromkeys(self._ignored()) if name not in self.WITHOUT_EFFECT]

    def _ignored(self) -> Iterator[str]:
        yield from map(_printable, self.model_extra or ())
        for name in type(self).model_fields:
            value = getattr(self, name)
            for part in value if isinstance(value, list) else (value,):
                if isinstance(part, RequestModel):
                    yield from (f"{name}.{inner}" for inner in part._ignored())

    @model_validator(mode="before")
    @classmethod
    def _drop_fields_without_effect(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        kept = {}
        for key, value in given.items():
            if value is None:
                continue
            if key in cls.UNSUPPORTED and key not in cls.model_fields:
                if not _is_one_of(value, cls.UNSUPPORTED[key]):
                    raise PydanticCustomError("unsupported", "it cannot be honoured; leave it out", {"field": key})
                continue
            whole = isinstance(value, float) and value.is_integer() and key in cls.model_fields
            kept[key] = int(value) if whole and cls.model_fields[key].annotation in (int, int | None) else value
        return kept

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Return the JSON schema of accepted fields: nulls, and the neutral values of unsupported fields, included."""
        reference = handler(core_schema)
        schema = handler.resolve_ref_schema(reference)
        properties = schema.setdefault("properties", {})
        for name in set(properties) - set(schema.get("required", ())):
            properties[name] = _allow_null(properties[name])
        for name in cls.WITHOUT_EFFECT:
            properties.setdefault(name, {"description": "Accepted; does not change a reply."})
        for name, values in cls.UNSUPPORTED.items():
            properties.setdefault(name, {"enum": [*values, None], "description": "No other value can be honoured."})
        schema["additionalProperties"] = True
        return reference


def _allow_null(schema: dict[str, Any]) -> dict[str, Any]:
    about: dict[str, Any] = {key: schema[key] for key in ("title", "description", "default") if key in schema}
    rest = {key: value for key, value in schema.items() if key not in about}
    kinds = rest["anyOf"] if set(rest) == {"anyOf"} else [rest]
    return {"anyOf": [*kinds, *([] if {"type": "null"} in kinds else [{"type": "null"}])], **about}


def _request_error(error: ValidationError) -> RequestError:
    # Where a field may have one of several types, the deepest complaint is about the intended one.
    found = error.errors(include_url=False, include_input=False)
    first = max(found, key=lambda each: (each["type"] == "unsupported", len(each["loc"])))
    context = first.get("ctx", {})
    path = ".".join(
        _printable(str(part))
        for part in (*first["loc"], *([context["field"]] if first["type"] == "unsupported" else ()))
        if part != "str" and not str(part).startswith(_TYPE_NAMES)
    )
    reason = context["error"] if first["type"] == "value_error" else first["msg"]
    return RequestError(f"{path or 'body'}: {reason}.", param=path or None)


def _is_one_of(value: Any, known: tuple[Any, ...]) -> bool:
    """Return True if ``value`` is in ``known`` as JSON compares values (true is not 1), or as a form writes them."""
    same = any(value == other and isinstance(value, bool) == isinstance(other, bool) for other in known)
    return same or (isinstance(value, str) and value in map(str, known))


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _printable(name: str) -> str:
    """Return ``name`` with a question mark for each half of a surrogate pair."""
    return name.encode(errors="replace").decode()


def _surrogates(value: Any, path: str = "") -> Iterator[str]:
    """Yield the paths of texts and names that are not Unicode."""
    if isinstance(value, str) and not _is_unicode(value):
        yield path
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in parts:
        inner = f"{path}.{_printable(str(name))}".lstrip(".")
        if not _is_unicode(str(name)):
            yield inner
        yield from _surrogates(part, inner)
