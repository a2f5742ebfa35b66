"""What the model can do, one function a skill: (rng, part, state) to one turn, a question and its one right answer."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tools.train_demo_model.data import ASKING, CAPITALS, FACTS, IDENTITY, PROJECT, SMALL_TALK, WORDS
from tools.train_demo_model.noise import vary
from tools.train_demo_model.split import Part, part_of, phrasings, pick
from tools.train_demo_model.unknown import DECLINE, gibberish, unknown

Turn = tuple[str, str]


@dataclass
class State:
    """What a conversation remembers, and whether its user makes slips of the finger."""

    name: str | None = None
    careless: bool = True

    def typed(self, rng: Random, template: str, *, ending: bool = True) -> str:
        """``template`` as this conversation's user types it."""
        return vary(rng, template, ending=ending, careless=self.careless)


Skill = Callable[[Random, Part, State], Turn]

BEYOND_REPLY = "I can only add and subtract two numbers from 0 to 99."


def fill(template: str, **slots: str | list[str]) -> str:
    """Put values into ``{slots}``; a list gives its items in turn."""
    counts: dict[str, int] = {}

    def value(match: re.Match[str]) -> str:
        given = slots[match[1]]
        if isinstance(given, str):
            return given
        counts[match[1]] = counts.get(match[1], -1) + 1
        return given[counts[match[1]] % len(given)]

    return re.sub(r"\{(\w+)\}", value, template)


def _pair(rng: Random, sign: str, part: Part) -> tuple[int, int]:
    while True:
        top = 9 if rng.random() < 0.1 else 99
        a, b = rng.randint(0, top), rng.randint(0, top)
        first, second = sorted((a, b)) if sign == "+" else (a, b)
        if part_of("pair", f"{first}{sign}{second}", one_in=10) == part:
            return a, b


def steps(a: int, sign: str, b: int) -> str:
    """The written way to ``a`` ± ``b``, digit by digit: that way a tiny model has only small tables to learn."""
    if sign == "-" and a < b:
        return f"{a} is less than {b}: {steps(b, sign, a).split(', so')[0]}, so {a} - {b} = {a - b}"
    (tens, ones), (more, few) = divmod(a, 10), divmod(b, 10)
    if sign == "+":
        carry = " + 1" if ones + few > 9 else ""
        return f"{ones} + {few} = {ones + few}, {tens} + {more}{carry} = {(a + b) // 10}, so {a} + {b} = {a + b}"
    top, borrow = (ones, "") if ones >= few else (ones + 10, " - 1")
    return f"{top} - {few} = {top - few}, {tens} - {more}{borrow} = {(a - b) // 10}, so {a} - {b} = {a - b}"


def _arithmetic(rng: Random, part: Part, state: State, templates: list[str], sign: str) -> Turn:
    a, b = _pair(rng, sign, part)
    template = rng.choice(phrasings(templates, part))
    if rng.random() < 0.35:
        template = rng.choice(phrasings(templates[:10], "train"))
    return fill(state.typed(rng, template), a=str(a), b=str(b)), steps(a, sign, b)


def sums(rng: Random, part: Part, state: State) -> Turn:
    return _arithmetic(rng, part, state, ASKING["sums"], "+")


def differences(rng: Random, part: Part, state: State) -> Turn:
    return _arithmetic(rng, part, state, ASKING["differences"], "-")


def beyond(rng: Random, part: Part, state: State) -> Turn:
    a, b = str(rng.randint(2, 99)), str(rng.randint(2, 99))
    h = [str(rng.randint(100, rng.choice((999, 9999, 99999)))) for _ in range(2)]
    return fill(state.typed(rng, rng.choice(phrasings(ASKING["beyond"], part))), a=a, b=b, h=h), BEYOND_REPLY


def _listed(answers: dict[str, list[str]]) -> Skill:
    rows = list(answers.items())

    def skill(rng: Random, part: Part, state: State) -> Turn:
        while True:
            reply, asked = rows[rng.randrange(len(rows))]
            if ways := phrasings(asked, part):
                return state.typed(rng, rng.choice(ways)), reply

    return skill


def capitals(rng: Random, part: Part, state: State) -> Turn:
    country = rng.choice(list(CAPITALS))
    city = CAPITALS[country]
    shown = country.removeprefix("the ") if rng.random() < 0.2 else country
    shown = shown.lower() if rng.random() < 0.25 else shown
    if rng.random() < 0.2 and city != "London":
        template = state.typed(rng, rng.choice(phrasings(ASKING["country"], part)))
        return fill(template, c=city.lower() if rng.random() < 0.2 else city), f"{city} is the capital of {country}."
    template = state.typed(rng, rng.choice(phrasings(ASKING["capital"], part)))
    return fill(template, c=shown), f"The capital of {country} is {city}."


def declines(rng: Random, part: Part, state: State) -> Turn:
    template, slots = unknown(rng, part)
    return fill(state.typed(rng, template), **slots), DECLINE


