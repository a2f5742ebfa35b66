"""The number of connections follows what they bring; the plan covers every block once."""

from hypothesis import given
from hypothesis import strategies as st

from function.fetch import Policy
from function.fetch.transfer.blocks import BlockPlan, BlockRange, block_size
from function.fetch.transfer.concurrency import ConcurrencyProbe, laggards

POLICY = Policy()


def settle(*, each: float, most: float) -> int:
    climb = ConcurrencyProbe(POLICY)
    for _ in range(20):
        climb.review(min(climb.connections * each, most))
    return climb.connections


def test_connections_grow_while_each_brings_its_share() -> None:
    assert settle(each=80e6, most=1e12) == POLICY.max_connections


def test_connections_settle_when_the_wire_is_full() -> None:
    assert settle(each=80e6, most=1e9) == 24


def test_a_busy_store_gets_fewer_and_no_new_trial() -> None:
    climb = ConcurrencyProbe(POLICY)
    assert climb.back_off() == 12
    assert climb.review(1e12) == 12
    for _ in range(50):
        climb.back_off()
    assert climb.connections == 1


def test_a_connection_far_below_the_others_is_a_laggard() -> None:
    assert laggards({"a": 100, "b": 110, "c": 90, "d": 5}, POLICY) == {"d"}
    assert laggards({"a": 100, "b": 110, "c": 90, "d": 40}, POLICY) == set()
    assert laggards({"a": 100, "b": 1}, POLICY) == set()
    assert laggards({"a": 0, "b": 0, "c": 0, "d": 0}, POLICY) == set()


@given(missing=st.sets(st.integers(0, 200)), connections=st.integers(1, 20), most=st.integers(1, 30), data=st.data())
def test_every_missing_block_is_taken_once_whatever_comes_back(
    missing: set[int], connections: int, most: int, data: st.DataObject
) -> None:
    plan, taken = BlockPlan(missing), list[int]()
    returns = 0
    while (run := plan.take(connections, most)) is not None:
        assert run.last - run.first <= most
        keep = run.last
        if returns < 20 and data.draw(st.booleans()):
            returns += 1
            keep = data.draw(st.integers(run.first, run.last))
            plan.give_back(BlockRange(keep, run.last))
        taken.extend(range(run.first, keep))
    assert sorted(taken) == sorted(missing)
    assert plan.left == 0


@given(size=st.integers(0, 1 << 44))
def test_blocks_are_enough_for_all_connections_and_within_bounds(size: int) -> None:
    block = block_size(size, POLICY)
    assert POLICY.min_block <= block <= POLICY.max_block
    if block > POLICY.min_block:
        assert size / block >= POLICY.connections * POLICY.blocks_per_connection
