"""Policy: block sizes and the number of connections."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from function.errors import ObjectChanged, SourceError
from function.fetch.policy import ConcurrencyProbe, Policy, find_laggards, is_transient

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


@pytest.mark.parametrize(("speedup", "connections"), [(1.14, 24), (1.15, 36), (1.16, 36)])
def test_more_connections_are_tried_while_they_speed_the_fetch_up(speedup: float, connections: int) -> None:
    probe = ConcurrencyProbe(POLICY)
    assert probe.review(1e9) == 24
    assert probe.review(1e9 * speedup) == connections
    assert probe.review(1e9) == (connections if connections == 24 else 36)


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


@pytest.mark.parametrize(
    ("attempt", "retry_after", "least", "most"),
    [
        (1, None, 0.1, 0.2),
        (3, None, 0.4, 0.8),
        (20, None, 5, 10),
        (20, 0.0, 5, 10),
        (20, 0.5, 5, 10),
        (1, 30.0, 30, 30),
        (1, 900.0, 60, 60),
    ],
)
def test_retry_waits_longer_each_time_and_as_long_as_the_store_asks(
    attempt: int, retry_after: float | None, least: float, most: float
) -> None:
    error = SourceError("overloaded", retry_after=retry_after)
    assert all(least <= POLICY.retry_delay(attempt, error) <= most for _ in range(100))


@pytest.mark.parametrize("status", [None, 408, 416, 425, 429, 500, 502, 503, 504])
def test_transient_error_may_pass(status: int | None) -> None:
    assert is_transient(SourceError("unavailable", status_code=status))


def test_error_that_concerns_the_object_does_not_pass() -> None:
    permanent = SourceError("compressed")
    permanent.permanent = True
    errors = [
        permanent,
        ObjectChanged("replaced"),
        SourceError("moved", status_code=302),
        SourceError("no", status_code=400),
    ]
    assert not any(map(is_transient, errors))


@given(size=st.integers(0, 1 << 44))
def test_block_size_is_within_bounds_and_feeds_all_connections(size: int) -> None:
    block = POLICY.choose_block_bytes(size)
    assert POLICY.min_block_bytes <= block <= POLICY.max_block_bytes
    if block > POLICY.min_block_bytes:
        assert size / block >= POLICY.connections * POLICY.blocks_per_connection
