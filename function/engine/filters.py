"""Filters and methods of templates that can make much of little, each held to the size of what it makes."""

import json
from collections.abc import Callable
from types import BuiltinMethodType
from typing import Any, NoReturn

from jinja2 import nodes
from jinja2.filters import do_join
from jinja2.utils import pass_eval_context

from function.engine.weight import TooMuch, check_size, weigh

_WIDTH_LIMIT = 1000


def check_method(method: BuiltinMethodType, args: tuple[Any, ...]) -> None:
    """Raise TooMuch for a method of a text that would make much of little."""
    text = method.__self__
    if isinstance(text, str) and method.__name__ == "replace" and len(args) > 1:
        _check_replace(text, args[0], args[1])
    elif isinstance(text, str) and method.__name__ == "join" and args:
        _check_join(args[0], text)


def _check_replace(text: str, old: Any, new: Any) -> None:
    if isinstance(old, str) and isinstance(new, str):
        check_size(len(text) + text.count(old) * len(new))


def _check_join(parts: Any, between: str) -> None:
    check_size((len(parts) if hasattr(parts, "__len__") else 0) * len(between))


def replace(value: Any, old: Any, new: Any, count: int | None = None) -> str:
    """Jinja's, for texts that are not HTML."""
    text = str(value)
    _check_replace(text, str(old), str(new))
    return text.replace(str(old), str(new), -1 if count is None else count)


@pass_eval_context
def join(context: nodes.EvalContext, value: Any, d: Any = "", attribute: Any = None) -> str:
    """Jinja's, with an eye on what stands between."""
    parts = list(value)
    weigh(parts)
    _check_join(parts, str(d))
    joined: str = do_join(context, parts, str(d), attribute)
    return joined


def narrow(apply: Callable[..., Any]) -> Callable[..., Any]:
    """A filter whose widths are not absurd."""

    def checked(value: Any, *args: Any, **kwargs: Any) -> Any:
        if any(isinstance(width, int) and width > _WIDTH_LIMIT for width in (*args, *kwargs.values())):
            raise TooMuch(f"It asks for a width above {_WIDTH_LIMIT}.")
        return apply(value, *args, **kwargs)

    return checked


def tojson(value: Any, ensure_ascii: bool = False, indent: int | None = None, **kwargs: Any) -> str:
    """JSON as transformers writes it: nothing is escaped for HTML."""
    check_size(len(str(value)) * (indent if isinstance(indent, int) else 1))
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, **kwargs)


def unsupported(*_: Any, **__: Any) -> NoReturn:
    """Formatting makes a text of any width, and some filters are slow on what is long: no prompt needs them."""
    raise TooMuch("It uses a filter that is not supported.")
