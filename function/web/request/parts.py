"""Typed parts of requests: a union of models that the field ``type`` chooses from. Pure."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn, Self, get_args

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from function.web.request.base_model import PART_TAG, RequestModel, Unicode
from function.web.request.item_memory import REFERENCE
from function.web.request.messages import media_error

_SKIPPED, _REJECTED = f"{PART_TAG}skipped", f"{PART_TAG}rejected"


class SkippedPart(RequestModel):
    """Part of a type that only its own provider can read or run. It has no effect, and is reported as ignored."""

    type: Unicode

    def for_chat(self) -> Self:
        """Return the part as chat completions have it: the same, so that those after it keep their indexes."""
        return self

    def _ignored(self) -> Iterator[str]:
        yield self.type


@dataclass(frozen=True, slots=True)
class ChosenByType:
    """Annotation of a union of models: ``type`` chooses one of them, or ``default`` if it is absent.

    Parts of other types for which ``skips`` returns true are skipped, and all others rejected.
    """

    skips: Callable[[str], bool]
    default: str | None = None

    def __get_pydantic_core_schema__(self, union: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return the schema of a union whose tags are no part of a field's path."""
        choices: dict[str, CoreSchema] = {
            _REJECTED: core_schema.no_info_plain_validator_function(_reject),
            _SKIPPED: handler.generate_schema(SkippedPart),
        }
        for model in get_args(union):
            if model is not SkippedPart:
                for name in get_args(model.model_fields["type"].annotation):
                    choices[PART_TAG + name] = handler.generate_schema(model)

        def tag(part: Any) -> str:
            name = part.get("type", self.default) if isinstance(part, dict) else getattr(part, "type", None)
            if not isinstance(name, str):
                return _REJECTED
            if PART_TAG + name in choices:
                return PART_TAG + name
            return _SKIPPED if self.skips(name) else _REJECTED

        return core_schema.tagged_union_schema(choices, tag)

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Return the schema of accepted parts. Its members overlap, because a skipped part has any type."""
        accepted = {name: choice for name, choice in schema["choices"].items() if name != _REJECTED}
        return {"anyOf": handler({**schema, "choices": accepted})["oneOf"]}


def _reject(part: Any) -> NoReturn:
    """Reject a part that would change the reply and cannot be honoured."""
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == REFERENCE:
        raise ValueError("this item is not kept here. Send the item itself, as with `store: false`")
    raise ValueError(media_error(kind) or "its type is missing or unknown")
