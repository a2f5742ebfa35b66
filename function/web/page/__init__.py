"""The chat page: one document that holds its styles, scripts and icon.

``index.html`` names its files as any page does. ``render`` inlines their text and allows exactly these: the policy has
the hash of every script and style. ``npm run build`` writes ``bundle.js`` from ``scripts/main.js`` and its imports.
"""

import base64
import html
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from urllib.parse import quote

from function.web.inline_page import InlinePage

ROOT = Path(__file__).parent
_STYLE = re.compile(r'<link rel="stylesheet" href="([^"]+)">')
_SCRIPT = re.compile(r'<script(?P<module> type="module")? src="(?P<path>[^"]+)"></script>')
_NOTICE = re.compile("<!-- notice -->")
_ICON = re.compile(r'(<link rel="(?:apple-touch-)?icon" type="([^"]+)" href=")([^"]+)(">)')
_SOURCE_MAP = re.compile(r"\n?//# sourceMappingURL=\S+\s*\Z")
_MARKUP = re.compile(r"<(?=!--|/?script)", re.IGNORECASE)


@cache
def render(notice: str = "") -> InlinePage:
    """Return the page. The first call reads the sources, in about 20 ms; later ones return its result.

    ``notice`` is HTML about the model, for the welcome.
    """
    scripts: list[str] = []
    styles: list[str] = []

    def style(match: re.Match[str]) -> str:
        styles.append(_read(match[1]))
        return f"<style>{styles[-1]}</style>"

    def script(match: re.Match[str]) -> str:
        # A script's own text must not end its element. In strings and patterns the escape is the same character.
        scripts.append(_MARKUP.sub(r"\\x3C", _SOURCE_MAP.sub("\n", _read(match["path"]))))
        return f"<script{match['module'] or ''}>{scripts[-1]}</script>"

    text = _replace(_NOTICE, lambda _: notice and f'<p class="quiet">{notice}</p>', _read("index.html"))
    text = _replace(_STYLE, style, text)
    text = _replace(_SCRIPT, script, text)
    text = _replace(_ICON, lambda match: match[1] + html.escape(_data_uri(match[2], match[3])) + match[4], text)
    directives = "manifest-src data:", "require-trusted-types-for 'script'", "trusted-types dompurify"
    return InlinePage.build(text, scripts, styles, *directives)


def _read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def _replace(pattern: re.Pattern[str], replacement: Callable[[re.Match[str]], str], text: str) -> str:
    replaced, count = pattern.subn(replacement, text)
    if not count:
        raise ValueError(f"index.html has no match for {pattern.pattern}")
    return replaced


def _data_uri(kind: str, path: str) -> str:
    if kind == "image/svg+xml":
        return f"data:{kind}," + quote(_read(path).strip(), safe="/:=' ()-,.")
    return f"data:{kind};base64," + base64.b64encode((ROOT / path).read_bytes()).decode()
