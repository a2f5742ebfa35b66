"""Simulation against queueing theory, and the platforms' rules one by one."""

import numpy as np
import pytest

from function.capacity.lengths import ConstantLengths, LognormalLengths
from function.capacity.platforms import CLOUD_RUN, LAMBDA, Platform
from function.capacity.quantiles import Quantiles
from function.capacity.simulation import PING_SECONDS, Scaling, SimulationResult, Speeds, simulate
from function.capacity.traffic import (
    DAILY,
    MINUTES_PER_WEEK,
    WEEK_SECONDS,
    WEEKLY,
    PoissonArrivals,
    RecordedArrivals,
    Spike,
    weekly_rates,
)
from tests.queueing_theory import (
    NO_PROMPT,
    Comparison,
    compare_bounded_queue,
    compare_erlang_b,
    compare_erlang_c,
    compare_pollaczek_khinchine,
)


@pytest.mark.parametrize(
    ("instances", "load", "seeds"),
    [(1, 0.5, 4), (3, 0.6, 4), pytest.param(10, 0.8, 40, marks=pytest.mark.slow)],
)
def test_waits_follow_erlang_c(instances: int, load: float, seeds: int) -> None:
    assert_close(compare_erlang_c(instances, load, seeds))


@pytest.mark.parametrize(("instances", "load"), [(1, 0.7), (3, 0.9)])
def test_refusals_follow_erlang_b_whatever_the_distribution(instances: int, load: float) -> None:
    assert_close(compare_erlang_b(instances, load, seeds=2))


@pytest.mark.parametrize(("instances", "load", "queue_size"), [(1, 0.8, 2), (3, 1.1, 2)])
def test_refusals_follow_the_bounded_queue(instances: int, load: float, queue_size: int) -> None:
    assert_close(compare_bounded_queue(instances, load, queue_size, seeds=4))


@pytest.mark.parametrize("squared_variation", [0.0, 0.5])
def test_waits_follow_pollaczek_khinchine(squared_variation: float) -> None:
    assert_close(compare_pollaczek_khinchine(0.6, squared_variation, seeds=4))


def assert_close(comparisons: list[Comparison]) -> None:
    """Check each simulated value within 2 % of its formula."""
    for each in comparisons:
        assert each.simulated == pytest.approx(each.formula, rel=0.02), each


def recorded(
    times: list[float],
    platform: Platform,
    scaling: Scaling,
    *,
    cold: float = 4.0,
    service: float = 2.0,
    end: float = 1e5,
) -> SimulationResult:
    """Simulate requests at ``times`` that take ``service`` seconds each; starts take 4 s, tokens 0.1 s."""
    speeds = Speeds(4.0, 1e12, 10.0)
    replies = ConstantLengths(10 * service)
    return simulate(RecordedArrivals(np.array(times), end), NO_PROMPT, replies, speeds, platform, scaling)


def test_first_request_waits_for_the_cold_start_and_the_next_does_not() -> None:
    outcome = recorded([10.0, 100.0], CLOUD_RUN, Scaling(3))
    assert (outcome.starts, outcome.cold, outcome.refused) == (1, 1, 0)
    assert outcome.first_token.quantile(1.0) == pytest.approx(4.1, rel=0.01)
    assert outcome.first_token.quantile(0.5) == pytest.approx(0.1, rel=0.01)
    assert outcome.wait.mean == pytest.approx(2.0)


def test_idle_instances_end_after_their_time() -> None:
    outcome = recorded([10.0, 1000.0], CLOUD_RUN, Scaling(3, idle_seconds=900))
    assert outcome.starts == 2
    assert outcome.live_seconds == pytest.approx(2 * (4 + 2 + 900))
    assert recorded([10.0, 900.0], CLOUD_RUN, Scaling(3, idle_seconds=900)).starts == 1


def test_request_takes_an_instance_that_becomes_free_before_its_own_is_ready() -> None:
    scaling = Scaling(2)
    outcome = recorded([10.0, 15.0], CLOUD_RUN, scaling, service=3)  # free at 17; a second one is ready at 19
    assert (outcome.starts, outcome.cold) == (2, 1)
    assert outcome.wait.mean == pytest.approx((4 + 2) / 2)
    bound = recorded([10.0, 15.0], LAMBDA, scaling, service=3)
    assert (bound.starts, bound.cold, bound.wait.mean) == (2, 2, 4.0)


