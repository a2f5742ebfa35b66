"""Pictures and tables of the documentation, drawn from code and data: ``python -m tools.pictures``.

The sources are the table in tests/test_layers.py for ``layers.svg`` and CONTRIBUTING.md's table, and the trace
recorded by ``python -m bench.trace`` for ``cold-start.svg``. A test compares the committed files with the output of
this module.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from tests.test_layers import MAY_IMPORT

ROOT = Path(__file__).parent.parent
PICTURES = ROOT / "docs" / "pictures"
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
BEGIN, END = "<!-- made by python -m tools.pictures -->\n", "<!-- end -->\n"
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1f2328}.quiet{fill:#59636e}rect{fill:#ddf4ff;stroke:#0969da}"
    "line{stroke:#8c959f;stroke-opacity:.5}.cold{fill:#fff1e5;stroke:#bc4c00}.axis{stroke-opacity:.25}"
    "@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.quiet{fill:#9198a1}rect{fill:#0c2d6b;stroke:#58a6ff}"
    ".cold{fill:#4d1d00;stroke:#f0883e}}"
)

Table = Mapping[str, set[str]]


def main() -> None:
    """Write all files."""
    for path, text in generated_files().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


def generated_files() -> dict[Path, str]:
    """Return every generated file with its text."""
    trace = json.loads((PICTURES / "cold-start.json").read_text())
    return {
        PICTURES / "layers.svg": layers(wings(MAY_IMPORT)),
        PICTURES / "cold-start.svg": timeline(trace),
        CONTRIBUTING: with_table(CONTRIBUTING.read_text(), MAY_IMPORT),
    }


def with_table(text: str, table: Table) -> str:
    """Return ``text`` with the table of layers between its markers."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    rows = ["| layer | may import, in addition to `errors` and its own modules |", "|---|---|"]
    rows += [f"| `{name}` | {', '.join(f'`{each}`' for each in sorted(table[name])) or 'nothing'} |" for name in table]
    return before + BEGIN + "\n" + "\n".join(rows) + "\n\n" + END + after


def wings(table: Table) -> Table:
    """Return ``table`` with the folders inside a wing folded into it."""
    folded: dict[str, set[str]] = {}
    for name, below in table.items():
        wing = name.split(".")[0]
        folded.setdefault(wing, set()).update(each.split(".")[0] for each in below)
        folded[wing].discard(wing)
    return folded


def depths(table: Table) -> dict[str, int]:
    """Return the number of layers below each: the length of the longest path down."""
    known: dict[str, int] = {}

    def depth(name: str) -> int:
        if name not in known:
            known[name] = 1 + max((depth(below) for below in table[name]), default=-1)
        return known[name]

    return {name: depth(name) for name in table}


def direct_imports(table: Table) -> Iterator[tuple[str, str]]:
    """Yield pairs of a layer and an imported layer, without those that follow from other pairs."""

    def below(name: str) -> set[str]:
        return table[name] | {deeper for each in table[name] for deeper in below(each)}

    for name, imported in table.items():
        for each in sorted(imported):
            if not any(each in below(other) for other in imported - {each}):
                yield name, each


def layers(table: Table) -> str:
    """Return the picture of the layers: lines lead down from a layer to its imports."""
    named = {name: imports for name, imports in table.items() if name != "errors"}
    deep = depths(named)
    height, gap, wide = 30, 34, 1000
    place: dict[str, tuple[float, float, float]] = {}
    top = max(deep.values())
    for level in range(top, -1, -1):
        row = [name for name in named if deep[name] == level]
        widths = [22 + 8 * len(name) for name in row]
        space = (wide - sum(widths)) / (len(row) + 1)
        x, y = space, 10 + (top - level) * (height + gap)
        for name, width in zip(row, widths, strict=True):
            place[name] = (x, y, width)
            x += width + space
    lines = []
    for name, below in direct_imports(named):
        (x1, y1, w1), (x2, y2, w2) = place[name], place[below]
        lines.append(f'<line x1="{x1 + w1 / 2:.0f}" y1="{y1 + height}" x2="{x2 + w2 / 2:.0f}" y2="{y2}"/>')
    boxes = [
        f'<rect x="{x:.0f}" y="{y}" width="{width}" height="{height}" rx="5"/>'
        f'<text x="{x + width / 2:.0f}" y="{y + 20}" text-anchor="middle">{escape(name)}</text>'
        for name, (x, y, width) in place.items()
    ]
    return _svg(wide, 20 + (top + 1) * (height + gap) - gap, [*lines, *boxes], "Layers and their imports")


def timeline(trace: Mapping[str, Any]) -> str:
    """Return the picture of one cold request: its spans as bars, in seconds from the start of the program."""
    spans = trace["spans"]
    end = max(span["end"] for span in spans)
    left, wide, row = 190, 1000, 30
    scale = (wide - left - 70) / end
    parts = [f'<text class="quiet" x="8" y="22">{escape(trace["title"])}</text>']
    bottom = 40 + row * len(spans)
    step = next(step for step in (0.1, 0.25, 0.5, 1, 2.5, 5, 10) if end / step <= 8)
    for number in range(int(end / step) + 1):
        x = left + number * step * scale
        parts.append(f'<line class="axis" x1="{x:.1f}" y1="34" x2="{x:.1f}" y2="{bottom}"/>')
        parts.append(
            f'<text class="quiet" x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{number * step:g} s</text>'
        )
    for number, span in enumerate(spans):
        y = 40 + number * row
        x, width = left + span["start"] * scale, max((span["end"] - span["start"]) * scale, 1.5)
        kind = ' class="cold"' if span["cold"] else ""
        parts.append(f'<text x="{8 + 14 * span["depth"]}" y="{y + 16}">{escape(span["name"])}</text>')
        parts.append(f'<rect{kind} x="{x:.1f}" y="{y + 3}" width="{width:.1f}" height="{row - 12}" rx="3"/>')
        took = f"{span['end'] - span['start']:.2f} s"
        parts.append(f'<text class="quiet" x="{x + width + 6:.1f}" y="{y + 16}">{took}</text>')
    return _svg(wide, bottom + 26, parts, trace["title"])


def _svg(width: float, height: float, parts: list[str], title: str) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img">'
    return "\n".join([head, f"<title>{escape(title)}</title>", f"<style>{STYLE}</style>", *parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    main()
