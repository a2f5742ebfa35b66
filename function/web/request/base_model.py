"""Base of the request models: validates fields and names the one at fault."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from flask import Request
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import CoreSchema

from function.errors import RequestError
from function.web.request.body import any_fields, json_fields


def _reject_surrogates(text: str) -> str:
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("half of a surrogate pair is not a character")
    return text


Unicode = Annotated[str, AfterValidator(_reject_surrogates)]
Name = Annotated[str, Field(pattern="^[a-zA-Z0-9_-]{1,64}$")]
"""Name of a function or a schema, as OpenAI allows them."""


class RequestModel(BaseModel):
    """Model of a request, or of a part of one. Unknown fields are errors.

    Null counts as not given, as in OpenAI's API: clients return a reply as it came, its nulls included.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

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
            return cls.model_validate(fields, strict=strict)
        except ValidationError as e:
            raise _request_error(e) from None

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, given: Any) -> Any:
        return {key: value for key, value in given.items() if value is not None} if isinstance(given, dict) else given

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Return the JSON schema of accepted fields, nulls included, also under unknown names."""
        reference = handler(core_schema)
        schema = handler.resolve_ref_schema(reference)
        optional = set(schema.get("properties", {})) - set(schema.get("required", ()))
        for name in optional:
            schema["properties"][name] = _allow_null(schema["properties"][name])
        schema["additionalProperties"] = {"type": "null"}
        return reference


def _allow_null(schema: dict[str, Any]) -> dict[str, Any]:
    about: dict[str, Any] = {key: schema[key] for key in ("title", "description", "default") if key in schema}
    rest = {key: value for key, value in schema.items() if key not in about}
    kinds = rest["anyOf"] if set(rest) == {"anyOf"} else [rest]
    return {"anyOf": [*kinds, *([] if {"type": "null"} in kinds else [{"type": "null"}])], **about}


def _request_error(error: ValidationError) -> RequestError:
    # Where a field may have one of several types, the deepest complaint is about the intended one.
    first = max(error.errors(include_url=False, include_input=False), key=lambda found: len(found["loc"]))
    path = ".".join(
        str(part)
        for part in first["loc"]
        if part != "str" and not str(part).startswith(("list[", "constrained-", "function-", "[key]"))
    )
    if first["type"] == "extra_forbidden":
        return RequestError(f"{path}: no such parameter.", param=path)
    reason = first["ctx"]["error"] if first["type"] == "value_error" else first["msg"]
    return RequestError(f"{path or 'body'}: {reason}.", param=path or None)
