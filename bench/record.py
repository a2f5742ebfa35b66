"""Section of a page that a command writes: its latest result, between two markers with its name."""

import re
from pathlib import Path


def write(page: Path, name: str, text: str) -> None:
    """Replace the section ``name`` of ``page``, or append it. The rest of the page is unchanged."""
    begin, end = f"<!-- {name}: written by the command below -->", f"<!-- end of {name} -->"
    section = f"{begin}\n{text.strip()}\n{end}"
    old = page.read_text()
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    new = pattern.sub(lambda _: section, old) if pattern.search(old) else f"{old.rstrip()}\n\n{section}\n"
    page.write_text(new)
