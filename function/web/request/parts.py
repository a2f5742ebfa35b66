"""Typed parts of the Responses and Messages APIs: a union of models that the field ``type`` chooses from. Pure."""

from collections.abc import Callable, Iterator, Mapping
from functools import reduce
from operator import or_
from typing import Annotated, Any

from pydantic import Discriminator, GetJsonSchemaHandler, Tag, model_validator
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import CoreSchema

from function.web.request.base_model import PART_TAG, RequestModel, Unicode
from function.web.request.messages import media_error


class SkippedPart(RequestModel):
    """Part of a type that only its own provider can read or run. It has no effect, and is reported as ignored."""

    type: Unicode

    def _ignored(self) -> Iterator[str]:
        yield self.type.encode(errors="replace").decode()


class RejectedPart(RequestModel):
    """Part that would change the reply and cannot be honoured; validation fails."""

    @model_validator(mode="before")
    @classmethod
    def _reject(cls, given: Any) -> Any:
        kind = given.get("type") if isinstance(given, dict) else None
        raise ValueError(media_error(kind) or "its type is missing or unknown")


class _AnyOf:
    """Schema of a union whose members overlap: SkippedPart has any type."""

    def __get_pydantic_json_schema__(self, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = handler(core_schema)
        schema["anyOf"] = schema.pop("oneOf")
        return schema


def one_of(
    models: Mapping[str, type[RequestModel]],
    *,
    default: str | None = None,
    skips: Callable[[str], bool] = lambda name: False,
) -> Any:
    """Return the type of a part that is one of ``models``, by its ``type``, or of type ``default`` if it has none.

    Parts of other types for which ``skips`` returns true are skipped, and all others rejected.
    """

    def tag(part: Any) -> str:
        name = part.get("type") if isinstance(part, dict) else getattr(part, "type", None)
        name = default if name is None and isinstance(part, dict) else name
        if not isinstance(name, str):
            return f"{PART_TAG}rejected"
        if name in models:
            return PART_TAG + name
        return f"{PART_TAG}skipped" if skips(name) else f"{PART_TAG}rejected"

    members: list[Any] = [Annotated[model, Tag(PART_TAG + name)] for name, model in models.items()]
    members.append(Annotated[SkippedPart, Tag(f"{PART_TAG}skipped")])
    members.append(Annotated[SkipJsonSchema[RejectedPart], Tag(f"{PART_TAG}rejected")])
    return Annotated[reduce(or_, members), Discriminator(tag), _AnyOf()]
