"""Platforms: the rules by which instances are started, kept and refused, as the providers document them."""

import math
from dataclasses import dataclass

CLOUD_RUN_WAIT_SECONDS = 10.0  # or 3.5 times the startup: cloud.google.com/run/docs/about-concurrency
CLOUD_RUN_WAIT_STARTUPS = 3.5


@dataclass(frozen=True, slots=True)
class Platform:
    """Rules of one platform.

    ``wait_seconds`` and ``wait_startups``: a request that finds ``max_instances`` busy waits for the larger of both
    (the second in startups) and is then refused with 429; both 0: it is refused at once. ``bound``: a request stays
    with the instance that was started for it, even if another becomes free. ``billing_step_seconds``: request time is
    billed rounded up to it.
    """

    name: str
    wait_seconds: float
    wait_startups: float
    bound: bool
    billing_step_seconds: float

    def patience_seconds(self, cold_start_seconds: float) -> float:
        """Return the seconds that a request waits for an instance before it is refused."""
        return max(self.wait_seconds, self.wait_startups * cold_start_seconds)


CLOUD_RUN = Platform(
    "Cloud Run", CLOUD_RUN_WAIT_SECONDS, CLOUD_RUN_WAIT_STARTUPS, bound=False, billing_step_seconds=0.1
)
LAMBDA = Platform("Lambda", 0.0, 0.0, bound=True, billing_step_seconds=0.001)
QUEUE = Platform("queue", math.inf, 0.0, bound=False, billing_step_seconds=0.0)
"""Requests wait without a limit: the model of queueing theory, and of a load balancer."""
PLATFORMS = {each.name: each for each in (CLOUD_RUN, LAMBDA)}
