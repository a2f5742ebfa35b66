"""Jinja for templates that came with a file from somewhere: sandboxed, and bounded in time and memory."""

import functools
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from types import BuiltinMethodType, CodeType, MethodType
from typing import Any

from jinja2 import nodes
from jinja2.exceptions import TemplateError, TemplateSyntaxError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.runtime import BlockReference, LoopContext, Macro, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

from function.engine.template import attributes, filters
from function.engine.template.instrument import watched
from function.engine.template.limits import TooMuch, check_bits, check_count, check_size, length_of, weigh

TIME_LIMIT = 10.0
"""Seconds of one rendering."""
MEMORY_LIMIT = 512 << 20
"""Bytes of all that one rendering makes on its way, whether or not it keeps them: a template that keeps them in a list
can be told from one that does not only by what it leaves behind."""
SOURCE_LIMIT = 1 << 20
"""Characters of a template: thirty times the longest that a model brings."""
_ENTRY = 64  # bytes, about, of what an entry of a list or a turn of a loop may have made
_LOOKING_ONLY = frozenset(
    {"defined", "undefined", "none", "boolean", "true", "false", "string", "number", "integer", "float", "mapping"}
    | {"iterable", "sequence", "sameas", "callable"}
)
"""Tests that do not look into the parts of a value."""
_PASSING_ON = (Macro, BlockReference, LoopContext)  # what a template calls of its own: each part looks by itself
_SIZED = (str, list, tuple, dict, set)
_COMPUTING = frozenset({"divisibleby", "even", "odd"})
"""Tests that compute with %."""
_DATE_FORMAT = re.compile(r"(?:[^%]|%[-_^#]?[a-zA-Z%])*")  # C's takes widths


class Refused(TemplateError):
    """The template called ``raise_exception``."""


