"""Drafts: their tokens, their lengths, and their end where they fail."""

from random import Random

import pytest

from function.engine.drafter import MIN_MATCH_TOKENS, Drafter

TEXT = tuple(range(100, 160))
"""Tokens without repetition."""


def copy(prompt: tuple[int, ...], reply: tuple[int, ...]) -> tuple[Drafter, int]:
    """Write ``reply`` with drafts; return the drafter, and the number of batches."""
    drafter = Drafter(prompt)
    done, batches = 0, 0
    while done < len(reply):
        drafter.add(reply[done])  # sampled from the last batch
        done += 1
        draft = drafter.draft(len(reply) - done)
        accepted = next((i for i, token in enumerate(draft) if reply[done + i] != token), len(draft))
        for token in draft[:accepted]:
            drafter.add(token)
        if draft:
            drafter.report(len(draft), accepted)
        done += accepted
        batches += 1
    return drafter, batches


RUN = (1, 2, 3, 4, 5, 6)


def test_draft_is_the_continuation_of_the_latest_occurrence() -> None:
    drafter = Drafter((*RUN, 20, *RUN, 30, 31, 32, 33, *RUN))
    assert drafter.draft(15) == [30, 31, 32]
    assert drafter.draft(2) == [30, 31]
    assert drafter.draft(0) == []


def test_longest_occurrence_is_preferred() -> None:
    assert Drafter((7, *RUN, 20, 21, 22, 8, *RUN, 30, 31, 32, 7, *RUN)).draft(15) == [20, 21, 22]


def test_run_shorter_than_six_tokens_has_no_draft() -> None:
    assert Drafter((*RUN[1:], 20, 21, *RUN[1:])).draft(15) == []


def test_draft_of_a_circle_continues_it() -> None:
    drafter = Drafter((1, 2) * 6)
    assert drafter.draft(15) == [1, 2, 1]
    drafter.report(3, 3)
    assert drafter.draft(15) == [1, 2, 1, 2, 1, 2, 1], "a success makes the next one longer"


def test_text_without_repetition_has_no_draft() -> None:
    drafter, batches = copy(TEXT, tuple(range(200, 300)))
    assert (drafter.drafted, batches) == (0, 100)
    assert Drafter(()).draft(5) == Drafter(TEXT[:MIN_MATCH_TOKENS]).draft(5) == []


def test_copy_is_drafted_in_growing_batches() -> None:
    drafter, batches = copy(TEXT, TEXT)
    assert drafter.accepted == drafter.drafted == len(TEXT) - batches
    # Six tokens alone, then 4, 8 and 16 at once, and the rest.
    assert batches <= MIN_MATCH_TOKENS + 5


def test_loop_of_one_token_is_drafted() -> None:
    drafter, batches = copy(TEXT, (7,) * 100)
    assert drafter.accepted > 80
    assert batches < 20


def test_edited_copy_continues_after_the_edit() -> None:
    edited = (*TEXT[:20], 999, *TEXT[21:])
    drafter, batches = copy(TEXT, edited)
    assert drafter.accepted > 30
    assert batches < len(edited) // 2


def test_drafts_end_after_a_few_that_fail() -> None:
    """Runs of six tokens repeat, and the seventh is always another one."""
    reply = tuple(token for number in range(60) for token in (*RUN, 1000 + number))
    drafter, _ = copy((), reply)
    assert drafter.accepted == 0
    assert drafter.drafted == 3, "one, and then a longer run is needed"


@pytest.mark.parametrize("seed", range(5))
def test_drafts_of_random_text_cost_little(seed: int) -> None:
    """Each draft that fails makes the next one need a longer run, up to one that random text does not have."""
    random = Random(seed)
    reply = tuple(random.choices(range(5), k=400))
    drafter, batches = copy((), reply)
    assert drafter.drafted - drafter.accepted < 40
    assert batches <= len(reply)


def test_success_after_failures_is_drafted_again() -> None:
    failing = tuple(token for number in range(9) for token in (*RUN, 1000 + number))
    drafter, _ = copy(TEXT, failing)
    failed = drafter.drafted
    for token in TEXT[:MIN_MATCH_TOKENS]:
        drafter.add(token)
    assert drafter.draft(15) == [], "the run is too short after failures"
    for token in TEXT[MIN_MATCH_TOKENS:32]:
        drafter.add(token)
    draft = drafter.draft(15)
    assert draft == list(TEXT[32 : 32 + len(draft)])
    assert len(draft) == 3, "a short one, to see"
    drafter.report(len(draft), len(draft))
    assert drafter.drafted == failed + len(draft)
