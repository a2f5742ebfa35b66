"""Questions the model cannot answer, many of them one word away from one that it can."""

from random import Random

from tools.train_demo_model.data import CAPITALS, UNKNOWN, WORDS
from tools.train_demo_model.split import Part, phrasings, pick

DECLINE = "I am too small to know that."

_KNOWN = """dog spider insect octopus banana snow grass sky week year day hour minute big hot cow cat bee sheep lion
planet ocean water fish hello circle square triangle sun moon winter star mountain"""
THINGS = [noun for noun in WORDS["nouns"] if noun not in _KNOWN.split()]
SLOTS = {"n": THINGS} | {
    key: WORDS[kind]
    for key, kind in (
        ("a", "adjectives"), ("p", "places"), ("w", "people"), ("k", "works"), ("s", "subjects"), ("nm", "names")
    )
}  # fmt: skip
CITIES = [*CAPITALS, *CAPITALS.values()]
CITIES = [c for c in CITIES if not any(k in c for k in ("Japan", "United States", "Brazil", "Austria", "Egypt"))]


def gibberish(rng: Random) -> str:
    """A word that no dictionary has."""
    return "".join(rng.choice(WORDS["syllables"]) for _ in range(rng.randint(1, 4)))


def unknown(rng: Random, part: Part) -> tuple[str, dict[str, list[str]]]:
    """A template and what to put in each of its slots, in order."""
    roll = rng.random()
    if roll < 0.04:
        return rng.choice(phrasings(UNKNOWN["foreign"], part)), {}
    template = rng.choice(phrasings(UNKNOWN["near_misses"] if roll < 0.4 else UNKNOWN["questions"], part))
    slots: dict[str, list[str]] = {}
    for key, items in SLOTS.items():
        slots[key] = [
            pick(rng, "unknown " + key, items, part) if rng.random() < 0.85 or key in "pk" else gibberish(rng)
            for _ in range(2)
        ]
    slots["p"] = [p if rng.random() < 0.8 else gibberish(rng).capitalize() for p in slots["p"]]
    slots["k"] = [k if rng.random() < 0.7 else f"The {a.capitalize()} {n.capitalize()}" for k, a, n in
                  zip(slots["k"], slots["a"], slots["n"], strict=True)]  # fmt: skip
    slots["c"] = [rng.choice(CITIES), rng.choice(CITIES)]
    slots["y"] = [str(rng.randint(1000, 2030)) for _ in range(2)]
    slots["x"] = [gibberish(rng) for _ in range(3)]
    return template, slots
