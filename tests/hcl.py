"""Minimal reader of Terraform's language: blocks and arguments as `terraform fmt` writes them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOTS = ("gcp", "aws")
TERRAFORM = Path(__file__).parent.parent / "terraform"


@dataclass(frozen=True, slots=True)
class HclBlock:
    """Block at the beginning of a line: its labels, and its text up to the closing brace."""

    labels: tuple[str, ...]
    body: str

    def argument(self, name: str) -> str | None:
        """Return the text of an argument on one line; None if there is none."""
        found = re.search(rf"(?m)^  {name}\s+= (.*)$", self.body)
        return found[1] if found else None

    def text(self, name: str) -> str:
        """Return the unescaped value of a string argument; empty if there is none."""
        return (self.argument(name) or '""')[1:-1].replace('\\"', '"')


def blocks(root: str, kind: str) -> Iterator[HclBlock]:
    """Yield every ``kind`` block of a root module, in the order of its files and lines."""
    for path in sorted((TERRAFORM / root).glob("*.tf")):
        for found in re.finditer(rf'(?ms)^{kind}((?: "[^"]+")*) {{\n(.*?)^}}', path.read_text()):
            yield HclBlock(tuple(re.findall(r'"([^"]+)"', found[1])), found[2])


def strings(root: str, name: str) -> set[str]:
    """Return the strings of the list or map ``name`` in a ``locals`` block."""
    for block in blocks(root, "locals"):
        found = re.search(rf"(?ms)^  {name}\s+= [\[{{](.*?)[\]}}]", block.body)
        if found:
            return set(re.findall(r'"([^"]+)"', found[1]))
    raise AssertionError(f"terraform/{root} has no local.{name}")