def test_requests_beyond_the_maximum_wait_or_are_refused() -> None:
    times = [10.0, 10.1, 10.2]
    assert recorded(times, LAMBDA, Scaling(1)).refused == 2
    patient = recorded(times, CLOUD_RUN, Scaling(1))  # they wait up to 14 s: 3.5 cold starts
    assert (patient.refused, patient.served) == (0, 3)
    assert recorded(times, CLOUD_RUN, Scaling(1), service=9).refused == 1


def test_minimum_instances_are_ready_and_billed_while_idle() -> None:
    outcome = recorded([10.0, 10.5], CLOUD_RUN, Scaling(3, 1))
    assert (outcome.starts, outcome.cold) == (1, 0)  # the first takes the warm one and is done before the second's is
    assert outcome.warm_seconds == pytest.approx(1e5 - 4.0, abs=0.2)
    assert outcome.live_seconds == pytest.approx(1e5 + 4 + 900, abs=3)


def test_pings_keep_an_instance_and_are_no_requests() -> None:
    pings = [600.0 * number for number in range(1, 160)]
    outcome = recorded([50_000.0], CLOUD_RUN, Scaling(3, pings=pings))
    assert (outcome.requests, outcome.cold, outcome.starts, outcome.pings) == (1, 0, 1, 159)
    assert outcome.billed_seconds == pytest.approx(4 + 2 + 159 * 0.1, abs=0.11)
    assert PING_SECONDS < 0.1


def test_same_seed_gives_the_same_outcome() -> None:
    def run(seed: int) -> tuple[int, float, float]:
        rates = weekly_rates(30, DAILY["office"], WEEKLY["workdays"])
        arrivals = PoissonArrivals(rates, WEEK_SECONDS)
        lengths = LognormalLengths(100, 400)
        outcome = simulate(arrivals, lengths, lengths, Speeds(5, 100, 20), CLOUD_RUN, Scaling(3), seed=seed)
        return outcome.requests, outcome.first_token.sum, outcome.billed_seconds

    assert run(7) == run(7) != run(8)


def test_traffic_follows_its_shape() -> None:
    rates = weekly_rates(60, DAILY["office"], WEEKLY["workdays"], [Spike(2 * 1440 + 20 * 60, 500, 30)])
    assert rates.sum() == pytest.approx(60 * 168 + 500)
    arrivals = PoissonArrivals(rates, 10 * WEEK_SECONDS)
    times = np.concatenate(list(arrivals.chunks(np.random.default_rng(1))))
    assert (np.diff(times) >= 0).all()
    assert len(times) == pytest.approx(10 * (60 * 168 + 500), rel=0.02)
    days = (times % WEEK_SECONDS) // 86_400
    assert not (days >= 5).any()
    spike = (days == 2) & ((times % 86_400) // 60 >= 20 * 60) & ((times % 86_400) // 60 < 20 * 60 + 30)
    assert spike.sum() == pytest.approx(10 * (500 + rates[: 24 * 60].sum() * 0.1 / sum(DAILY["office"]) / 2), rel=0.05)


def test_no_traffic_costs_no_instance() -> None:
    arrivals = PoissonArrivals(np.zeros(MINUTES_PER_WEEK), WEEK_SECONDS)
    outcome = simulate(arrivals, NO_PROMPT, NO_PROMPT, Speeds(5, 100, 20), CLOUD_RUN, Scaling(3))
    assert (outcome.requests, outcome.starts, outcome.billed_seconds) == (0, 0, 0)
    assert outcome.first_token.quantile(0.95) == 0


def test_quantiles_are_right_within_their_bins() -> None:
    values = np.random.default_rng(1).lognormal(1, 1.5, 100_000)
    quantiles = Quantiles()
    for part in np.array_split(values, 7):
        quantiles.add(part)
    for share in (0.01, 0.5, 0.95, 0.999):
        assert quantiles.quantile(share) == pytest.approx(float(np.quantile(values, share)), rel=0.01)
    assert quantiles.mean == pytest.approx(float(values.mean()))
