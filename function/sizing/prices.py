"""Prices of an instance size: idle, kept warm, per hour, per thousand replies. Pure except for ``read_prices``."""

import tomllib
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from function.errors import SettingsError
from function.sizing.deployment import InstanceSize
from function.sizing.load_plan import MIB

LIST_PRICES = Path(__file__).parent / "prices.toml"
HOUR_SECONDS = 3600
MONTH_SECONDS = 730 * HOUR_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Prices of one platform, in US dollars."""

    vcpu_second: float
    gib_second: float
    idle_vcpu_second: float
    idle_gib_second: float
    million_requests: float
    stored_gb_month: float


@dataclass(frozen=True, slots=True)
class Prices:
    """``platforms`` by ``InstanceSize.platform``; ``as_of``: date of the prices; ``check``: URLs of their sources."""

    as_of: str
    check: tuple[str, ...]
    platforms: dict[str, Rates]


@dataclass(frozen=True, slots=True)
class Cost:
    """US dollars. ``rest``: a month without requests; ``warm``: in addition, a month of one instance that is kept;
    ``hour``: an hour of replies; ``thousand``: a thousand replies of one instance, one at a time."""

    size: InstanceSize
    rest: float
    warm: float
    hour: float
    thousand: float


def read_prices(custom: Path | None = None) -> Prices:
    """Return the list prices, with those in the table ``custom`` in their place. Raises SettingsError."""
    prices = Prices("", (), {})
    for path in (LIST_PRICES, custom):
        if path is None:
            continue
        try:
            prices = _merge(prices, tomllib.loads(path.read_text()))
        except (OSError, ValueError, TypeError) as e:
            names = ", ".join(field.name for field in fields(Rates))
            raise SettingsError(
                f"{path} is not a table of prices ({e}). Write TOML: as_of, check, and for each platform "
                f'(["Cloud Run"], ["Lambda"]) numbers called {names}.',
                path=str(path),
            ) from e
    return prices


def _merge(prices: Prices, table: dict[str, Any]) -> Prices:
    platforms = dict(prices.platforms)
    for name, rates in table.items():
        if not isinstance(rates, dict):
            continue
        if prices.platforms and name not in prices.platforms:
            raise ValueError(f"{name} is none of {', '.join(prices.platforms)}")
        numbers = {key: float(rate) for key, rate in rates.items()}
        platforms[name] = replace(platforms[name], **numbers) if name in platforms else Rates(**numbers)
    as_of, check = table.get("as_of", prices.as_of), table.get("check", prices.check)
    return Prices(str(as_of), tuple(map(str, check)), platforms)


def compute_cost(size: InstanceSize, model_bytes: int, prices: Prices, reply_seconds: float) -> Cost:
    """Return the cost of ``size`` with a model of ``model_bytes`` in the bucket and replies of ``reply_seconds``."""
    rates = prices.platforms[size.platform]
    gib = size.memory_mib * MIB / (1 << 30)
    busy = size.cpus * rates.vcpu_second + gib * rates.gib_second
    idle = size.cpus * rates.idle_vcpu_second + gib * rates.idle_gib_second
    return Cost(
        size=size,
        rest=model_bytes / 1e9 * rates.stored_gb_month,
        warm=idle * MONTH_SECONDS,
        hour=busy * HOUR_SECONDS,
        thousand=1000 * (busy * reply_seconds + rates.million_requests / 1e6),
    )


def as_json(cost: Cost) -> dict[str, object]:
    """Return a cost as plain values, in dollars."""
    dollars = {name: round(getattr(cost, name), 4) for name in ("rest", "warm", "hour", "thousand")}
    size = asdict(cost.size)
    del size["problem"]
    return size | dollars
