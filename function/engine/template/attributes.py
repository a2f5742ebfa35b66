"""The attributes of values that templates may use, and the methods of texts that can make much of little or take long.

What is not named here is not there for a template: a list of what is harmful would lack what Python gets next.
"""

import re
from collections.abc import Mapping, Sequence
from types import BuiltinMethodType, MethodType
from typing import Any

from jinja2.runtime import BlockReference, LoopContext, Macro, TemplateReference, Undefined
from jinja2.sandbox import SandboxedFormatter
from jinja2.utils import Cycler, Joiner, Namespace
from markupsafe import Markup

from function.engine.template.limits import (
    VALUES,
    TooMuch,
    check_count,
    check_size,
    check_work,
    length_of,
    measure,
    weigh,
)

_TEXT = frozenset(
    {"capitalize", "casefold", "count", "endswith", "find", "index", "join", "lower", "lstrip", "partition", "replace"}
    | {"removeprefix", "removesuffix", "rfind", "rindex", "rpartition", "rsplit", "rstrip", "split", "splitlines"}
    | {"startswith", "strip", "swapcase", "title", "upper", "isalnum", "isalpha", "isascii", "isdecimal", "isdigit"}
    | {"islower", "isnumeric", "isspace", "istitle", "isupper"}
)
_JINJAS = (Namespace, LoopContext, Macro, Cycler, Joiner, BlockReference, TemplateReference, Undefined)
_ATTRIBUTES: tuple[tuple[type, frozenset[str]], ...] = (
    (str, _TEXT),
    (Mapping, frozenset({"copy", "get", "items", "keys", "values"})),
    (list, frozenset({"copy", "count", "index"})),
    (tuple, frozenset({"count", "grouper", "index", "list"})),  # groupby's have names
)
_LINE_BREAKS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"  # str.splitlines'
_SPEC = re.compile(r"[^\d]{0,3}\d{0,3}[,_]?(?:\.\d{1,3})?[a-zA-Z%]?")


def has(obj: Any, attr: str) -> bool:
    """Whether ``attr`` of ``obj`` is there for a template."""
    for kind, names in _ATTRIBUTES:
        if isinstance(obj, kind):
            return attr in names
    return isinstance(obj, _JINJAS)


def check_method(method: BuiltinMethodType | MethodType, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Raise TooMuch for a call of a text's method that would make much of little, or take long over it."""
    text, name = method.__self__, method.__name__
    if not isinstance(text, str):
        return
    names = ("old", "new", "count") if name == "replace" else ("sep", "maxsplit")
    given: dict[str, Any] = dict(zip(names, args, strict=False), **kwargs)
    if name == "replace":
        check_replace(text, given.get("old"), given.get("new"), given.get("count", -1))
    elif name == "join" and args:
        check_join(args[0], text)
    elif name in ("strip", "lstrip", "rstrip"):
        check_strip(text, (*args, *kwargs.values(), None)[0])
    elif name in ("rfind", "rindex", "rpartition") and args:  # Python searches backwards without a plan
        check_work(len(text), length_of(args[0]))
    elif name == "splitlines":
        check_count(line_breaks(text) + 1)
    elif name in ("split", "rsplit"):
        between, most = given.get("sep"), given.get("maxsplit", -1)
        _check_split(text, between, VALUES if not isinstance(most, int) or most < 0 else most)
        if name == "rsplit":
            check_work(len(text), length_of(between))


def check_replace(text: str, old: Any, new: Any, most: Any) -> None:
    """Raise TooMuch where ``text`` would grow too long."""
    if isinstance(old, str) and isinstance(new, str) and isinstance(most, int):
        times = text.count(old)
        check_size(len(text) + (times if most < 0 else min(times, most)) * len(new) * growth(text))


def check_join(parts: Any, between: str) -> None:
    """Raise TooMuch where ``parts`` with ``between`` between them would be too long a text."""
    check_count(length_of(parts))
    check_size(measure(parts).size * growth(between) + length_of(parts) * len(between))


def growth(text: Any) -> int:
    """How many characters one can become beside ``text``: what ``safe`` returns escapes what it meets, as HTML."""
    return len("&#34;") if isinstance(text, Markup) else 1


def check_strip(text: str, chars: Any) -> None:
    """Raise TooMuch where too many characters would be looked up among too many."""
    check_work(len(text), length_of(chars))


def line_breaks(text: str) -> int:
    """How many there are, or more: what is counted are characters."""
    return sum(text.count(one) for one in _LINE_BREAKS)


def _check_split(text: str, between: Any, most: int) -> None:
    if most < VALUES:
        return
    if isinstance(between, str) and between:
        check_count(text.count(between) + 1)
    elif len(text) > VALUES:
        check_count(len(text.split(None, VALUES)))


class Formatter(SandboxedFormatter):
    """``str.format`` for templates: nothing is wider than three digits say."""

    _size = 0

    def get_field(self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Any, str]:
        """One field; looks at the clock, since there can be very many."""
        self._env.tick()  # type: ignore[attr-defined]  # the environment is this package's own
        found: tuple[Any, str] = super().get_field(field_name, args, kwargs)
        return found

    def convert_field(self, value: Any, conversion: str | None) -> Any:
        """``!r`` and the like look into the value."""
        return super().convert_field(weigh(value), conversion)

    def format_field(self, value: Any, format_spec: str) -> Any:
        """One field's text."""
        if not _SPEC.fullmatch(format_spec):
            raise TooMuch("It formats with something other than a width and a precision of up to three digits.")
        text = super().format_field(weigh(value), format_spec)
        self._size += len(text)
        check_size(self._size)
        return text