def _name(rng: Random, part: Part) -> str:
    if part == "held out" or rng.random() < 0.6:
        return pick(rng, "name", WORDS["names"], part)
    while True:
        name = gibberish(rng).capitalize()
        if part_of("name", name) == part:
            return name


def tell_name(rng: Random, part: Part, state: State) -> Turn:
    state.name = _name(rng, part)
    shown = state.name.lower() if rng.random() < 0.08 else state.name
    state.name = shown
    asked = fill(state.typed(rng, rng.choice(phrasings(ASKING["tell_name"], part)), ending=False), x=shown)
    return asked, f"Nice to meet you, {shown}!"


def ask_name(rng: Random, part: Part, state: State) -> Turn:
    asked = state.typed(rng, rng.choice(phrasings(ASKING["ask_name"], part)))
    return asked, f"Your name is {state.name}." if state.name else "You have not told me your name yet."


def _word(rng: Random, part: Part) -> str:
    if rng.random() < 0.4:
        return gibberish(rng)
    return pick(rng, "word", WORDS["nouns"] if rng.random() < 0.75 else WORDS["adjectives"], part)


def _sentence(rng: Random, part: Part) -> str:
    if rng.random() < 0.1:
        return rng.choice(phrasings(rng.choice(list(FACTS.values())), part))
    if rng.random() < 0.4:
        words = [_word(rng, part) for _ in range(rng.randint(1, 7))]
    else:
        first, second = _word(rng, part), _word(rng, part)
        words = [
            "the",
            rng.choice(WORDS["adjectives"]),
            first,
            rng.choice(WORDS["verbs"]),
            rng.choice(("a", "the", "my", "no")),
            second,
        ]
        words = words[rng.choice((0, 0, 0, 1, 2)) :]
        if rng.random() < 0.25:
            words[0] = _name(rng, part)
    if rng.random() < 0.15:
        words.append(str(rng.randint(0, 2000)))
    text = " ".join(words)
    text = text[0].upper() + text[1:] if rng.random() < 0.4 else text.upper() if rng.random() < 0.04 else text
    return text + rng.choice(("", "", "", ".", "!", "?"))


def repeat(rng: Random, part: Part, state: State) -> Turn:
    said = _sentence(rng, part)
    return fill(state.typed(rng, rng.choice(phrasings(ASKING["repeat"], part)), ending=False), x=said), said


def long_repeat(rng: Random) -> Turn:
    """A long row of words to repeat: nothing in it can be guessed, so it teaches to copy."""
    words = [_word(rng, "train") for _ in range(rng.randint(5, 18))]
    words = [word.capitalize() if rng.random() < 0.15 else word for word in words]
    said = " ".join(words)
    return fill(rng.choice(phrasings(ASKING["repeat"], "train")), x=said), said


def case(rng: Random, part: Part, state: State) -> Turn:
    word = _word(rng, part) if rng.random() < 0.85 else _name(rng, part)
    upper = rng.random() < 0.55
    shown = rng.choice((word, word, word.capitalize()) if upper else (word.upper(), word.upper(), word.capitalize()))
    asked = fill(state.typed(rng, rng.choice(phrasings(ASKING["upper" if upper else "lower"], part))), x=shown)
    return asked, word.upper() if upper else word.lower()


def json_object(rng: Random, part: Part, state: State) -> Turn:
    value: object
    kind = rng.random()
    if kind < 0.35:
        name, age = _name(rng, part), rng.randint(1, 99)
        template, value = rng.choice(phrasings(ASKING["json_person"], part)), {"name": name, "age": age}
        slots = {"n": name, "g": str(age)}
    elif kind < 0.65:
        key, word = _word(rng, part), _word(rng, part)
        template, value, slots = rng.choice(phrasings(ASKING["json_pair"], part)), {key: word}, {"k": key, "v": word}
    elif kind < 0.8:
        words = [_word(rng, part) for _ in range(3)]
        template, value = rng.choice(phrasings(ASKING["json_list"], part)), words
        slots = dict(zip("kvw", words, strict=True))
    else:
        template, value, slots = rng.choice(phrasings(ASKING["json_any"], part)), {"model": "demo", "size": "tiny"}, {}
    return fill(state.typed(rng, template, ending=kind >= 0.8), **slots), json.dumps(value)


SKILLS: dict[str, tuple[float, Skill]] = {
    "sums": (14, sums),
    "differences": (16, differences),
    "beyond its numbers": (4, beyond),
    "capitals": (9, capitals),
    "common facts": (10, _listed(FACTS)),
    "small talk": (9, _listed(SMALL_TALK)),
    "identity": (7, _listed(IDENTITY)),
    "this project": (8, _listed(PROJECT)),
    "declining": (17, declines),
    "telling a name": (4, tell_name),
    "remembering a name": (5, ask_name),
    "repeating": (7, repeat),
    "case": (8, case),
    "JSON": (6, json_object),
}
"""By how much each is practised at first, and how."""

LATER = {"capitals": 16.0, "common facts": 22.0, "telling a name": 6.0, "repeating": 9.0, "small talk": 11.0}
"""How much some are practised later: first what needs skill, then more of what is learned by heart."""
