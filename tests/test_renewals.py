"""Renewals: state that instance copies must not share."""

import random

from function.lifecycle.renewals import Renewals
from function.observability.timings import PhaseTimings


def test_copies_of_one_process_draw_different_numbers() -> None:
    state = random.getstate()
    drawn = set()
    for _ in range(3):
        random.setstate(state)  # as each copy of the process has it
        Renewals().run()
        drawn.add(random.random())
    assert len(drawn) == 3


def test_renewals_run_in_the_order_of_their_registration() -> None:
    renewed: list[str] = []
    renewals = Renewals()
    renewals.add("key", lambda: renewed.append("key"))
    renewals.add("clocks", lambda: renewed.append("clocks"))
    assert renewals.run() == ["seeds", "key", "clocks"]
    assert renewed == ["key", "clocks"]


def test_cleared_timings_have_no_phase_and_no_end_of_one() -> None:
    timings = PhaseTimings()
    timings["load"] = 1.0
    timings.clear()
    assert (timings, timings.ended) == ({}, {})
