"""The OpenAPI 3.1 document, from the models that validate requests and the table of operations.

pydantic writes the schemas; a web framework that does the rest would cost 0.3 s of import before the first token.
"""

from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from function.web.docs import answers
from function.web.docs.operations import EVENTS, FORM, JSON, OPERATIONS, Operation
from function.web.reply import sse
from function.web.request.schema import IGNORED, NEUTRAL, Chat, GenerationRequest

Object = dict[str, Any]

REF = "#/components/schemas/{model}"
DESCRIPTION = (
    "Chat from one GGUF model, one request at a time. Any program written for OpenAI's chat API works by changing its "
    "base URL. What would change a reply and cannot be honoured is a 400 that names it; null counts as not given."
)
SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "API_KEY, as OpenAI's clients send it"},
    "key": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "API_KEY, beside a platform's token"},
}
ALSO = (answers.Error, answers.ChatCompletionChunk)


@cache
def document_json(guarded: bool) -> str:
    """The document as JSON."""
    return sse.dumps(document(guarded))


def document(guarded: bool) -> Object:
    """The document; ``guarded``: where a key is asked for."""
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
    responses = {"200": _response("As asked", operation.answers)}
    responses |= {str(status): _response(said, {JSON: answers.Error}) for status, said in sorted(errors.items())}
    if operation.not_ready:
        responses["503"] = _response("Not yet, or not at all", {JSON: operation.not_ready})
    if "429" in responses:
        responses["429"]["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds"}}
    made: Object = {
        "operationId": f"{operation.method}{operation.path}".replace("/", "_").replace("{name}", "name").rstrip("_"),
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description or operation.summary,
        "responses": responses,
    }
    if "{name}" in operation.path:
        name = {"name": "name", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        made["parameters"] = [name]
    if operation.body:
        content: Object = {JSON: {"schema": _ref(operation.body), "example": operation.example}}
        if operation.body is Chat:
            content[FORM] = {"schema": {"type": "object", "required": ["prompt"], "properties": {"prompt": _PROMPT}}}
        made["requestBody"] = {"required": True, "content": content}
    if operation.guarded:
        made["security"] = [{"bearer": []}, {"key": []}] if guarded else [{}, {"bearer": []}, {"key": []}]
    return made


_PROMPT = {"type": "string", "minLength": 1}


def _response(said: str, contents: dict[str, type[BaseModel] | str]) -> Object:
    return {"description": said, "content": {kind: {"schema": _content(kind, of)} for kind, of in contents.items()}}


def _content(kind: str, of: type[BaseModel] | str) -> Object:
    if not isinstance(of, str):
        return _event(of) if kind == EVENTS else _ref(of)
    return {"type": "object" if kind == JSON else "string", "description": of}


def _event(model: type[BaseModel]) -> Object:
    """The schema of each event, which is what OpenAPI 3.1's readers take a stream's schema for."""
    payload = {
        "type": "string",
        "contentMediaType": JSON,
        "contentSchema": {"anyOf": [_ref(model), _ref(answers.Error)]},
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
    """The schema of every model that is named, and of those that these use."""
    bodies = {operation.body for operation in OPERATIONS if operation.body}
    replies: set[type[BaseModel]] = set(ALSO)
    for operation in OPERATIONS:
        told = (*operation.answers.values(), operation.not_ready)
        replies |= {model for model in told if model is not None and not isinstance(model, str)}
    wanted: set[tuple[type[BaseModel], JsonSchemaMode]] = {(model, "validation") for model in bodies}
    wanted |= {(model, "serialization") for model in replies}
    in_order = sorted(wanted, key=lambda entry: entry[0].__name__)
    schemas: Object = models_json_schema(in_order, ref_template=REF)[1]["$defs"]
    for model in bodies:
        if issubclass(model, GenerationRequest):
            _add_accepted(schemas[model.__name__]["properties"])
    return schemas


def _add_accepted(properties: Object) -> None:
    """The fields that are taken and change nothing, and those that are taken with the values that change nothing."""
    for name in sorted(IGNORED):
        properties.setdefault(name, {"description": "Accepted; does not change a reply."})
    for name, values in NEUTRAL.items():
        properties.setdefault(name, {"enum": [*values, None], "description": "No other value can be honoured."})
