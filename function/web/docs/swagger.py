"""GET /docs: Swagger UI and its document, in one response.

The scripts and styles come with the package ``flask_swagger_ui``; its own code is not imported.
"""

import importlib.util
import re
from functools import cache
from pathlib import Path

from function.web.inline_page import InlinePage

_PACKAGE = "flask_swagger_ui"
_MARKUP = re.compile(r"<(?=!--|/?script)", re.IGNORECASE)
_START = """
SwaggerUIBundle({
    spec: JSON.parse(document.getElementById("openapi").textContent),
    dom_id: "#swagger-ui",
    deepLinking: true,
    validatorUrl: null,
    persistAuthorization: false,
    defaultModelsExpandDepth: 0,
});
"""
_HTML = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>GGUF chat function</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<div id="swagger-ui"></div>
<script type="application/json" id="openapi">{spec}</script>
<script>{bundle}</script>
<script>{start}</script>
</body>
</html>
"""


@cache
def render(document: str) -> InlinePage:
    """Return the page for an OpenAPI document in JSON. The first call takes a quarter of a second, to zip 2 MB."""
    style, bundle = _read("swagger-ui.css"), _MARKUP.sub(r"\\x3C", _read("swagger-ui-bundle.js"))
    spec = document.replace("<", "\\u003c")  # inside a script element only JSON's own escape works
    text = _HTML.format(style=style, spec=spec, bundle=bundle, start=_START)
    return InlinePage.build(text, (bundle, _START), (style,))  # no trusted types: React does not know them


def _read(name: str) -> str:
    found = importlib.util.find_spec(_PACKAGE)
    assert found is not None, "requirements.txt names it"
    assert found.origin is not None
    return (Path(found.origin).parent / "dist" / name).read_text(encoding="utf-8")
