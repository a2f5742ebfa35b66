"""Jinja for templates that came with a file from somewhere: sandboxed, and bounded in time and size."""

import ast
import functools
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from types import BuiltinMethodType, CodeType
from typing import Any

from jinja2 import nodes
from jinja2.exceptions import TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

from function.engine import filters
from function.engine.weight import TooMuch, check_bits, check_size, weigh

TIME_LIMIT = 10.0
"""Seconds of one rendering."""
_MUCH_OF_LITTLE = frozenset(
    {"center", "expandtabs", "ljust", "rjust", "zfill", "format", "format_map", "translate", "encode"}
)
_SHALLOW = frozenset(
    {"length", "count", "first", "last", "list", "items", "reverse", "default", "d", "map", "select", "reject", "attr"}
    | {"selectattr", "rejectattr", "random", "batch", "slice"}
)
"""Filters that take a value apart but do not look into its parts."""
_COMPARING = frozenset({"eq", "==", "equalto", "ne", "!=", "in", "lt", "<", "lessthan", "le", "<="}) | frozenset(
    {"gt", ">", "greaterthan", "ge", ">="}
)


class Refused(TemplateError):
    """The template called ``raise_exception``."""


class Sandbox(ImmutableSandboxedEnvironment):
    """What chat templates expect, as transformers gives it to them: trimmed blocks, ``{% break %}``,
    ``{% generation %}``, ``raise_exception``, ``strftime_now``, and a ``tojson`` that escapes nothing.

    Jinja's own sandbox keeps a template from reaching out of it. This one also keeps it from running for ever and from
    filling the memory: each turn of a loop, call and filter looks at the clock, whatever can make much of little at the
    size of what it makes, and whatever looks into a value at how much there is inside.
    """

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self, time_limit: float = TIME_LIMIT) -> None:
        super().__init__(trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols])
        self.filters |= {name: filters.narrow(self.filters[name]) for name in ("center", "indent", "batch", "slice")}
        self.filters |= {"tojson": filters.tojson, "replace": filters.replace, "join": filters.join}
        self.filters |= dict.fromkeys(("urlize", "wordwrap", "format", "pprint"), filters.unsupported)
        self.filters = {name: self._watched(name, apply) for name, apply in self.filters.items()}
        tests: dict[str, Any] = self.tests
        tests |= {name: _weighed(tests[name]) for name in _COMPARING}
        del self.globals["lipsum"]
        self.globals |= {"raise_exception": _refuse, "strftime_now": _now, "namespace": _Namespace}
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
            texts.append(str(weigh(part)))
            size += len(texts[-1])
            check_size(size)
        return "".join(texts)

    concat = join  # what Jinja joins the output of macros and blocks with

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """The operators that can make much of little."""
        if isinstance(left, int) and isinstance(right, int):
            power = operator == "**"
            check_bits(left.bit_length() * right if power else left.bit_length() + right.bit_length())
        elif operator == "+":
            check_size(_length(left) + _length(right))
        elif operator == "*":
            check_size(left * _length(right) if isinstance(left, int) else _length(left) * right)
        elif isinstance(left, str):
            raise TooMuch("It formats with %, which can make a text of any width.")
        return super().call_binop(context, operator, left, right)

    def call(__self, __context: Any, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805  as Jinja has it
        """Call what a template calls."""
        __self.tick()
        if isinstance(__obj, (BuiltinMethodType, type)):
            args = tuple(weigh(list(one) if hasattr(one, "__next__") else one) for one in args)
        if isinstance(__obj, BuiltinMethodType):
            filters.check_method(__obj, args)
        return super().call(__context, __obj, *args, **kwargs)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Look up ``argument``, which is hashed for it."""
        return super().getitem(obj, weigh(argument))

    def weigh(self, value: Any) -> Any:
        """See weight.weigh."""
        return weigh(value)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Also keeps strings from being padded to any length."""
        return not (isinstance(obj, str) and attr in _MUCH_OF_LITTLE) and super().is_safe_attribute(obj, attr, value)

    def _compile(self, source: str, filename: str) -> CodeType:
        """Jinja's hook to compile the Python that it made of a template."""
        tree = ast.fix_missing_locations(_Watched().visit(ast.parse(source, filename)))
        return compile(tree, filename, "exec")

    def _watched(self, name: str, apply: Callable[..., Any]) -> Callable[..., Any]:
        """A filter that looks at the clock, and at what it is given."""
        given = 1 if hasattr(apply, "jinja_pass_arg") else 0  # before it comes Jinja's own

        @functools.wraps(apply)
        def watched(*args: Any, **kwargs: Any) -> Any:
            self.tick()
            if name not in _SHALLOW:
                for one in (*args[given:], *kwargs.values()):
                    weigh(one)
            return apply(*args, **kwargs)

        return watched


class _Watched(ast.NodeTransformer):
    """Adds ``environment.tick()`` to each loop and macro, sends ``a ~ b`` through ``environment.join``, and what is
    written, compared or a key through ``environment.weigh``."""

    def visit_For(self, node: ast.For) -> ast.AST:
        return self._tick(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._tick(node) if node.name in ("macro", "loop") else self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Name) and node.func.id == "str_join":
            node.func = ast.parse("environment.join", mode="eval").body
        elif isinstance(node.func, ast.Name) and node.func.id in ("str", "escape"):
            node.args = [_weighing(one) for one in node.args]
        return self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        node.left = _weighing(node.left)
        pairs = zip(node.ops, node.comparators, strict=True)
        node.comparators = [side if isinstance(op, (ast.In, ast.NotIn)) else _weighing(side) for op, side in pairs]
        return node

    def visit_Dict(self, node: ast.Dict) -> ast.AST:
        self.generic_visit(node)
        node.keys = [key and _weighing(key) for key in node.keys]
        return node

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


class _Namespace(Namespace):
    """Jinja's, but written without what it holds: that can be another one, and so on without an end."""

    def __repr__(self) -> str:
        return "<Namespace>"


def _weighing(side: ast.expr) -> ast.expr:
    if isinstance(side, ast.Constant):
        return side
    call = ast.parse("environment.weigh(0)", mode="eval").body
    assert isinstance(call, ast.Call)
    call.args = [side]
    return call


def _length(value: Any) -> int:
    return len(value) if hasattr(value, "__len__") else 0


def _weighed(test: Callable[..., Any]) -> Callable[..., Any]:
    """A test that compares."""
    return functools.wraps(test)(lambda *args: test(*map(weigh, args)))


def _refuse(message: str) -> None:
    raise Refused(str(weigh(message)))


def _now(form: str) -> str:
    return datetime.now().astimezone().strftime(form)
