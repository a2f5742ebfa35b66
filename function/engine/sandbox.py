"""Jinja for templates that came with a file from somewhere: sandboxed, and bounded in time and size."""

import ast
import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from types import CodeType
from typing import Any

from jinja2 import nodes
from jinja2.exceptions import TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

_SIZE_LIMIT = 16 << 20
"""Characters of a rendered prompt, or of a value on the way to it."""
TIME_LIMIT = 10.0
"""Seconds of one rendering."""
_WIDTH_LIMIT = 1000
_PADDING = frozenset({"center", "expandtabs", "ljust", "rjust", "zfill", "format", "format_map"})


class TooMuch(TemplateError):
    """The template went beyond its bounds."""


class Refused(TemplateError):
    """The template called ``raise_exception``."""


class Sandbox(ImmutableSandboxedEnvironment):
    """What chat templates expect, as transformers gives it to them: trimmed blocks, ``{% break %}``,
    ``{% generation %}``, ``raise_exception``, ``strftime_now``, and a ``tojson`` that escapes nothing.

    Jinja's own sandbox keeps a template from reaching out of it. This one also keeps it from running for ever and from
    filling the memory with loops: each turn looks at the clock, each operator and join at the size of what it makes.
    """

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self, time_limit: float = TIME_LIMIT) -> None:
        super().__init__(trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols])
        self.filters |= {"tojson": _tojson} | {name: _narrow(self.filters[name]) for name in ("center", "indent")}
        self.filters["format"] = _no_format
        del self.globals["lipsum"]
        self.globals |= {"raise_exception": _refuse, "strftime_now": _now}
        self._time_limit = time_limit
        self._clock = threading.local()

    def write(self, source: Any, variables: Mapping[str, Any]) -> str:
        """Render a template that this environment compiled. Raises what the template does: TemplateError and others."""
        self._clock.end = time.monotonic() + self._time_limit
        return self.join(source.root_render_func(source.new_context(variables)))

    def tick(self) -> None:
        """One turn of a loop or call of a macro."""
        if time.monotonic() > self._clock.end:
            raise TooMuch(f"It takes longer than {self._time_limit:g} seconds.")

    def join(self, parts: Iterable[Any]) -> str:
        """``parts`` as one string."""
        texts, size = [], 0
        for part in parts:
            texts.append(str(part))
            size += len(texts[-1])
            _check(size)
        return "".join(texts)

    concat = join  # what Jinja joins the output of macros and blocks with

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """The operators that can make much of little."""
        if operator == "+":
            _check(_size(left) + _size(right))
        elif operator == "**":
            _check(_size(left) * right if isinstance(right, int) else 0)
        elif operator == "*" and isinstance(left, int) and isinstance(right, int):
            _check(_size(left) + _size(right))
        elif operator == "*":
            _check(left * _size(right) if isinstance(left, int) else _size(left) * right)
        elif isinstance(left, str):
            _no_format()
        return super().call_binop(context, operator, left, right)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Also keeps strings from being padded to any length."""
        return not (isinstance(obj, str) and attr in _PADDING) and super().is_safe_attribute(obj, attr, value)

    def _compile(self, source: str, filename: str) -> CodeType:
        """Jinja's hook to compile the Python that it made of a template."""
        tree = ast.fix_missing_locations(_Watched().visit(ast.parse(source, filename)))
        return compile(tree, filename, "exec")


class _Watched(ast.NodeTransformer):
    """Adds ``environment.tick()`` to each loop and macro, and sends ``a ~ b`` through ``environment.join``."""

    def visit_For(self, node: ast.For) -> ast.AST:
        return self._tick(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._tick(node) if node.name in ("macro", "loop") else self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Name) and node.func.id == "str_join":
            node.func = ast.parse("environment.join", mode="eval").body
        return self.generic_visit(node)

    def _tick(self, node: ast.For | ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        node.body[:0] = ast.parse("environment.tick()").body
        return node


class _Generation(Extension):
    """``{% generation %}``, with which training marks replies: its body as it is."""

    tags = {"generation"}  # noqa: RUF012  Jinja declares it on the instance

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _check(size: float) -> None:
    if size > _SIZE_LIMIT:
        raise TooMuch(f"It makes something larger than {_SIZE_LIMIT:,} characters.")


def _size(value: Any) -> int:
    if isinstance(value, int):
        return value.bit_length()
    return len(value) if hasattr(value, "__len__") else 0


def _narrow(apply: Callable[..., Any]) -> Callable[..., Any]:
    """A filter whose widths are not absurd."""

    def checked(value: Any, *args: Any, **kwargs: Any) -> Any:
        if any(isinstance(width, int) and width > _WIDTH_LIMIT for width in (*args, *kwargs.values())):
            raise TooMuch(f"It asks for a width above {_WIDTH_LIMIT}.")
        return apply(value, *args, **kwargs)

    return checked


def _no_format(*_: Any, **__: Any) -> None:
    """Formatting with % makes a text of any width; templates that chat do without."""
    raise TooMuch("It formats with %, which is not supported.")


def _tojson(value: Any, ensure_ascii: bool = False, indent: int | None = None, **kwargs: Any) -> str:
    _check(len(str(value)) * (indent if isinstance(indent, int) else 1))
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, **kwargs)


def _refuse(message: str) -> None:
    raise Refused(str(message))


def _now(form: str) -> str:
    return datetime.now().astimezone().strftime(form)
