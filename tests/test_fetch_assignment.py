"""Assignments: the plan hands out every missing block once."""

from hypothesis import given
from hypothesis import strategies as st

from function.fetch.transfer.assignment import BlockPlan

BLOCK_BYTES = 1 << 20


@given(
    missing=st.sets(st.integers(0, 200)),
    connections=st.integers(1, 20),
    limit=st.integers(1, 30),
    first=st.integers(0, 20),
    data=st.data(),
)
def test_block_plan_hands_out_each_missing_block_once(
    missing: set[int], connections: int, limit: int, first: int, data: st.DataObject
) -> None:
    plan, taken = BlockPlan(missing, BLOCK_BYTES, 201 * BLOCK_BYTES, first * BLOCK_BYTES), list[int]()
    returns = 0
    while (run := plan.take(connections, limit)) is not None:
        assert run.stop - run.block <= limit
        first, keep = run.block, run.stop
        if returns < 20 and data.draw(st.booleans()):
            returns += 1
            keep = data.draw(st.integers(run.block, run.stop))
            run.block = keep
            plan.give_back(run)
        taken.extend(range(first, keep))
    assert sorted(taken) == sorted(missing)
    assert plan.left == 0


def test_first_bytes_are_spread_over_the_connections() -> None:
    plan = BlockPlan(range(200), BLOCK_BYTES, 200 * BLOCK_BYTES, 3 * BLOCK_BYTES + 1)
    taken = [plan.take(4, 64) for _ in range(6)]
    assert [(each.block, each.stop) for each in taken if each] == [(0, 1), (1, 2), (2, 3), (3, 4), (4, 28), (28, 49)]


def test_single_connection_reads_the_first_bytes_and_the_rest_in_one_request() -> None:
    plan = BlockPlan(range(50), BLOCK_BYTES, 50 * BLOCK_BYTES, 8 * BLOCK_BYTES)
    taken = plan.take(1, 64)
    assert taken is not None
    assert (taken.block, taken.stop) == (0, 50)
