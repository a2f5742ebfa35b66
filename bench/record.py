"""A command's own section of a page: what it saw last, written between two markers that bear its name."""

import re
from pathlib import Path


def write(page: Path, name: str, text: str) -> None:
    """Replace the section ``name`` of ``page``, or add it at the end. The rest stays as it is."""
    begin, end = f"<!-- {name}: written by the command below -->", f"<!-- end of {name} -->"
    section = f"{begin}\n{text.strip()}\n{end}"
    old = page.read_text()
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    new = pattern.sub(lambda _: section, old) if pattern.search(old) else f"{old.rstrip()}\n\n{section}\n"
    page.write_text(new)
