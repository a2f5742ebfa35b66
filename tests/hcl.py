"""Just enough of Terraform's language to compare names: blocks and arguments as `terraform fmt` writes them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOTS = ("gcp", "aws")
TERRAFORM = Path(__file__).parent.parent / "terraform"


@dataclass(frozen=True, slots=True)
class Block:
    """A block at the beginning of a line: its labels, and its text up to the brace that closes it."""

    labels: tuple[str, ...]
    body: str

    def argument(self, name: str) -> str | None:
        """The text of an argument that fits on its line."""
        found = re.search(rf"(?m)^  {name}\s+= (.*)$", self.body)
        return found[1] if found else None

    def text(self, name: str) -> str:
        """The value of a string argument, with its escapes undone; empty if it is not there."""
        return (self.argument(name) or '""')[1:-1].replace('\\"', '"')


def blocks(root: str, kind: str) -> Iterator[Block]:
    """Every ``kind`` block of a root module, in the order of its files and lines."""
    for path in sorted((TERRAFORM / root).glob("*.tf")):
        for found in re.finditer(rf'(?ms)^{kind}((?: "[^"]+")*) {{\n(.*?)^}}', path.read_text()):
            yield Block(tuple(re.findall(r'"([^"]+)"', found[1])), found[2])


def strings(root: str, name: str) -> set[str]:
    """The strings of a list or map that a ``locals`` block calls ``name``."""
    for block in blocks(root, "locals"):
        found = re.search(rf"(?ms)^  {name}\s+= [\[{{](.*?)[\]}}]", block.body)
        if found:
            return set(re.findall(r'"([^"]+)"', found[1]))
    raise AssertionError(f"terraform/{root} has no local.{name}")
