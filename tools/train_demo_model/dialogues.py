"""Conversations: skills strung together, with and without a system message."""

from random import Random

from tools.train_demo_model.data import ASKING
from tools.train_demo_model.skills import LATER, SKILLS, State, long_repeat
from tools.train_demo_model.split import Part

Message = dict[str, str]

NAMES, WEIGHTS = list(SKILLS), [weight for weight, _ in SKILLS.values()]
LATER_WEIGHTS = [LATER.get(name, weight) for name, (weight, _) in SKILLS.items()]


def turn(rng: Random, skill: str, part: Part, state: State) -> list[Message]:
    """A question and its answer."""
    asked, reply = SKILLS[skill][1](rng, part, state)
    return [{"role": "user", "content": asked}, {"role": "assistant", "content": reply}]


def opening(rng: Random) -> list[Message]:
    """A system message, or most often none."""
    return [{"role": "system", "content": rng.choice(ASKING["system"])}] if rng.random() < 0.3 else []


def conversation(rng: Random, turns: int, *, careless: bool = True, later: bool = False) -> list[Message]:
    """A training conversation of ``turns`` questions; some are arithmetic alone, some repeat one long sentence.

    ``later`` in training there is more to learn by heart, and more conversations are about a name.
    """
    state, kind = State(careless=careless), rng.random()
    if kind < 0.08:
        asked, said = long_repeat(rng)
        return [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]
    if later and kind < 0.22:
        return _about_a_name(rng, state)
    drill = kind > 0.9
    messages = opening(rng)
    for i in range(turns):
        skill = (
            rng.choice(("sums", "differences")) if drill else rng.choices(NAMES, LATER_WEIGHTS if later else WEIGHTS)[0]
        )
        if skill == "remembering a name" and state.name is None and (i == 0 or rng.random() < 0.6):
            skill = "telling a name"
            if i == 0 and rng.random() < 0.3:
                skill = "remembering a name"
        messages += turn(rng, skill, "train", state)
    return messages


def _about_a_name(rng: Random, state: State) -> list[Message]:
    """A name is told and asked for again, at once or later; now and then it was never told."""
    messages = opening(rng)
    told = rng.random() < 0.85
    for skill in (
        *rng.choices(NAMES, WEIGHTS, k=rng.choice((0, 0, 0, 1))),
        *(("telling a name",) if told else ()),
        *rng.choices(NAMES, WEIGHTS, k=rng.choice((0, 0, 0, 1, 1, 2))),
        "remembering a name",
    ):
        messages += turn(rng, skill, "train", state)
    return messages


def question(rng: Random, skill: str, *, careless: bool) -> tuple[list[Message], str]:
    """A held-out question after up to three turns of a training kind, and its right answer."""
    state = State(careless=careless)
    messages = opening(rng)
    before = rng.choice((0, 0, 1, 2, 3))
    for i in range(before):
        messages += turn(rng, rng.choices(NAMES, WEIGHTS)[0] if i else "small talk", "train", state)
    if skill == "remembering a name" and rng.random() < 0.8:
        messages += turn(rng, "telling a name", "held out", state)
        for _ in range(rng.randrange(3)):
            messages += turn(rng, rng.choice(("sums", "capitals", "common facts", "declining")), "train", state)
    *messages, answer = messages + turn(rng, skill, "held out", state)
    return messages, answer["content"]
