"""Trial compilation of a grammar in a separate process, where it may crash or take too long without harm.

llguidance compiles schemas from requests, and its own limits do not cover every case: a chain of 2,000 ``$ref``
overflows the thread's stack, a few thousand properties take seconds. A grammar that fails here never reaches the
process that holds the model. Run as a script, this module is the separate process; it imports nothing of the package.
"""

import functools
import json
import re
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

if __name__ != "__main__":
    from function.engine.grammar.grammar import Grammar
    from function.errors import EngineError, RequestError

MAX_CPU_SECONDS = 0.7
"""CPU time of a compilation, not wall time: a busy machine must not make a good schema fail."""
MAX_SECONDS = 30.0
_MAX_MEMORY_BYTES = 1 << 30
_STACK_BYTES = 1 << 20
"""Half of the smallest stack that a thread of the serving process could have."""
PARSER_LIMITS: dict[str, Any] = {"max_lexer_states": 50_000, "verbose_errors": False}
"""llguidance's own limits, for the trial and the use of a grammar. A lexer state takes up to 2 kB."""
_MAX_KNOWN_GRAMMARS = 16


@functools.lru_cache(maxsize=_MAX_KNOWN_GRAMMARS)
def probe_grammar(grammar: "Grammar") -> None:
    """Raise RequestError, naming the field, for a grammar that cannot be used. Takes about 0.1 s."""
    _probe({"lark": grammar.to_lark(), "schemas": grammar.schemas}, grammar.param)


@functools.lru_cache(maxsize=_MAX_KNOWN_GRAMMARS)
def convert_gbnf(text: str, param: str) -> str:
    """Return ``text``, a grammar in llama.cpp's GBNF, as Lark rules of ``answer``. Raises as ``probe_grammar`` does."""
    return str(_probe({"gbnf": text}, param)["rules"])


def _probe(task: dict[str, Any], param: str) -> dict[str, Any]:
    """Run ``task`` in a process of its own and return its last report. Raises RequestError for one that fails."""
    given = json.dumps({"path": sys.path, **task})
    command = [sys.executable, "-I", "-S", str(Path(__file__).resolve())]
    try:
        done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=MAX_SECONDS, check=False)  # noqa: S603
        output = done.stdout
    except subprocess.TimeoutExpired:
        output = ""
    except OSError as e:
        raise EngineError(f"No process can be started to try a schema in: {e}") from e
    reports: list[dict[str, Any]] = [json.loads(line) for line in output.splitlines() if line.endswith("}")]
    if not reports:
        raise RequestError(f"{param}: it is too complex: compiling it takes too much.", param=param)
    if error := reports[-1].get("error"):
        param = reports[-1].get("param") or param
        raise RequestError(f"{param}: {error}", param=param)
    return reports[-1]


def _main() -> None:
    given = json.load(sys.stdin)
    sys.path = given["path"]
    import llguidance

    resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY_BYTES, _MAX_MEMORY_BYTES))
    signal.setitimer(signal.ITIMER_PROF, MAX_CPU_SECONDS)  # then SIGPROF ends the process
    threading.stack_size(_STACK_BYTES)
    thread = threading.Thread(target=_convert if "gbnf" in given else _compile, args=(llguidance, given))
    thread.start()
    thread.join()


def _compile(llguidance: Any, given: Any) -> None:
    limits = llguidance.LLParserLimits(**PARSER_LIMITS)
    tokenizer = llguidance.LLTokenizer("byte")
    matcher = llguidance.LLMatcher(tokenizer, given["lark"], log_level=0, limits=limits)
    matcher.compute_ff_tokens()
    matcher.compute_bitmask()
    if not matcher.is_error():
        _report({})
        return
    error = matcher.get_error()
    endless = "NoExtensionBias" in error  # the library's word for a grammar without any text
    _report({"error": "a rule refers to itself alone" if endless else f"it is too complex: {_shorten(error)}"})

    def find_fault(schema: Any) -> str:
        grammar = llguidance.LLMatcher.grammar_from_json_schema(json.dumps(schema))
        return str(llguidance.LLMatcher.validate_grammar(grammar, tokenizer, limits=limits))

    for param, schema in given["schemas"]:
        document = json.loads(schema)
        if error := find_fault(document):
            _report({"error": _shorten(error), "param": param})
            for path, error in _locate_fault(document, find_fault):
                _report({"error": _shorten(error), "param": ".".join((param, *path))})
            return


