"""Policy: block sizes and the number of connections."""

from hypothesis import given
from hypothesis import strategies as st

from function.fetch.policy import ConcurrencyProbe, Policy, find_laggards

POLICY = Policy()


def settle(*, each: float, limit: float) -> int:
    probe = ConcurrencyProbe(POLICY)
    for _ in range(20):
        probe.review(min(probe.connections * each, limit))
    return probe.connections


def test_connections_grow_while_the_rate_grows() -> None:
    assert settle(each=80e6, limit=1e12) == POLICY.max_connections


def test_connections_settle_when_the_network_is_full() -> None:
    assert settle(each=80e6, limit=1e9) == 24


def test_overloaded_store_gets_fewer_connections_and_no_new_trial() -> None:
    probe = ConcurrencyProbe(POLICY)
    assert probe.back_off() == 12
    assert probe.review(1e12) == 12
    for _ in range(50):
        probe.back_off()
    assert probe.connections == 1


def test_connection_far_slower_than_the_others_is_a_laggard() -> None:
    assert find_laggards({"a": 100, "b": 110, "c": 90, "d": 5}, POLICY) == {"d"}
    assert find_laggards({"a": 100, "b": 110, "c": 90, "d": 40}, POLICY) == set()
    assert find_laggards({"a": 100, "b": 1}, POLICY) == set()
    assert find_laggards({"a": 0, "b": 0, "c": 0, "d": 0}, POLICY) == set()


@given(size=st.integers(0, 1 << 44))
def test_block_size_is_within_bounds_and_feeds_all_connections(size: int) -> None:
    block = POLICY.choose_block_bytes(size)
    assert POLICY.min_block_bytes <= block <= POLICY.max_block_bytes
    if block > POLICY.min_block_bytes:
        assert size / block >= POLICY.connections * POLICY.blocks_per_connection
