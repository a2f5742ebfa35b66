"""What all models of requests are made from."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema


def _encodable(text: str) -> str:
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("half of a surrogate pair is not a character")
    return text


Unicode = Annotated[str, AfterValidator(_encodable)]


class RequestModel(BaseModel):
    """Unknown fields are errors: what is not understood is said, never ignored.

    Null counts as not given, as in OpenAI's API: clients send a reply back as they got it, its nulls included.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, given: Any) -> Any:
        return {key: value for key, value in given.items() if value is not None} if isinstance(given, dict) else given

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The schema of what is accepted, nulls included, also for what has no name here."""
        reference = handler(core_schema)
        schema = handler.resolve_ref_schema(reference)
        optional = set(schema.get("properties", {})) - set(schema.get("required", ()))
        for name in optional:
            schema["properties"][name] = _or_null(schema["properties"][name])
        schema["additionalProperties"] = {"type": "null"}
        return reference


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    about: dict[str, Any] = {key: schema[key] for key in ("title", "description", "default") if key in schema}
    rest = {key: value for key, value in schema.items() if key not in about}
    kinds = rest["anyOf"] if set(rest) == {"anyOf"} else [rest]
    return {"anyOf": [*kinds, *([] if {"type": "null"} in kinds else [{"type": "null"}])], **about}
