"""Assignments: the plan hands out every missing block once."""

from hypothesis import given
from hypothesis import strategies as st

from function.fetch.transfer.assignment import BlockPlan

BLOCK_BYTES = 1 << 20


@given(missing=st.sets(st.integers(0, 200)), connections=st.integers(1, 20), limit=st.integers(1, 30), data=st.data())
def test_block_plan_hands_out_each_missing_block_once(
    missing: set[int], connections: int, limit: int, data: st.DataObject
) -> None:
    plan, taken = BlockPlan(missing, BLOCK_BYTES, 201 * BLOCK_BYTES), list[int]()
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
