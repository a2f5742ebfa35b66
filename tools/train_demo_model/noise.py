"""How people type: openings, politeness, case, missing punctuation, slips."""

import re
from random import Random

OPENINGS = ["hey, ", "hi, ", "ok, ", "so, ", "please, ", "quick question: ", "tell me, ", "now ", "and ", "well, ",
            "Hello! ", "Hi! ", "ok now ", "one more: ", "thanks. ", "great, ", "cool. ", "Question: ", "i wonder, ",
            "next: ", "then ", "hmm, ", "alright, ", "oh, "]  # fmt: skip
ENDINGS = [" please", ", please", " thanks", "??", "?!", " then", "...", " now", " for me", " ?", "!", " please?"]


def slip(rng: Random, text: str) -> str:
    """One slip of the finger in a word of four letters or more; slots like ``{a}`` stay whole."""
    words = [m for m in re.finditer(r"[A-Za-z]{4,}", text) if not text[: m.start()].endswith("{")]
    if not words:
        return text
    word = rng.choice(words)
    i = rng.randrange(word.start() + 1, word.end() - 1)
    kind = rng.randrange(3)
    if kind == 0:
        return text[:i] + text[i + 1 :]
    if kind == 1:
        return text[:i] + text[i] + text[i:]
    return text[:i] + text[i + 1] + text[i] + text[i + 2 :]


def vary(rng: Random, template: str, *, ending: bool = True, careless: bool = True) -> str:
    """``template`` as one person would type it.

    ``ending`` False keeps its end, where the end is the content; ``careless`` allows slips of the finger and shouting.
    """
    text = template
    if rng.random() < 0.1 and careless:
        text = slip(rng, text)
    if rng.random() < 0.25 and ending:
        text = text.rstrip("?!.") + (rng.choice(ENDINGS) if rng.random() < 0.35 else "")
    if rng.random() < 0.15:
        opening = rng.choice(OPENINGS)
        if text[:1] != "{" and text[1:2] != "'" and rng.random() < 0.7 and not text.startswith("I "):
            text = text[:1].lower() + text[1:]
        text = opening + text
    if rng.random() < 0.3:
        text = re.sub(r"\{\w*\}|[^{}]+", lambda m: m[0] if m[0].startswith("{") else m[0].lower(), text)
    elif rng.random() < 0.03 and careless and "{" not in text:
        text = text.upper()
    return text
