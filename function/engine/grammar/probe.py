"""A grammar tried in a process of its own, where it may crash, explode or run for ever without harm.

llguidance compiles what callers send, and no limit of it covers everything: a chain of 2,000 ``$ref`` overflows the
stack of the thread, a few thousand properties take seconds. What did not survive here never reaches the process that
holds the model. Run as a script this module is that process; it needs nothing of the package.
"""

import functools
import json
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

if __name__ != "__main__":
    from function.engine.grammar.grammar import Grammar
    from function.errors import EngineError, RequestError

CPU_TIME = 0.7
"""Seconds of computing that a grammar may take. CPU time: a busy machine must not make a good schema a bad one."""
_PATIENCE = 30.0
_MEMORY = 1 << 30
_STACK = 1 << 20
"""Bytes; half of the smallest stack that a thread of the serving process could have."""
LIMITS: dict[str, Any] = {"max_lexer_states": 50_000, "verbose_errors": False}
"""llguidance's own, here and where the grammar is used. A lexer state takes up to 2 kB."""
_KNOWN = 16


@functools.lru_cache(maxsize=_KNOWN)
def attempt(grammar: "Grammar") -> None:
    """Raise RequestError, naming the place in the request, for a grammar that cannot be used. Takes about 0.1 s."""
    given = json.dumps({"path": sys.path, "lark": grammar.lark(), "schemas": grammar.schemas})
    command = [sys.executable, "-I", "-S", str(Path(__file__).resolve())]
    try:
        done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=_PATIENCE, check=False)  # noqa: S603
        told = done.stdout
    except subprocess.TimeoutExpired:
        told = ""
    except OSError as e:
        raise EngineError(f"No process can be started to try a schema in: {e}") from e
    lines = [json.loads(line) for line in told.splitlines() if line.endswith("}")]
    if not lines:
        raise RequestError(f"{grammar.param}: it is too complex: compiling it takes too much.", param=grammar.param)
    if error := lines[-1].get("error"):
        param = lines[-1].get("param") or grammar.param
        raise RequestError(f"{param}: {error}", param=param)


def _main() -> None:
    given = json.load(sys.stdin)
    sys.path = given["path"]
    import llguidance

    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    signal.setitimer(signal.ITIMER_PROF, CPU_TIME)  # ends the process
    threading.stack_size(_STACK)
    thread = threading.Thread(target=_try, args=(llguidance, given))
    thread.start()
    thread.join()


def _try(llguidance: Any, given: Any) -> None:
    limits = llguidance.LLParserLimits(**LIMITS)
    tokenizer = llguidance.LLTokenizer("byte")
    matcher = llguidance.LLMatcher(tokenizer, given["lark"], log_level=0, limits=limits)
    matcher.compute_ff_tokens()
    matcher.compute_bitmask()
    if not matcher.is_error():
        _say({})
        return
    _say({"error": f"it is too complex: {_first(matcher.get_error())}"})

    def fault(schema: Any) -> str:
        grammar = llguidance.LLMatcher.grammar_from_json_schema(json.dumps(schema))
        return str(llguidance.LLMatcher.validate_grammar(grammar, tokenizer, limits=limits))

    for param, schema in given["schemas"]:
        document = json.loads(schema)
        if error := fault(document):
            _say({"error": _first(error), "param": param})
            for where, error in _deeper(document, fault):
                _say({"error": _first(error), "param": ".".join((param, *where))})
            return


def _deeper(document: Any, fault: Any) -> Iterator[tuple[list[str], str]]:
    """The way down to the smallest part of a faulty schema that is faulty by itself."""
    definitions = {"$defs": {"root": _rebased(document)}}
    part, where = document, list[str]()
    while True:
        for step, below in _parts(part):
            pointer = "/".join(name.replace("~", "~0").replace("/", "~1") for name in (*where, *step))
            if error := fault({"$ref": f"#/$defs/root/{pointer}", **definitions}):
                part, where = below, [*where, *step]
                yield where, error
                break
        else:
            return


def _parts(schema: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The schemas right below ``schema``, with the names that lead to them."""
    for key, value in schema.items() if isinstance(schema, dict) else ():
        if key in ("properties", "patternProperties", "$defs", "definitions") and isinstance(value, dict):
            yield from (((key, name), below) for name, below in value.items())
        elif key in ("anyOf", "oneOf", "allOf", "prefixItems", "items") and isinstance(value, list):
            yield from (((key, str(number)), below) for number, below in enumerate(value))
        elif key in ("items", "additionalProperties", "additionalItems"):
            yield (key,), value


def _rebased(value: Any) -> Any:
    """``value`` with its references as they are once it is itself a definition called root."""
    if isinstance(value, list):
        return [_rebased(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: f"#/$defs/root{item[1:]}"
        if key == "$ref" and isinstance(item, str) and item.startswith("#")
        else _rebased(item)
        for key, item in value.items()
    }


def _first(error: str) -> str:
    """llguidance's sentence, on one line, without the place that is told already."""
    lines = [line.strip() for line in error.splitlines() if not line.strip().startswith("while processing")]
    return " ".join(line for line in lines if line.strip("^ "))[:500]


def _say(told: dict[str, str]) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _main()
