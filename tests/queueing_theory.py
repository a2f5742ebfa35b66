"""Queueing theory for the capacity simulation: the systems with a known answer, simulated and computed."""

import math
from typing import NamedTuple

import numpy as np

from function.capacity.lengths import ConstantLengths, ExponentialLengths, Lengths, LognormalLengths
from function.capacity.platforms import LAMBDA, QUEUE, Platform
from function.capacity.simulation import Scaling, Speeds, simulate
from function.capacity.traffic import MINUTES_PER_WEEK, PoissonArrivals

SERVICE_SECONDS = 5.0
NO_PROMPT = ConstantLengths(1e-9)
TOKENS_PER_SECOND = 10.0
REQUESTS_PER_SEED = 250_000


class MeanOutcome(NamedTuple):
    """Mean wait in seconds, and the shares of requests that wait and that are refused."""

    wait_seconds: float
    waiting: float
    refused: float


def simulate_mean(
    instances: int, load: float, replies: Lengths, platform: Platform, seeds: int, queue_size: float = math.inf
) -> MeanOutcome:
    """Return the means over ``seeds`` runs of 250,000 requests each, without cold starts."""
    speeds = Speeds(0.0, 1e12, TOKENS_PER_SECOND)
    scaling = Scaling(instances, instances, math.inf, queue_size=queue_size)
    rate = load * instances / SERVICE_SECONDS
    arrivals = PoissonArrivals(np.full(MINUTES_PER_WEEK, rate * 60), REQUESTS_PER_SEED / rate)
    outcomes = []
    for seed in range(seeds):
        run = simulate(arrivals, NO_PROMPT, replies, speeds, platform, scaling, seed=seed)
        outcomes.append((run.wait.mean, 1 - run.wait.share_of_zero, run.refused / run.requests))
    return MeanOutcome(*(float(mean) for mean in np.mean(outcomes, axis=0)))


def exponential() -> Lengths:
    """Return replies of an exponential length."""
    return ExponentialLengths(TOKENS_PER_SECOND * SERVICE_SECONDS)


def constant() -> Lengths:
    """Return replies of one length."""
    return ConstantLengths(TOKENS_PER_SECOND * SERVICE_SECONDS)


def lognormal(squared_variation: float) -> Lengths:
    """Return replies of a lognormal length with this squared coefficient of variation."""
    sigma = math.sqrt(math.log(1 + squared_variation))
    median = TOKENS_PER_SECOND * SERVICE_SECONDS / math.exp(sigma**2 / 2)
    return LognormalLengths(median, median * math.exp(1.6448536269514722 * sigma))


def erlang_b(instances: int, erlangs: float) -> float:
    """Return the share of requests that M/G/c/c loses."""
    blocked = 1.0
    for count in range(1, instances + 1):
        blocked = erlangs * blocked / (count + erlangs * blocked)
    return blocked


def erlang_c(instances: int, erlangs: float) -> float:
    """Return the share of requests that wait in M/M/c."""
    blocked = erlang_b(instances, erlangs)
    return blocked / (1 - erlangs / instances * (1 - blocked))


def pollaczek_khinchine(load: float, squared_variation: float) -> float:
    """Return the mean wait in M/G/1, in seconds."""
    return load * SERVICE_SECONDS * (1 + squared_variation) / (2 * (1 - load))


def refused_by_queue(instances: int, erlangs: float, length: int) -> float:
    """Return the share of requests that M/M/c/K loses, with ``length`` places to wait."""
    weights = [1.0]
    for count in range(1, instances + length + 1):
        weights.append(weights[-1] * erlangs / min(count, instances))
    return weights[-1] / sum(weights)


class Comparison(NamedTuple):
    """One quantity of one system: simulated, and by its formula."""

    system: str
    quantity: str
    simulated: float
    formula: float


def compare_erlang_c(instances: int, load: float, seeds: int) -> list[Comparison]:
    """Compare M/M/c: the share that waits, and the mean wait."""
    run = simulate_mean(instances, load, exponential(), QUEUE, seeds)
    share = erlang_c(instances, instances * load)
    wait = share * SERVICE_SECONDS / (instances * (1 - load))
    system = f"M/M/{instances}, load {load}"
    return [
        Comparison(system, "share that waits", run.waiting, share),
        Comparison(system, "mean wait, s", run.wait_seconds, wait),
    ]


def compare_erlang_b(instances: int, load: float, seeds: int) -> list[Comparison]:
    """Compare M/M/c/c and M/D/c/c: the share refused does not depend on the distribution of the lengths."""
    share = erlang_b(instances, instances * load)
    return [
        Comparison(
            f"M/{letter}/{instances}/{instances}, load {load}",
            "share refused",
            simulate_mean(instances, load, replies, LAMBDA, seeds).refused,
            share,
        )
        for letter, replies in (("M", exponential()), ("D", constant()))
    ]


def compare_bounded_queue(instances: int, load: float, queue_size: int, seeds: int) -> list[Comparison]:
    """Compare M/M/c/K: the share refused with ``queue_size`` places for each instance."""
    length = queue_size * instances
    run = simulate_mean(instances, load, exponential(), QUEUE, seeds, queue_size)
    system = f"M/M/{instances}/{instances + length}, load {load}"
    return [Comparison(system, "share refused", run.refused, refused_by_queue(instances, instances * load, length))]


def compare_pollaczek_khinchine(load: float, squared_variation: float, seeds: int) -> list[Comparison]:
    """Compare M/G/1: the mean wait."""
    wait = simulate_mean(1, load, lognormal(squared_variation), QUEUE, seeds).wait_seconds
    system = f"M/G/1, load {load}, squared variation {squared_variation}"
    return [Comparison(system, "mean wait, s", wait, pollaczek_khinchine(load, squared_variation))]
