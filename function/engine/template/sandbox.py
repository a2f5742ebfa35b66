"""Process that renders Jinja templates: sandboxed, and bounded by the kernel.

A chat template is a program that comes with a file from somewhere. Jinja's sandbox keeps it from Python. The limits of
this process bound CPU time and memory, also inside a single call into C, which no check of Jinja's could interrupt. A
template that exceeds them costs this process, and neither the model nor the server beside it.

As a script this module needs nothing of the package. File descriptor 0 is a socket to the parent. Requests and replies
are tuples: (template, variables or None, seconds of CPU time, time of day) and (kind, text), where a kind is
``rendered``, ``refused`` (by ``raise_exception``), ``failed`` or ``exceeded`` (a limit).
"""

import json
import marshal
import os
import random
import resource
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from traceback import walk_tb
from types import FrameType, GeneratorType
from typing import Any, NoReturn

if __name__ == "__main__":
    sys.path = sys.argv[1].split(os.pathsep)

from jinja2 import Template, TemplateSyntaxError, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.idtracking import VAR_LOAD_RESOLVE
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_MEMORY_BYTES = 256 << 20
"""Memory that templates may use, in addition to what the process has when it starts."""
MAX_PROMPT_CHARS = 16 << 20
MAX_ERROR_CHARS = 1000
_MAX_SNIPPET_CHARS = 80


class Refusal(TemplateError):
    """The template called ``raise_exception``."""


class Timeout(BaseException):
    """The template used up its CPU time. No filter that handles exceptions can catch it."""


class _Given(list[Any]):
    """List that the template did not make, and so cannot extend."""


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja as transformers configures it for chat templates."""

    def __init__(self) -> None:
        super().__init__(trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols])
        self.code_generator_class = _Generator
        self.used: set[str] = set()
        self.filters["tojson"] = _tojson
        self.globals["raise_exception"] = _refuse

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Allow a template to extend lists that it made, as Kimi's does."""
        return (attr == "append" and type(obj) is list) or super().is_safe_attribute(obj, attr, value)

    def compile_chat_template(self, source: str) -> tuple[Template, frozenset[str]]:
        """Return the template, and the names of the variables that it uses."""
        self.used.clear()
        return self.from_string(source), frozenset(self.used)


class _Generator(CodeGenerator):
    """Jinja's generator, which also notes the variables: generating twice to find them takes 20 ms."""

    def enter_frame(self, frame: Frame) -> None:
        super().enter_frame(frame)
        for action, name in frame.symbols.loads.values():
            if action == VAR_LOAD_RESOLVE and name not in self.environment.globals:
                self.environment.used.add(name)  # type: ignore[attr-defined]  # the environment is a Sandbox


class _Generation(Extension):
    """``{% generation %}``, which marks replies for training: renders its body."""

    tags = {"generation"}  # noqa: RUF012  declared by Jinja on the instance

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def serve() -> None:
    """Answer requests until the other end closes or a template exceeds a limit."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to the parent as well, which decides
    signal.signal(signal.SIGVTALRM, _expire)
    with open("/proc/self/statm", "rb") as file:  # noqa: PTH123  pathlib would be imported for this alone
        memory = int(file.read().split()[0]) * resource.getpagesize() + MAX_MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    compiled = lru_cache(maxsize=128)(Sandbox().compile_chat_template)
    kind = ""
    with open(0, "rb") as requests, open(0, "wb", closefd=False) as replies, suppress(EOFError):
        while kind != "exceeded":
            kind, text = _answer(compiled, *marshal.load(requests))  # noqa: S302  written by the parent
            marshal.dump((kind, text), replies)
            replies.flush()


def _answer(
    compiled: Callable[[str], tuple[Template, frozenset[str]]],
    source: str,
    variables: Mapping[str, Any] | None,
    cpu_seconds: float,
    now: str,
) -> tuple[str, str]:
    """Return the kind and the text of a reply."""
    template = None
    try:
        try:
            signal.setitimer(signal.ITIMER_VIRTUAL, cpu_seconds)  # raises Timeout
            signal.setitimer(signal.ITIMER_PROF, 2 * cpu_seconds)  # ends the process, in Python as in C
            template, used = compiled(source)
            return "rendered", " ".join(used) if variables is None else _render(template, variables, now)
        except Refusal as e:
            return "refused", _shorten(str(e))
        except MemoryError:
            raise
        except Exception as e:  # a template can raise any exception of Python
            error = _shorten(f"{type(e).__name__}: {str(e).rstrip('.')}")
            return "failed", f"{error}{_place(e, template, source)}."
    except Timeout as e:
        return "exceeded", f"It takes more than {cpu_seconds:g} seconds{_place(e, template, source)}."
    except MemoryError as e:
        return "exceeded", f"It needs more than {MAX_MEMORY_BYTES >> 20} MiB of memory{_place(e, template, source)}."
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.setitimer(signal.ITIMER_PROF, 0)


def _render(template: Template, variables: Mapping[str, Any], now: str) -> str:
    random.seed()  # for Jinja's filter: this process may be a copy
    date = datetime.fromisoformat(now)
    given = {name: _Given(value) if type(value) is list else value for name, value in variables.items()}
    context = template.new_context({"strftime_now": date.strftime, **given})
    text = "".join(template.root_render_func(context))  # Template.render would replace the traceback
    if len(text) > MAX_PROMPT_CHARS:
        raise ValueError(f"it renders more than {MAX_PROMPT_CHARS:,} characters")
    return text


def _place(error: BaseException, template: Template | None, source: str) -> str:
    """Return the line of the template at which ``error`` occurred, in parentheses; empty if it is unknown."""
    line = error.lineno if isinstance(error, TemplateSyntaxError) else 0
    for frame, number in walk_tb(error.__traceback__):
        if template and frame.f_code.co_filename == "<template>":
            line = template.get_corresponding_lineno(number)
    text = source.split("\n")[line - 1].strip() if line else ""
    dots = " …" if len(text) > _MAX_SNIPPET_CHARS else ""
    return text and f" (line {line}: {text[:_MAX_SNIPPET_CHARS]}{dots})"


def _shorten(text: str) -> str:
    return text if len(text) <= MAX_ERROR_CHARS else f"{text[:MAX_ERROR_CHARS]} …"


def _expire(number: int, frame: FrameType | None) -> NoReturn:
    raise Timeout


def _refuse(message: str) -> NoReturn:
    raise Refusal(str(message))


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Write JSON as transformers does: without escapes for HTML."""
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys, default=_listed
    )


def _listed(value: Any) -> list[Any]:
    """Return the result of a filter such as ``selectattr`` as a list, as other implementations of Jinja have it."""
    if isinstance(value, GeneratorType):
        return list(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


if __name__ == "__main__":
    serve()
