"""Templates that make much of little or compute forever: all features of Jinja, with large, deep or negative values.

As a program it renders each template of a JSON list on standard input, and prints ``ok`` or ``refused`` for each.
"""

import json
import random
import subprocess
import sys
from collections.abc import Sequence

_BEFORE = (
    "{% set ns = namespace(s=('x',), t=('x',), u=('x',)) %}{% for i in range(40) %}{% set ns.s = (ns.s, ns.s) %}"
    "{% set ns.t = (ns.t, ns.t) %}{% endfor %}{% for i in range(3000) %}{% set ns.u = (ns.u,) %}{% endfor %}"
)
_LARGE = ["'x' * 9000000", "'\n' * 9000000", "'中' * 9000000", "'a ' * 4000000", "'<!--' * 2000000", "'9' * 9000000",
          "'{:99}' * 1000000", "('&' * 3000000) | safe", "[1] * 200000", "range(100000)", "['x' * 99] * 150000",
          "[[1]] * 100000", "ns.s", "ns.u", "[ns.s, ns.t]", "{1: ns.s}", "{1: ns.s}.items()", "[ns, namespace(s=ns.t)]",
          "2 ** 4000", "0 - 2 ** 4000", "1e308", "0x" + "f" * 40000, "messages", "dict([('a', 1)] * 9)", "none",
          "undefined_name", "'x'", "5", "ns", "'x' * 190000", "'x\\n' * 90000", "'ΐ' * 5000000",
          "range", "cycler('x' * 9000000)"]  # fmt: skip
_ARGUMENTS = [*_LARGE, "1000000000", "-1000000000", "1e300", "true", "''", "'x' * 4000000 + 'y'", "'y' + 'x' * 4000000",
              "'attribute'", "'upper'", "'s'", "'a,' * 400000", "'%1000000000Y'", "16", "(1, 2)"]  # fmt: skip
_KEYWORDS = ["attribute='s'", "attribute='a.' * 400000", "width=1000000000", "indent=1000000000", "maxsplit=-1",
             "indent='x' * 9000000", "separators=('x' * 9000000, ':')", "default='x' * 9000000", "start=[]", "count=-1",
             "fill_with='x' * 9000000", "keepends=true", "by='value'", "base=0", "precision=-1000000000", "cls=dict",
             "sort_keys=true", "ensure_ascii=true", "first=true", "blank=true"]  # fmt: skip
_OPERATORS = ["+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", "<=", "in", "not in", "and", "or"]
_CALLED = ["range", "dict", "namespace", "cycler", "joiner", "strftime_now", "raise_exception"]
_KINDS: tuple[type, ...] = (str, list, dict, tuple, int, float, bytes, range, set, type({}.items()))
_METHODS = sorted({name for kind in _KINDS for name in dir(kind) if not name.startswith("_")} | {"grouper", "next"})
_LOOKED = ["{{ VALUE }}", "{{ VALUE | string | length }}", "{{ VALUE | list | length }}", "{{ (VALUE) | tojson }}",
           "{% for x in VALUE %}{{ loop.length }}{{ loop.changed(x, ns.s) }}{{ x }}{% endfor %}",
           "{{ {VALUE: 1} }}", "{{ [VALUE] | unique | list }}", "{{ (VALUE)[1:] | length }}", "{{ {}[VALUE] }}",
           "{% set ns.l = () %}{% for i in range(100000) %}{% set ns.l = (ns.l, VALUE) %}{% endfor %}",
           "{% set ns.l = VALUE %}{% for i in range(100) %}{% set ns.l = ns.l + ns.l %}{% endfor %}",
           "{% macro f(x) %}{% for i in range(9999) %}{{ x }}{% endfor %}{% endmacro %}{{ f(VALUE) }}"]  # fmt: skip


def attack(chance: random.Random) -> str:
    """Return one template."""
    from function.engine.template.sandbox import Sandbox

    sandbox = Sandbox()
    value = f"({chance.choice(_LARGE)})"
    arguments = [f"({chance.choice(_ARGUMENTS)})" for _ in range(chance.choice([0, 0, 0, 0, 1, 1, 1, 2, 2, 3]))]
    if chance.random() < 0.15:
        arguments.append(chance.choice(_KEYWORDS))
    given = ", ".join(arguments)
    for _ in range(chance.choice([1, 1, 2, 3])):
        draw = chance.random()
        if draw < 0.4:
            value = f"({value} | {chance.choice(sorted(sandbox.filters))}({given}))"
        elif draw < 0.7:
            value = f"{value}.{chance.choice(_METHODS)}({given})"
        elif draw < 0.8:
            value = f"({value} {chance.choice(_OPERATORS)} ({chance.choice(_ARGUMENTS)}))"
        elif draw < 0.9:
            value = f"({value} is {chance.choice(sorted(sandbox.tests))}({given}))"
        else:
            value = f"{chance.choice(_CALLED)}({value}{', ' * bool(given)}{given})"
    return _BEFORE + chance.choice(_LOOKED).replace("VALUE", value)


def attacks(seed: int, count: int) -> list[str]:
    """Return ``count`` templates, the same for the same ``seed``."""
    chance = random.Random(seed)
    return [attack(chance) for _ in range(count)]


def ends_of(sources: Sequence[str]) -> tuple[list[str], str]:
    """Return the end of each template, and the status and standard error of the process that asked for them."""
    command = [sys.executable, "-m", "tests.template_attacks"]
    done = subprocess.run(command, input=json.dumps(sources), capture_output=True, text=True)
    return done.stdout.split(), f"status {done.returncode}: {done.stderr[-1000:]}"


def main() -> None:
    """Render the templates; each has half a second of CPU time."""
    from function.engine.template.template import JinjaTemplate
    from function.errors import FunctionError

    for source in json.load(sys.stdin):
        try:
            JinjaTemplate(source, cpu_seconds=0.5).render([{"role": "user", "content": "hi"}])
            end = "ok"
        except FunctionError:
            end = "refused"
        sys.stdout.write(f"{end}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
