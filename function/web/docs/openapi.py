"""OpenAPI 3.1 document, from the models that validate requests and the table of operations.

Pydantic writes the schemas; a web framework for the rest would cost 0.3 s of import before the first token.
"""

from functools import cache
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from function.web.docs.operations import ERROR, EVENTS, FORM, JSON, OPERATIONS, Operation

Object = dict[str, Any]

REF = "#/components/schemas/{model}"
DESCRIPTION = (
    "Chat from one GGUF model, one request at a time. Any program for OpenAI's chat API works with this base URL. "
    "A field that would change the reply and cannot be honoured is a 400 that names it; null counts as not given."
)
SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "API_KEY, as OpenAI's clients send it"},
    "key": {
        "type": "apiKey",
        "in": "header",
        "name": "x-api-key",
        "description": "API_KEY, next to a platform's own token",
    },
}


@cache
def document(guarded: bool) -> Object:
    """Return the document of a service that is ``guarded`` by a key, or open."""
    paths: dict[str, Object] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _operation(operation, guarded)
    return {
        "openapi": "3.1.0",
        "info": {"title": "GGUF chat function", "version": "1", "description": DESCRIPTION},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {"schemas": _schemas(), "securitySchemes": SECURITY},
    }


def _operation(operation: Operation, guarded: bool) -> Object:
    errors = dict(operation.errors)
    if operation.guarded and guarded:
        errors[401] = "The key is missing or wrong"
    responses = {"200": _response("Success", operation.answers)}
    responses |= {str(status): _response(cause, {JSON: operation.error}) for status, cause in sorted(errors.items())}
    if operation.not_ready:
        responses["503"] = _response("Not ready yet, or failed", {JSON: operation.not_ready})
    if "429" in responses:
        responses["429"]["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds"}}
    described: Object = {
        "operationId": f"{operation.method}{operation.path}".replace("/", "_").replace("{name}", "name").rstrip("_"),
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description or operation.summary,
        "responses": responses,
    }
    if "{name}" in operation.path:
        name = {"name": "name", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        described["parameters"] = [name]
    if operation.body:
        content: Object = {JSON: {"schema": _ref(operation.body), "example": operation.example}}
        if operation.form:
            content[FORM] = {"schema": operation.form}
        described["requestBody"] = {"required": True, "content": content}
    if operation.guarded:
        described["security"] = [{"bearer": []}, {"key": []}] if guarded else [{}, {"bearer": []}, {"key": []}]
    return described


def _response(description: str, contents: dict[str, type[BaseModel] | str]) -> Object:
    return {
        "description": description,
        "content": {kind: {"schema": _content(kind, of)} for kind, of in contents.items()},
    }


def _content(kind: str, of: type[BaseModel] | str) -> Object:
    if not isinstance(of, str):
        return _event(of) if kind == EVENTS else _ref(of)
    return {"type": "object" if kind == JSON else "string", "description": of}


def _event(model: type[BaseModel]) -> Object:
    """Return the schema of each event: readers of OpenAPI 3.1 apply a stream's schema to its events."""
    if "type" in model.model_fields:  # the event's name
        return {
            "type": "object",
            "description": f"Each event: a {model.__name__}",
            "required": ["event", "data"],
            "properties": {
                "event": {"enum": [*get_args(model.model_fields["type"].annotation)]},
                "data": {"type": "string", "contentMediaType": JSON, "contentSchema": _ref(model)},
            },
        }
    payload = {
        "type": "string",
        "contentMediaType": JSON,
        "contentSchema": {"anyOf": [_ref(model), _ref(ERROR)]},
    }
    return {
        "type": "object",
        "description": f"Each event: {model.__name__}s, then `[DONE]`, or an `error` instead",
        "required": ["data"],
        "properties": {
            "event": {"enum": ["message", "error"]},
            "data": {"anyOf": [{"const": "[DONE]"}, payload]},
        },
    }


def _ref(model: type[BaseModel]) -> Object:
    return {"$ref": REF.format(model=model.__name__)}


def _schemas() -> Object:
    """Return the schema of every model in OPERATIONS, and of the models that these use."""
    wanted: set[tuple[type[BaseModel], JsonSchemaMode]] = set()
    for operation in OPERATIONS:
        if operation.body:
            wanted.add((operation.body, "validation"))
        for model in (*operation.answers.values(), operation.not_ready, operation.error):
            if model is not None and not isinstance(model, str):
                wanted.add((model, "serialization"))
    in_order = sorted(wanted, key=lambda entry: entry[0].__name__)
    schemas: Object = models_json_schema(in_order, ref_template=REF)[1]["$defs"]
    return schemas
