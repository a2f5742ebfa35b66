"""Process that renders Jinja templates: sandboxed, and bounded by the kernel.

A chat template is a program that comes with a file from somewhere. Jinja's sandbox keeps it from Python. The limits of
this process bound CPU time and memory, also inside a single call into C, which no check of Jinja's could interrupt. A
template that exceeds them costs this process, and neither the model nor the server beside it.

As a script this module needs nothing of the package. Requests arrive on file descriptor 0, replies leave by it.
"""

import json
import marshal
import os
import resource
import signal
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from types import FrameType
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
HEADER_BYTES = 8
"""Length of a request or reply, before it. A reply begins with one byte: its kind."""
RENDERED, REFUSED, FAILED, EXCEEDED = b"R", b"X", b"F", b"L"
"""Kinds of reply: a text, the words of ``raise_exception``, an error, a limit that the template exceeded."""


class Refusal(TemplateError):
    """The template called ``raise_exception``."""


class Timeout(BaseException):
    """The template used up its CPU time. No filter that handles exceptions can catch it."""


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja as transformers configures it for chat templates."""

    def __init__(self) -> None:
        super().__init__(trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols])
        self.code_generator_class = _Generator
        self.used: set[str] = set()
        self.filters["tojson"] = _tojson
        self.globals["raise_exception"] = _refuse

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
    connection = open(0, "r+b", buffering=0)  # noqa: SIM115
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    sandbox = Sandbox()
    compiled = lru_cache(maxsize=16)(sandbox.compile_chat_template)
    kind = b""
    while kind != EXCEEDED and (header := connection.read(HEADER_BYTES)):
        kind, text = _answer(compiled, _read(connection, int.from_bytes(header, "big")))
        _write(connection, kind + len(text).to_bytes(HEADER_BYTES, "big") + text)


def _answer(compiled: Callable[[str], tuple[Template, frozenset[str]]], request: bytes) -> tuple[bytes, bytes]:
    """Return the kind and the text of a reply."""
    template = None
    source = ""
    try:
        try:
            source, variables, cpu_seconds, now = marshal.loads(request)  # noqa: S302  written by the parent
            signal.setitimer(signal.ITIMER_VIRTUAL, cpu_seconds)  # raises Timeout
            signal.setitimer(signal.ITIMER_PROF, 2 * cpu_seconds)  # ends the process, in Python as in C
            template, used = compiled(source)
            if variables is None:
                return RENDERED, " ".join(used).encode()
            return RENDERED, _render(template, variables, now)
        except Refusal as e:
            return REFUSED, _shorten(str(e))
        except MemoryError:
            raise
        except Exception as e:  # a template can raise any exception of Python
            return FAILED, _shorten(f"{type(e).__name__}: {str(e).rstrip('.')}", f"{_place(e, template, source)}.")
    except Timeout as e:
        return EXCEEDED, _shorten(f"It takes more than {cpu_seconds:g} seconds", f"{_place(e, template, source)}.")
    except MemoryError as e:
        limit = f"{MAX_MEMORY_BYTES >> 20} MiB"
        return EXCEEDED, _shorten(f"It needs more than {limit} of memory", f"{_place(e, template, source)}.")
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.setitimer(signal.ITIMER_PROF, 0)


def _render(template: Template, variables: Mapping[str, Any], now: str) -> bytes:
    date = datetime.fromisoformat(now)
    context = template.new_context({"strftime_now": date.strftime, **variables})
    text = "".join(template.root_render_func(context))  # Template.render would replace the traceback
    if len(text) > MAX_PROMPT_CHARS:
        raise ValueError(f"it renders more than {MAX_PROMPT_CHARS:,} characters")
    return text.encode(errors="surrogatepass")


def _place(error: BaseException, template: Template | None, source: str) -> str:
    """Return the line of the template at which ``error`` occurred, in parentheses; empty if it is unknown."""
    line = error.lineno if isinstance(error, TemplateSyntaxError) else 0
    trace = error.__traceback__
    while template is not None and trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = template.get_corresponding_lineno(trace.tb_lineno)
        trace = trace.tb_next
    lines = source.split("\n")
    if not 0 < line <= len(lines):
        return ""
    snippet = lines[line - 1].strip()
    dots = " …" if len(snippet) > _MAX_SNIPPET_CHARS else ""
    return f" (line {line}: {snippet[:_MAX_SNIPPET_CHARS]}{dots})"


def _shorten(text: str, end: str = "") -> bytes:
    dots = " …" if len(text) > MAX_ERROR_CHARS else ""
    return (text[:MAX_ERROR_CHARS] + dots + end).encode(errors="replace")


def _read(connection: Any, size: int) -> bytes:
    data = bytearray()
    while len(data) < size and (part := connection.read(size - len(data))):
        data += part
    return bytes(data)


def _write(connection: Any, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[connection.write(rest) :]


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
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


if __name__ == "__main__":
    serve()
