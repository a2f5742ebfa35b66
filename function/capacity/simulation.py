"""Simulation of instances that answer one request at a time, as events in ascending time."""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

import numpy as np

from function.capacity.lengths import Lengths
from function.capacity.platforms import Platform
from function.capacity.quantiles import Quantiles
from function.capacity.traffic import Arrivals, Floats

PING_SECONDS = 0.05  # time that a warmup ping of a ready instance takes
_NEVER = math.inf


@dataclass(frozen=True, slots=True)
class Speeds:
    """Times of one instance: the cold start until a first token is possible, and tokens per second."""

    cold_start_seconds: float
    prefill_per_second: float
    decode_per_second: float


@dataclass(frozen=True, slots=True)
class Scaling:
    """Settings of the platform.

    ``pings``: ascending times of warmup pings, in seconds. ``queue_size``: requests that may wait for each instance
    when all are busy; further ones are refused with 429.
    """

    max_instances: int
    min_instances: int = 0
    idle_seconds: float = 900.0
    pings: Sequence[float] = ()
    queue_size: float = math.inf


@dataclass(slots=True)
class SimulationResult:
    """Result of one simulation; durations in seconds.

    ``first_token``: from arrival to the first token; ``wait``: of it, for an instance. ``billed_seconds``: instance
    time that answers or starts; ``warm_seconds``: idle time of minimum instances; ``live_seconds``: existence of all.
    """

    seconds: float
    first_token: Quantiles = field(default_factory=Quantiles)
    wait: Quantiles = field(default_factory=Quantiles)
    requests: int = 0
    refused: int = 0
    cold: int = 0
    starts: int = 0
    pings: int = 0
    billed_seconds: float = 0.0
    warm_seconds: float = 0.0
    live_seconds: float = 0.0

    @property
    def served(self) -> int:
        """Requests that were answered."""
        return self.requests - self.refused


