"""Formats of calls that a template expects and does not disclose: it never writes them. Pure."""

from function.dialect.syntax import ARGUMENTS, NAME, CallSyntax, JsonArguments, LiteralArguments

_BRACKETS = CallSyntax(
    call=f"{NAME}({ARGUMENTS})",
    arguments=LiteralArguments(assign="=", separator=", ", quote='"', python=True),
    section_begin="<|tool_call_start|>[",
    section_end="]<|tool_call_end|>",
    separator=", ",
    parallel=True,
)
_ACTIONS = CallSyntax(
    call=f'{{"tool_name": "{NAME}", "parameters": {ARGUMENTS}}}',
    arguments=JsonArguments(),
    section_begin="Action:\n```json\n[",
    section_end="]\n```",
    separator=",\n",
    is_object=True,
    parallel=True,
)
_DEEPSEEK = CallSyntax(
    call=f"<｜tool▁call▁begin｜>function<｜tool▁sep｜>{NAME}\n```json\n{ARGUMENTS}\n```<｜tool▁call▁end｜>",
    arguments=JsonArguments(),
    section_begin="<｜tool▁calls▁begin｜>",
    section_end="<｜tool▁calls▁end｜>",
    separator="\n",
    parallel=True,
)
_GRANITE = CallSyntax(
    call=f'{{"name": "{NAME}", "arguments": {ARGUMENTS}}}',
    arguments=JsonArguments(),
    section_begin="<|tool_call|>[",
    section_end="]",
    separator=", ",
    is_object=True,
    parallel=True,
)
_BY_WORD = (
    ("List of tools: [", _BRACKETS),
    ("<|tool_list_start|>", _BRACKETS),
    ("Action:", _ACTIONS),
    ("<｜tool▁outputs▁begin｜>", _DEEPSEEK),
    ("<|tool_call|> followed by a JSON list", _GRANITE),
)
"""Words of a template's source, and the syntax that they announce."""


def undisclosed_calls(source: str) -> CallSyntax | None:
    """Return the call syntax that the template with ``source`` expects without writing it."""
    return next((syntax for word, syntax in _BY_WORD if word in source), None)
