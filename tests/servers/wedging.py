"""Function with an extra path on which a chat template holds the interpreter's lock for ever.

Served as ``tests.servers.wedging:app`` instead of ``function.main:app``.
"""

from typing import Any

from function.engine.template.template import JinjaTemplate
from function.main import app

__all__ = ["app"]


@app.post("/wedge")
def wedge() -> str:
    """Render a template with a step that never ends, under a time limit of half a second."""
    return JinjaTemplate("{{ endless() }}", time_limit=0.5).render([], endless=_endless)


def _endless() -> int:
    nested: Any = ()
    for _ in range(60):
        nested = (nested, nested)
    return hash(nested)
