"""What a reply that calls tools must look like, in a model's own dialect, as a grammar. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from function.dialect.base import Dialect
from function.engine import Grammar, embed_schema


@dataclass(frozen=True, slots=True)
class ToolSignature:
    """A function that may be called. ``param``: the request's field that holds the schema of its parameters."""

    name: str
    parameters: Mapping[str, Any]
    param: str


def tool_call_grammar(
    dialect: Dialect, tools: Sequence[ToolSignature], *, required: bool, parallel: bool, instead: Grammar | None = None
) -> Grammar:
    """One call of one of ``tools``, or several where ``parallel``; text too, or instead, unless ``required``.

    ``instead``: what the reply is when it calls nothing, in place of any text. Raises RequestError for parameters that
    no grammar can keep.
    """
    schemas = tuple((tool.param, embed_schema(tool.parameters, tool.param)) for tool in tools)
    rules = [f"args_{number}: %json {text}" for number, (_, text) in enumerate(schemas)]
    rules += [f"call_{number}: {_object(dialect, number, tool.name)}" for number, tool in enumerate(tools)]
    rules.append("call: " + " | ".join(f"call_{number}" for number in range(len(tools))))
    marks = tuple(mark for mark in dialect.marks if mark not in (dialect.thought or ()))
    one, more, begun = _frame(dialect)
    calls = f"{one} ({more})*" if parallel and more else one
    close = ' "]"' if dialect.style == "mistral" else ""
    if instead:
        rules += [f"answer: {begun} {calls}{close} | other", instead.rules.replace("answer:", "other:", 1)]
        schemas += instead.schemas
    elif required:
        rules.append(f"answer: {begun} {calls}{close}")
    elif dialect.style == "llama":  # a reply is either; one that begins with a brace is a call
        rules += [f"answer: PROSE | {calls}", r"PROSE: /([^{](.|\n)*)?/"]
    else:
        rules.append(f"answer: ANY | upto_0 {begun.removeprefix('mark_0')} {calls}{close}")
    return Grammar("\n".join(rules), schemas, marks)


def _object(dialect: Dialect, number: int, name: str) -> str:
    """A call, without what stands around it."""
    if dialect.style == "mistral-args":
        return f"{json.dumps(name)} mark_1 args_{number}"
    head = json.dumps(f'{{"name": {json.dumps(name)}, "{dialect.key}": ')
    return f'{head} args_{number} "}}"'


def _frame(dialect: Dialect) -> tuple[str, str, str]:
    """The first call from behind what begins it, each further one, and what begins the first."""
    if dialect.style == "hermes":
        rest = r'"\n" call "\n" mark_1'
        return rest, rf'"\n" mark_0 {rest}', "mark_0"
    if dialect.style == "mistral":
        return "call", '", " call', 'mark_0 "["'
    if dialect.style == "mistral-args":
        return "call", "mark_0 call", "mark_0"
    return "call", "", ""
