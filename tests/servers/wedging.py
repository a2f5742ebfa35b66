"""The function with one path more, on which a chat template calls what holds the interpreter's lock for ever.

Served as ``tests.servers.wedging:app`` instead of ``function.main:app``.
"""

from typing import Any

from function.engine.template.template import JinjaTemplate
from function.main import app

__all__ = ["app"]


@app.post("/wedge")
def wedge() -> str:
    """Render a template whose one step does not end, though each may take half a second."""
    return JinjaTemplate("{{ endless() }}", time_limit=0.5).render([], endless=_endless)


def _endless() -> int:
    nested: Any = ()
    for _ in range(60):
        nested = (nested, nested)
    return hash(nested)
