"""Tool calls as text, in a model's syntax. Pure."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from function.dialect.syntax import (
    ARGUMENTS,
    ID,
    INDEX,
    KEY,
    KIND,
    NAME,
    Arguments,
    CallSyntax,
    JsonArguments,
    LiteralArguments,
    TaggedArguments,
)


def write_calls(syntax: CallSyntax, calls: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """Return the text of ``calls``, names and arguments, as the model writes them."""
    written = []
    for number, (name, arguments) in enumerate(calls):
        text = syntax.call.replace(NAME, name).replace(INDEX, str(number + syntax.first_index))
        text = text.replace(ID, f"{number:09d}")
        written.append(text.replace(ARGUMENTS, write_arguments(syntax.arguments, arguments)))
    return f"{syntax.section_begin}{syntax.separator.join(written)}{syntax.section_end}"


def write_arguments(form: Arguments, arguments: Mapping[str, Any]) -> str:
    """Return the text of one call's arguments."""
    if isinstance(form, JsonArguments):
        text = json.dumps(arguments, ensure_ascii=False)
        return json.dumps(text, ensure_ascii=False) if form.quoted else text
    if isinstance(form, TaggedArguments):
        return "".join(_tagged(form, key, value) for key, value in arguments.items())
    return form.separator.join(f"{key}{form.assign}{literal(form, value)}" for key, value in arguments.items())


def literal(form: LiteralArguments, value: Any) -> str:
    """Return ``value`` as a literal."""
    if isinstance(value, str):
        if form.quote in "\"'":
            return f"{form.quote}{_escaped(value, form.quote)}{form.quote}"
        return f"{form.quote}{value}{form.quote}"
    if isinstance(value, Mapping) and form.plain_keys:
        return "{" + ",".join(f"{key}:{literal(form, item)}" for key, item in value.items()) + "}"
    if isinstance(value, list) and form.plain_keys:
        return "[" + ",".join(literal(form, item) for item in value) + "]"
    if form.python and (value is None or isinstance(value, bool)):
        return str(value)
    return json.dumps(value, ensure_ascii=False)


def _escaped(value: str, quote: str) -> str:
    return json.dumps(value, ensure_ascii=False)[1:-1].replace('\\"', '"').replace(quote, f"\\{quote}")


def _tagged(form: TaggedArguments, key: str, value: Any) -> str:
    kind: Literal["string", "number", "boolean", "null", "array", "object"] | str
    if isinstance(value, str):
        kind, text = "string", value
    else:
        kind = {bool: "boolean", int: "number", float: "number", list: "array", dict: "object"}.get(type(value), "null")
        text = json.dumps(value, ensure_ascii=False)
    if form.nested and isinstance(value, dict):
        text = "".join(_tagged(form, name, item) for name, item in value.items())
    elif form.nested and isinstance(value, list):
        text = "".join(_tagged(form, "item", item) for item in value)
    end = form.value_end.replace(KEY, key)
    return f"{form.key_begin}{key}{form.key_end.replace(KIND, form.kinds.get(kind, kind))}{text}{end}"
