"""The filters of templates: those that prompts are made with, each held to the size of what it makes."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from jinja2 import Environment, nodes
from jinja2.filters import do_float, do_indent, do_int, do_join, do_round, do_title, do_trim, make_attrgetter
from jinja2.utils import pass_environment, pass_eval_context
from markupsafe import Markup, escape, soft_str

from function.engine.template.attributes import check_join, check_replace, check_strip, growth, line_breaks
from function.engine.template.limits import TooMuch, check_count, check_size, length_of, measure, weigh

_WIDTH_LIMIT = 1000
_PRECISION_LIMIT = 100  # digits: a double has 17
_NUMBER_LIMIT = 400  # characters of a number's text: Python takes the square of their count for a whole number
_SEPARATOR_LIMIT = 8  # characters

SHALLOW = frozenset(
    {"length", "count", "first", "last", "list", "items", "reverse", "default", "d", "map", "select", "reject", "attr"}
    | {"selectattr", "rejectattr", "random", "batch", "slice"}
)
"""Filters that take a value apart but do not look into its parts. What else they are given may be a name to look up."""
ITERATING = frozenset(
    {"list", "map", "select", "reject", "selectattr", "rejectattr", "join", "sort", "unique", "min", "max", "sum"}
    | {"groupby", "batch", "slice"}
)
"""Filters that go over all entries of what they are given; of a text, over its characters."""
_ATTRIBUTE_AT = {"groupby": 1, "join": 2, "max": 2, "min": 2, "rejectattr": 1, "selectattr": 1, "sort": 3, "sum": 1,
                 "unique": 2}  # fmt: skip
_ATTRIBUTE_LIMIT = 200  # characters of a name, or names, that each entry is asked for
_AS_THEY_ARE = SHALLOW | frozenset(
    {"abs", "capitalize", "dictsort", "groupby", "lower", "max", "min", "safe", "sort", "string", "truncate", "unique"}
    | {"upper"}
)


def served(builtin: Mapping[str, Callable[..., Any]]) -> dict[str, Callable[..., Any]]:
    """The filters to give to templates, of Jinja's. No prompt needs the others, which format to any width, are slow on
    what is long, or make HTML: whoever uses one is told so."""
    own: dict[str, Callable[..., Any]] = {
        "tojson": tojson,
        "replace": replace,
        "join": join,
        "indent": indent,
        "round": rounded,
        "int": whole,
    }
    own |= {"float": fraction, "sum": total, "trim": trim, "title": title}
    own |= {"e": escaped, "escape": escaped}
    own |= {name: narrow(builtin[name]) for name in ("center", "batch", "slice")}
    return {name: own.get(name) or (apply if name in _AS_THEY_ARE else unsupported) for name, apply in builtin.items()}


def check_given(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Raise TooMuch for a filter that would look into, or go over, what is without an end."""
    looked_into = args[1:] if name in SHALLOW else args
    for one in (*looked_into, *kwargs.values()):
        weigh(one)
    if name in ITERATING and args:
        check_count(length_of(args[0]))
    at = _ATTRIBUTE_AT.get(name, len(args))
    attribute = kwargs.get("attribute", args[at] if at < len(args) else None)
    if isinstance(attribute, str) and len(attribute) > _ATTRIBUTE_LIMIT:
        raise TooMuch(f"It names an attribute with more than {_ATTRIBUTE_LIMIT} characters.")


def replace(value: Any, old: Any, new: Any, count: int | None = None) -> str:
    """Jinja's, for texts that are not HTML."""
    text, most = str(value), -1 if count is None else count
    check_replace(text, str(old), str(new), most)
    return text.replace(str(old), str(new), most)


@pass_eval_context
def join(context: nodes.EvalContext, value: Any, d: Any = "", attribute: Any = None) -> str:
    """Jinja's, with an eye on what stands between."""
    parts = list(value)
    check_join(parts, str(d))
    joined: str = do_join(context, parts, str(d), attribute)
    return joined


def narrow(apply: Callable[..., Any]) -> Callable[..., Any]:
    """A filter whose widths are not absurd."""

    def checked(value: Any, *args: Any, **kwargs: Any) -> Any:
        for width in (*args, *kwargs.values()):
            _whole("width", width if isinstance(width, int) else 0, _WIDTH_LIMIT)
        return apply(value, *args, **kwargs)

    return checked


def indent(s: Any, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
    """Jinja's: every line gets as much as ``width`` says, or as it holds."""
    text = soft_str(s)
    wide = len(width) if isinstance(width, str) else _whole("width", width, _WIDTH_LIMIT)
    lines = line_breaks(text) + 1
    check_count(lines)
    check_size(len(text) + lines * wide)
    return do_indent(text, width, first, blank)


def rounded(value: Any, precision: int = 0, method: Any = "common") -> Any:
    """Jinja's, of numbers: it raises 10 to ``precision``."""
    return do_round(value, _whole("precision", precision, _PRECISION_LIMIT), method)


def whole(value: Any, default: int = 0, base: int = 10) -> int:
    """Jinja's, of texts that can be numbers."""
    return do_int(_numeral(value), default, base)


def fraction(value: Any, default: float = 0.0) -> float:
    """Jinja's, of texts that can be numbers."""
    return do_float(_numeral(value), default)


@pass_environment
def total(environment: Environment, iterable: Any, attribute: Any = None, start: Any = 0) -> Any:
    """The sum of numbers; of lists it would copy the first for each that follows."""
    of = iterable if attribute is None else map(make_attrgetter(environment, attribute), iterable)
    numbers = [start, *of]
    if not all(isinstance(one, (int, float)) for one in numbers):
        raise TooMuch("It sums up what are no numbers.")
    return sum(numbers)


def trim(value: Any, chars: str | None = None) -> str:
    """Jinja's: each character at an end is looked up in ``chars``."""
    text = soft_str(value)
    check_strip(text, chars)
    return do_trim(text, chars)


def title(s: Any) -> str:
    """Jinja's, which takes the text apart word by word."""
    text = soft_str(s)
    check_count(len(text))
    return do_title(text)


def escaped(value: Any) -> Markup:
    """Jinja's: ``value`` as HTML shows it."""
    text = soft_str(value)
    check_size(len(text) * growth(Markup()))
    return escape(text)


def tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON as transformers writes it: nothing is escaped for HTML."""
    inside = measure(value)
    wide = 0 if indent is None else _whole("indent", indent, _WIDTH_LIMIT)
    if separators is not None:
        between, after = separators
        if not all(isinstance(one, str) and len(one) <= _SEPARATOR_LIMIT for one in (between, after)):
            raise TooMuch(f"It separates with something other than texts of {_SEPARATOR_LIMIT} characters or fewer.")
    check_size(inside.size + inside.values * (2 * _SEPARATOR_LIMIT + inside.depth * wide))
    return json.dumps(
        value, ensure_ascii=bool(ensure_ascii), indent=indent, separators=separators, sort_keys=bool(sort_keys)
    )


def unsupported(*_: Any, **__: Any) -> NoReturn:
    """Stands for the filters that no prompt needs."""
    raise TooMuch("It uses a filter that is not supported.")


def _whole(what: str, value: Any, limit: int) -> int:
    if not isinstance(value, int) or abs(value) > limit:
        raise TooMuch(f"It asks for a {what} other than a whole number up to {limit}.")
    return value


def _numeral(value: Any) -> Any:
    if isinstance(value, str) and len(value) > _NUMBER_LIMIT:
        raise TooMuch(f"It reads a number of more than {_NUMBER_LIMIT} characters.")
    return value
