"""``response_format``: what a reply must look like."""

from typing import Annotated, Any, Literal

from pydantic import Field

from function.engine import Grammar, json_grammar
from function.errors import RequestError
from function.web.request.base_model import RequestModel, Unicode

Name = Annotated[str, Field(pattern="^[a-zA-Z0-9_-]{1,64}$")]


class JsonSchema(RequestModel):
    """A schema with a name. It is followed to the letter whether it says ``strict`` or not."""

    name: Name
    description: Unicode | None = None
    json_schema: dict[str, Any] | None = Field(None, alias="schema")
    strict: bool | None = None


class ResponseFormat(RequestModel):
    """Text, any JSON object, or JSON that a schema holds for."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None

    def grammar(self, param: str) -> Grammar | None:
        """None for text. ``param`` is the field's name. Raises RequestError for what is not a schema to follow."""
        if (self.type == "json_schema") != (self.json_schema is not None):
            raise RequestError(
                f'{param}.json_schema: it goes with "type": "json_schema", and that with it.',
                param=f"{param}.json_schema",
            )
        if self.json_schema is None:
            return None if self.type == "text" else json_grammar({"type": "object"}, param)
        schema = self.json_schema.json_schema
        return json_grammar({"type": "object"} if schema is None else schema, f"{param}.json_schema.schema")
