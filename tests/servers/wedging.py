"""The function with a path at which a chat template makes one call into C that would take years.

Served as ``tests.servers.wedging:app`` instead of ``function.main:app``.
"""

from function.engine.template.template import JinjaTemplate
from function.main import app

__all__ = ["app"]

_NESTED = (
    "{% set ns = namespace(pair=()) %}{% for i in range(60) %}{% set ns.pair = (ns.pair, ns.pair) %}{% endfor %}"
    "{{ {ns.pair: 1} }}"
)


@app.post("/wedge")
def wedge() -> str:
    """Hash a tuple of 2 ** 60 tuples."""
    return JinjaTemplate(_NESTED, cpu_seconds=0.5).render([])
