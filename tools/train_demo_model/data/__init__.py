"""The texts the dialogues are made of, each file in ``[sections]``; a line that begins with ``#`` is a comment."""

from pathlib import Path


def sections(name: str) -> dict[str, list[str]]:
    """The lines of ``name``.txt by section, in order."""
    found: dict[str, list[str]] = {}
    for line in (Path(__file__).parent / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("[") and line.endswith("]"):
            found[line[1:-1]] = items = []
        elif line and not line.startswith("#"):
            items.append(line)
    return found


WORDS = {kind: " ".join(lines).split(", ") for kind, lines in sections("words").items()}
"""Names, nouns and the rest, by kind."""

ASKING = sections("asking")
"""Ways to ask for each thing that takes values; the fourth and every fifth after it are held out."""

UNKNOWN = sections("unknown")
"""Questions that have no answer here."""

CAPITALS = dict(line.split(": ") for line in sections("capitals")["capitals"])
"""Country to capital."""

FACTS, SMALL_TALK, IDENTITY, PROJECT = (sections(name) for name in ("facts", "small_talk", "identity", "project"))
"""Answer to ways to ask for it; the fourth and every fifth after it are held out."""