class _Fleet:
    """Instances of one service, and the requests that wait for them."""

    def __init__(
        self, platform: Platform, scaling: Scaling, cold_start_seconds: float, outcome: SimulationResult
    ) -> None:
        self._bound = platform.bound
        self._step = platform.billing_step_seconds
        self._patience = platform.patience_seconds(cold_start_seconds)
        self._max, self._min = scaling.max_instances, scaling.min_instances
        self._keep = scaling.idle_seconds
        self._queue_length = scaling.queue_size * scaling.max_instances
        self._cold = cold_start_seconds
        self._outcome = outcome
        self._idle = deque([0.0] * self._min)  # since when; the newest is taken first, so the oldest expires first
        self._busy: list[float] = []  # heap of ends
        self._starting: deque[float] = deque()  # ready times, ascending because all starts take equally long
        self._waiting: deque[tuple[float, float, float, bool]] = deque()  # arrival, service, first token, request
        self._live = self._min
        self._changed = 0.0
        self.waits: list[float] = []
        self.first_tokens: list[float] = []

    def arrive(self, now: float, service: float, first: float, request: bool) -> None:
        """Take a request, or a ping, that arrives ``now``; ``service`` and ``first`` token in seconds."""
        self.advance(now)
        if self._idle:
            self._idle.pop()
            self._serve(now, now, service, first, request)
        elif self._live < self._max:
            if self._bound:
                self._start(now)
                self._serve(now, now + self._cold, service, first, request)
                self._outcome.cold += request
            else:
                self._waiting.append((now, service, first, request))
                if len(self._starting) < len(self._waiting):
                    self._start(now)
                    self._starting.append(now + self._cold)
        elif self._patience > 0 and len(self._waiting) - len(self._starting) < self._queue_length:
            self._waiting.append((now, service, first, request))
        else:
            self._outcome.refused += request

    def advance(self, now: float) -> None:
        """Process everything that happens until ``now``."""
        busy, starting, waiting, idle = self._busy, self._starting, self._waiting, self._idle
        while True:
            freed = busy[0] if busy else _NEVER
            ready = starting[0] if starting else _NEVER
            at = min(freed, ready)
            if at > now:
                break
            if ready < freed:
                starting.popleft()
            else:
                self._account(at)
                heappop(busy)
            if waiting:
                self._refuse_until(at)
            if waiting:
                arrival, service, first, request = waiting.popleft()
                self._outcome.cold += request and ready < freed
                self._serve(arrival, at, service, first, request)
            else:
                idle.append(at)
        while self._live > self._min and idle and idle[0] + self._keep <= now:
            self._outcome.live_seconds += idle.popleft() + self._keep
            self._live -= 1

    def finish(self, end: float) -> None:
        """Account for the time until ``end``, and answer the requests that still wait then."""
        self.advance(end)
        self._account(end)
        outcome = self._outcome
        live = outcome.live_seconds + self._live * end
        warm = max(0.0, self._min * end - outcome.warm_seconds)
        while self._waiting and (self._busy or self._starting):
            self.advance(min([*self._busy[:1], *self._starting]))
        outcome.live_seconds, outcome.warm_seconds = live, warm

    def _start(self, now: float) -> None:
        self._live += 1
        self._outcome.starts += 1
        self._outcome.live_seconds -= now
        self._outcome.billed_seconds += self._cold

    def _serve(self, arrival: float, begin: float, service: float, first: float, request: bool) -> None:
        if self._min:
            self._account(begin if begin > self._changed else self._changed)
        heappush(self._busy, begin + service)
        step = self._step
        self._outcome.billed_seconds += -(-service // step) * step if step else service
        if request:
            self.waits.append(begin - arrival)
            self.first_tokens.append(begin - arrival + first)

    def _refuse_until(self, now: float) -> None:
        while self._waiting and self._waiting[0][0] + self._patience < now:
            self._outcome.refused += self._waiting.popleft()[3]

    def _account(self, now: float) -> None:
        """Add the time since the last change in which minimum instances answered; ``finish`` inverts it."""
        if self._min:
            self._outcome.warm_seconds += min(len(self._busy), self._min) * (now - self._changed)
            self._changed = now


def simulate(
    arrivals: Arrivals,
    prompts: Lengths,
    replies: Lengths,
    speeds: Speeds,
    platform: Platform,
    scaling: Scaling,
    *,
    seed: int = 1,
) -> SimulationResult:
    """Simulate the period of ``arrivals``. The same seed gives the same outcome."""
    times_rng, lengths_rng = (np.random.default_rng([seed, stream]) for stream in range(2))
    outcome = SimulationResult(arrivals.seconds)
    fleet = _Fleet(platform, scaling, speeds.cold_start_seconds, outcome)
    pings = np.asarray(scaling.pings, dtype=np.float64)
    outcome.pings = len(pings)
    done = 0
    for times in arrivals.chunks(times_rng):
        prefill = prompts.draw(lengths_rng, len(times)) / speeds.prefill_per_second
        decode = replies.draw(lengths_rng, len(times)) / speeds.decode_per_second
        first = prefill + 1 / speeds.decode_per_second
        upto = int(np.searchsorted(pings, times[-1])) if len(times) else done
        _feed(fleet, times, prefill + decode, first, pings[done:upto])
        done = max(done, upto)
        outcome.requests += len(times)
        _collect(fleet, outcome)
    for ping in pings[done:]:
        fleet.arrive(float(ping), PING_SECONDS, 0.0, False)
    fleet.finish(arrivals.seconds)
    _collect(fleet, outcome)
    return outcome


def _feed(fleet: _Fleet, times: Floats, service: Floats, first: Floats, pings: Floats) -> None:
    """Let one chunk of requests and the pings among them arrive in order."""
    requests = np.ones(len(times), dtype=bool)
    if len(pings):
        places = np.searchsorted(times, pings)
        times = np.insert(times, places, pings)
        service = np.insert(service, places, PING_SECONDS)
        first = np.insert(first, places, 0.0)
        requests = np.insert(requests, places, False)
    arrive = fleet.arrive
    for now, length, begin, request in zip(
        times.tolist(), service.tolist(), first.tolist(), requests.tolist(), strict=True
    ):
        arrive(now, length, begin, request)


def _collect(fleet: _Fleet, outcome: SimulationResult) -> None:
    """Move the durations of finished requests into the percentiles."""
    outcome.wait.add(fleet.waits)
    outcome.first_token.add(fleet.first_tokens)
    fleet.waits.clear()
    fleet.first_tokens.clear()
