"""What training must never see: decided by the text alone, so that no seed can leak it."""

import zlib
from collections.abc import Sequence
from random import Random
from typing import Literal, TypeVar

Part = Literal["train", "held out"]
T = TypeVar("T")


def part_of(kind: str, text: str, *, one_in: int = 8) -> Part:
    """Which part the item ``text`` of ``kind`` belongs to; about one in ``one_in`` is held out."""
    return "held out" if zlib.crc32(f"{kind}:{text}".encode()) % one_in == 0 else "train"


def pick(rng: Random, kind: str, items: Sequence[str], part: Part) -> str:
    """A random item of ``items`` that belongs to ``part``."""
    while True:
        item = items[rng.randrange(len(items))]
        if part_of(kind, item) == part:
            return item


def phrasings(items: Sequence[T], part: Part) -> Sequence[T]:
    """Of the ways to say one thing every fifth, from the fourth on, is held out."""
    return [item for i, item in enumerate(items) if (i % 5 == 3) == (part == "held out")]
