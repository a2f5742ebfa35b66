"""Recommendation: the cheapest settings that hold a target, found by simulating each candidate."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from function.capacity.costs import MonthlyCost, monthly_cost
from function.capacity.lengths import Lengths
from function.capacity.platforms import PLATFORMS
from function.capacity.schedule import ping_minutes, ping_times
from function.capacity.simulation import Scaling, SimulationResult, Speeds, simulate
from function.capacity.traffic import Arrivals
from function.sizing.deployment import InstanceSize
from function.sizing.prices import Prices

SCHEDULES = (None, "*/10 7-18 * * 1-5", "*/10 * * * *")
MOST_REFUSED = 0.001  # share of requests


@dataclass(frozen=True, slots=True)
class Candidate:
    """Settings of one deployment; ``schedule`` is the cron expression of warmup pings."""

    size: InstanceSize
    speeds: Speeds
    max_instances: int
    min_instances: int = 0
    schedule: str | None = None
    idle_seconds: float = 900.0
    queue_size: float = math.inf


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A candidate, its simulated outcome and its cost."""

    candidate: Candidate
    outcome: SimulationResult
    cost: MonthlyCost

    def holds(self, p95_first_token_seconds: float) -> bool:
        """Return True if 95 % of first tokens come in time and at most 0.1 % of requests are refused."""
        in_time = self.outcome.first_token.quantile(0.95) <= p95_first_token_seconds
        return in_time and self.outcome.refused <= MOST_REFUSED * self.outcome.requests


@dataclass(frozen=True, slots=True)
class Workload:
    """Traffic and lengths, the same for all candidates; ``seed`` makes them draw the same requests."""

    arrivals: Arrivals
    prompts: Lengths
    replies: Lengths
    model_bytes: int
    seed: int = 1


def evaluate(workload: Workload, candidate: Candidate, prices: Prices) -> Evaluation:
    """Simulate one candidate. Raises SettingsError for a schedule that is not a cron expression."""
    minutes = ping_minutes(candidate.schedule) if candidate.schedule else []
    scaling = Scaling(
        candidate.max_instances,
        candidate.min_instances,
        candidate.idle_seconds,
        ping_times(minutes, workload.arrivals.seconds),
        candidate.queue_size,
    )
    outcome = simulate(
        workload.arrivals,
        workload.prompts,
        workload.replies,
        candidate.speeds,
        PLATFORMS[candidate.size.platform],
        scaling,
        seed=workload.seed,
    )
    return Evaluation(candidate, outcome, monthly_cost(outcome, candidate.size, workload.model_bytes, prices))


def recommend(
    workload: Workload,
    given: Candidate,
    sizes: Sequence[tuple[InstanceSize, Speeds]],
    prices: Prices,
    p95_first_token_seconds: float,
) -> list[Evaluation]:
    """Return all candidates: those that hold the target by cost, then the others by their 95th percentile.

    Tried: each of ``sizes``, without and with pings, with 0 to 3 minimum instances, and up to 4 times the given
    maximum where requests are refused.
    """
    found = []
    for candidate in _candidates(given, sizes):
        evaluation = evaluate(workload, candidate, prices)
        while (
            evaluation.outcome.refused > MOST_REFUSED * evaluation.outcome.requests
            and candidate.max_instances < 4 * given.max_instances
        ):
            candidate = replace(candidate, max_instances=candidate.max_instances * 2)
            evaluation = evaluate(workload, candidate, prices)
        found.append(evaluation)
    holding = [each for each in found if each.holds(p95_first_token_seconds)]
    missing = [each for each in found if not each.holds(p95_first_token_seconds)]
    return [
        *sorted(holding, key=lambda each: each.cost.total),
        *sorted(missing, key=lambda each: each.outcome.first_token.quantile(0.95)),
    ]


def _candidates(given: Candidate, sizes: Sequence[tuple[InstanceSize, Speeds]]) -> Iterator[Candidate]:
    schedules = dict.fromkeys((given.schedule, *SCHEDULES))
    minimums = sorted({given.min_instances, *range(4)})
    for (size, speeds), schedule, minimum in product(sizes, schedules, minimums):
        if minimum > given.max_instances or (minimum and schedule):  # a warm instance needs no pings
            continue
        yield replace(given, size=size, speeds=speeds, schedule=schedule, min_instances=minimum)
