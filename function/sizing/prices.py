"""What an instance size costs: at rest, kept warm, by the hour, by the thousand replies. Pure, but for ``read``."""

import tomllib
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from function.errors import SettingsError
from function.sizing.deployment import MIB, InstanceSize

TABLE = Path(__file__).parent / "prices.toml"
HOUR = 3600
MONTH = 730 * HOUR
THOUSAND = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """One platform's prices, in US dollars."""

    vcpu_second: float
    gib_second: float
    idle_vcpu_second: float
    idle_gib_second: float
    million_requests: float
    stored_gb_month: float


@dataclass(frozen=True, slots=True)
class Prices:
    """``platforms`` by the name that a Size has; ``as_of``: when they were looked up; ``check``: where they can be."""

    as_of: str
    check: tuple[str, ...]
    platforms: dict[str, Rates]


@dataclass(frozen=True, slots=True)
class Cost:
    """US dollars. ``rest``: a month in which nobody asks; ``warm``: a month of one instance that is kept, in addition;
    ``hour``: of answering; ``thousand``: replies, one instance answering one at a time."""

    size: InstanceSize
    rest: float
    warm: float
    hour: float
    thousand: float


def read(own: Path | None = None) -> Prices:
    """The table that comes with the program, with what ``own`` says in its place. Raises SettingsError."""
    prices = Prices("", (), {})
    for path in (TABLE, own):
        if path is None:
            continue
        try:
            prices = _merged(prices, tomllib.loads(path.read_text()))
        except (OSError, ValueError, TypeError) as e:
            names = ", ".join(field.name for field in fields(Rates))
            raise SettingsError(
                f"{path} is no table of prices ({e}). It is TOML: as_of, check, and for each platform "
                f'(["Cloud Run"], ["Lambda"]) numbers called {names}.',
                path=str(path),
            ) from e
    return prices


def _merged(prices: Prices, given: dict[str, Any]) -> Prices:
    platforms = dict(prices.platforms)
    for name, rates in given.items():
        if not isinstance(rates, dict):
            continue
        if prices.platforms and name not in prices.platforms:
            raise ValueError(f"{name} is none of {', '.join(prices.platforms)}")
        numbers = {key: float(rate) for key, rate in rates.items()}
        platforms[name] = replace(platforms[name], **numbers) if name in platforms else Rates(**numbers)
    as_of, check = given.get("as_of", prices.as_of), given.get("check", prices.check)
    return Prices(str(as_of), tuple(map(str, check)), platforms)


def cost(size: InstanceSize, model_bytes: int, prices: Prices, reply_seconds: float) -> Cost:
    """What ``size`` costs with a model of ``model_bytes`` in the bucket, when a reply takes ``reply_seconds``."""
    rates = prices.platforms[size.platform]
    gib = size.memory_mib * MIB / (1 << 30)
    busy = size.cpus * rates.vcpu_second + gib * rates.gib_second
    idle = size.cpus * rates.idle_vcpu_second + gib * rates.idle_gib_second
    return Cost(
        size=size,
        rest=model_bytes / 1e9 * rates.stored_gb_month,
        warm=idle * MONTH,
        hour=busy * HOUR,
        thousand=THOUSAND * (busy * reply_seconds + rates.million_requests / 1e6),
    )


def as_json(each: Cost) -> dict[str, object]:
    """A cost as plain values, in dollars."""
    size = asdict(each.size)
    told = {name: round(getattr(each, name), 4) for name in ("rest", "warm", "hour", "thousand")}
    return {name: size[name] for name in ("platform", "cpus", "memory_mib")} | told
