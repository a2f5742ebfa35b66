"""Costs of a simulated period, scaled to a month."""

from dataclasses import dataclass

from function.capacity.simulation import SimulationResult
from function.sizing.deployment import InstanceSize
from function.sizing.load_plan import MIB
from function.sizing.prices import MONTH_SECONDS, Prices


@dataclass(frozen=True, slots=True)
class MonthlyCost:
    """US dollars a month: ``active`` instance time, ``warm`` minimum instances, ``requests`` and ``storage``."""

    active: float
    warm: float
    requests: float
    storage: float
    thousand: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.active + self.warm + self.requests + self.storage


def monthly_cost(outcome: SimulationResult, size: InstanceSize, model_bytes: int, prices: Prices) -> MonthlyCost:
    """Return the cost of a month like the simulated period, by list prices.

    Lambda's provisioned instances pay their idle rate all the time, Cloud Run's only while they are idle.
    ``thousand`` is the cost without storage, by thousand answered requests.
    """
    rates = prices.platforms[size.platform]
    gib = size.memory_mib * MIB / (1 << 30)
    busy = size.cpus * rates.vcpu_second + gib * rates.gib_second
    idle = size.cpus * rates.idle_vcpu_second + gib * rates.idle_gib_second
    months = outcome.seconds / MONTH_SECONDS
    active = outcome.billed_seconds * busy / months
    warm = outcome.warm_seconds * idle / months
    calls = (outcome.requests + outcome.pings) * rates.million_requests / 1e6 / months
    thousand = 1000 * (active + warm + calls) * months / max(outcome.served, 1)
    return MonthlyCost(active, warm, calls, model_bytes / 1e9 * rates.stored_gb_month, thousand)