class Sandbox(ImmutableSandboxedEnvironment):
    """What chat templates expect, as transformers gives it to them: trimmed blocks, ``{% break %}``,
    ``{% generation %}``, ``raise_exception``, ``strftime_now``, and a ``tojson`` that escapes nothing.

    Jinja's own sandbox keeps a template from reaching out of it. This one also keeps it from running for ever and from
    filling the memory. Only the attributes and filters that prompts are made with are there. Each turn of a loop, call,
    filter, test and lookup looks at the clock. Whatever can make much of little looks at the size of what it makes,
    whatever looks into a value at how much there is inside, and all that is made is counted.
    """

    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "**", "%"})

    def __init__(self, time_limit: float = TIME_LIMIT) -> None:
        super().__init__(trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols])
        self.filters = filters.served(self.filters) | {"tojson": filters.tojson}
        self.filters = {name: self._watched(name, apply) for name, apply in self.filters.items()}
        tests: dict[str, Any] = self.tests
        self.tests = {name: self._judged(name, test) for name, test in tests.items()}
        del self.globals["lipsum"]
        self.globals |= {"raise_exception": _refuse, "strftime_now": _now, "namespace": _Namespace}
        self.time_limit = time_limit
        self._spent = _Spent()

    def write(self, source: Any, variables: Mapping[str, Any]) -> str:
        """Render a template that this environment compiled. Raises what the template does: TemplateError and others."""
        self._spent.end, self._spent.left = time.monotonic() + self.time_limit, MEMORY_LIMIT
        return self.join(source.root_render_func(source.new_context(variables)))

    def tick(self) -> None:
        """One turn of a loop or call of a macro."""
        if time.monotonic() > self._spent.end:
            raise TooMuch(f"It takes longer than {self.time_limit:g} seconds.")
        self._take(_ENTRY)

    def made(self, value: Any) -> Any:
        """``value``, of which only the outermost was just made: a list, not what is in it."""
        if isinstance(value, _SIZED):
            entries = 0 if isinstance(value, str) else len(value)
            check_count(entries)
            check_size(len(value))
            self._take(sys.getsizeof(value) + entries * _ENTRY)
        elif isinstance(value, (int, bytes)):
            weigh(value)
        return value

    def text(self, value: Any) -> str:
        """``value`` written out."""
        text: str = self.made(str(weigh(value)))
        return text

    def join(self, parts: Iterable[Any]) -> str:
        """``parts`` as one string."""
        texts, size = [], 0
        for part in parts:
            texts.append(part if isinstance(part, str) else self.text(part))
            size += len(texts[-1])
            check_size(size)
        text: str = self.made("".join(texts))
        return text

    concat = join  # what Jinja joins the output of macros and blocks with

    def each(self, value: Any) -> Any:
        """``value``, to go over its entries."""
        check_count(length_of(value))
        return value

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Compute, where what it makes of two values is not too much."""
        if isinstance(left, int) and isinstance(right, int):
            bits = left.bit_length(), right.bit_length()
            check_bits(max(bits))
            check_bits(bits[0] * right if operator == "**" else sum(bits) if operator == "*" else 0)
        elif operator not in ("+", "*"):
            _check_numbers(left, right)
        else:
            many = [one for one in (left, right) if isinstance(one, int)]
            size = length_of(left) * attributes.growth(right) + length_of(right) * attributes.growth(left)
            size *= many[0] if many and operator == "*" else 1
            (check_size if isinstance(left, str) or isinstance(right, str) else check_count)(size)
        return self.made(super().call_binop(context, operator, left, right))

    def call(__self, __context: Any, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805  as Jinja has it
        """Call what a template calls."""
        __self.tick()
        if not isinstance(__obj, _PASSING_ON):
            args = tuple(weigh(list(one) if hasattr(one, "__next__") else one) for one in args)
            weigh(kwargs)
        if not isinstance(__obj, (BuiltinMethodType, MethodType)):
            return __self.made(super().call(__context, __obj, *args, **kwargs))
        attributes.check_method(__obj, args, kwargs)
        result = __self.made(super().call(__context, __obj, *args, **kwargs))
        if isinstance(__obj.__self__, str) and isinstance(result, (list, tuple)):
            __self._take(sum(map(sys.getsizeof, result)))  # it was taken apart, and each part is new
        return result

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Look up ``argument``, which is hashed for it."""
        self.tick()
        found = super().getitem(obj, weigh(argument))
        # What has attributes does not show what is inside of it, and filters look things up for what they compare.
        return found if isinstance(obj, _SIZED) else weigh(found)

    def weigh(self, value: Any) -> Any:
        """See weight.weigh."""
        return weigh(value)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Whether a template may use it."""
        return attributes.has(obj, attr) and super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """``str.format``, which Jinja's sandbox replaces before it asks whether it is safe."""
        if not isinstance(value, BuiltinMethodType) or not isinstance(value.__self__, str):
            return None
        text = value.__self__
        if value.__name__ == "format":
            return lambda *args, **kwargs: attributes.Formatter(self).vformat(text, args, kwargs)
        return None

    def _take(self, size: int) -> None:
        self._spent.left -= size
        if self._spent.left < 0:
            raise TooMuch(f"It makes more than {MEMORY_LIMIT >> 20} MiB on its way.")

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        """Jinja's hook to parse. ``{% autoescape %}`` would make of every text five times as much."""
        if len(source) > SOURCE_LIMIT:
            raise TemplateSyntaxError(f"it has more than {SOURCE_LIMIT:,} characters", 1)
        tree = super()._parse(source, name, filename)
        for node in tree.find_all(nodes.EvalContextModifier):
            raise TemplateSyntaxError("autoescape is for HTML, which no prompt is", node.lineno)
        return tree

    def _compile(self, source: str, filename: str) -> CodeType:
        """Jinja's hook to compile the Python that it made of a template."""
        return compile(watched(source, filename), filename, "exec")

    def _watched(self, name: str, apply: Callable[..., Any]) -> Callable[..., Any]:
        """A filter that looks at the clock, at what it is given and at what it makes."""
        given = 1 if hasattr(apply, "jinja_pass_arg") else 0  # before it comes Jinja's own

        @functools.wraps(apply)
        def applied(*args: Any, **kwargs: Any) -> Any:
            self.tick()
            filters.check_given(name, args[given:], kwargs)
            result = apply(*args, **kwargs)
            if hasattr(result, "__next__"):  # generators of generators are freed by recursion, as deep as they go
                return iter(self.made(list(result)))
            return self.made(result)

        return applied

    def _judged(self, name: str, test: Callable[..., Any]) -> Callable[..., Any]:
        """A test that looks at the clock, and at what it is given."""
        given = 1 if hasattr(test, "jinja_pass_arg") else 0

        @functools.wraps(test)
        def judged(*args: Any, **kwargs: Any) -> Any:
            self.tick()
            for one in () if name in _LOOKING_ONLY else (*args[given:], *kwargs.values()):
                weigh(one)
            if name in _COMPUTING:
                _check_numbers(*args, *kwargs.values())
            return test(*args, **kwargs)

        return judged


class _Spent(threading.local):
    """When a rendering must end, by time.monotonic(), and how many bytes it may still make; while a template is
    compiled, nothing: what Jinja would compute then it leaves for later."""

    end = 0.0
    left = 0


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


def _check_numbers(*values: Any) -> None:
    """Raise TooMuch for what is computed with and no number: % makes a text of any width, and − looks into sets."""
    if not all(isinstance(one, (int, float, Undefined)) for one in values):
        raise TooMuch("It computes with what are no numbers.")


def _refuse(message: str) -> None:
    raise Refused(str(weigh(message)))


def _now(form: str) -> str:
    if not isinstance(form, str) or len(form) > 100 or not _DATE_FORMAT.fullmatch(form):
        raise TooMuch("It writes the date with something other than letters after a %, in 100 characters.")
    return datetime.now().astimezone().strftime(form)