def _convert(llguidance: Any, given: Any) -> None:
    from llguidance import gbnf_to_lark

    def literal(escape: re.Match[str]) -> str:
        # The converter writes the other escapes for characters in a form that llguidance does not read.
        code = int(escape[2], 16)
        return f"{escape[1]}\\x{code:02x}" if code < 0x80 else f"{escape[1]}{chr(code)}"

    text = re.sub(r"(?<!\\)((?:\\\\)*)\\(?:u([0-9a-fA-F]{4}))", literal, given["gbnf"])
    text = re.sub(r"(?<!\\)((?:\\\\)*)\\(?:U([0-9a-fA-F]{8}))", literal, text)
    try:
        rules = gbnf_to_lark.GrammarParser().parse(text)
        gbnf_to_lark.resolve(rules)
    except RecursionError:
        _report({"error": "it is nested too deeply"})
        return
    except Exception as e:  # the library has no common class for them
        _report({"error": f"it is not GBNF: {_shorten(str(e) or type(e).__name__)}"})
        return
    for node in _nodes(rules.values()):
        if isinstance(node, gbnf_to_lark.RegexNode) and node.rx == ".":
            node.rx = r"(.|\n)"
    root = rules["start"]
    for rule in rules.values():  # a prefix of their own, which no rule of the surrounding grammar has
        rule.name = f"G_{rule.name}" if rule.rule_is_terminal else f"g_{rule.name}"
        rule.comment = ""
    _report({"rules": "\n".join([f"answer: {root.name}", *map(str, rules.values())])})


def _nodes(nodes: Iterable[Any]) -> Iterator[Any]:
    for node in nodes:
        yield node
        yield from _nodes(node.children())


def _locate_fault(document: Any, find_fault: Callable[[Any], str]) -> Iterator[tuple[list[str], str]]:
    """Yield path and error of ever smaller parts of a faulty schema that are faulty themselves."""
    definitions = {"$defs": {"root": _rebase(document)}}
    part, path = document, list[str]()
    while True:
        for step, below in _subschemas(part):
            pointer = "/".join(name.replace("~", "~0").replace("/", "~1") for name in (*path, *step))
            if error := find_fault({"$ref": f"#/$defs/root/{pointer}", **definitions}):
                part, path = below, [*path, *step]
                yield path, error
                break
        else:
            return


def _subschemas(schema: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the schemas directly below ``schema``, with the names that lead to them."""
    for key, value in schema.items() if isinstance(schema, dict) else ():
        if key in ("properties", "patternProperties", "$defs", "definitions") and isinstance(value, dict):
            yield from (((key, name), below) for name, below in value.items())
        elif key in ("anyOf", "oneOf", "allOf", "prefixItems", "items") and isinstance(value, list):
            yield from (((key, str(number)), below) for number, below in enumerate(value))
        elif key in ("items", "additionalProperties", "additionalItems"):
            yield (key,), value


def _rebase(value: Any) -> Any:
    """Return ``value`` with its references adjusted for a definition called root."""
    if isinstance(value, list):
        return [_rebase(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: f"#/$defs/root{item[1:]}"
        if key == "$ref" and isinstance(item, str) and item.startswith("#")
        else _rebase(item)
        for key, item in value.items()
    }


def _shorten(error: str) -> str:
    """Return llguidance's sentence on one line, without the path, which the error names already."""
    lines = [line.strip() for line in error.splitlines() if not line.strip().startswith("while processing")]
    return " ".join(line for line in lines if line.strip("^ "))[:500]


def _report(result: dict[str, str]) -> None:
    sys.stdout.write(json.dumps(result) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _main()
