"""Prices of instance sizes, compared with the tables of docs/deploy.md."""

import json
import re
from pathlib import Path

import pytest

from function.errors import SettingsError
from function.sizing.deployment import InstanceSize
from function.sizing.prices import MONTH_SECONDS, compute_cost, read_prices

DOCS = (Path(__file__).parent.parent / "docs" / "deploy.md").read_text()
RUN, LAMBDA = InstanceSize("Cloud Run", 4, 8192, None), InstanceSize("Lambda", 4.6, 8192, None)


def documented(row: str) -> list[float]:
    """Return the dollars in one row of the document's tables."""
    (line,) = (line for line in DOCS.splitlines() if line.startswith(f"| {row}"))
    return [float(number) for number in re.findall(r"\$([\d.]+)", line)]


def test_prices_are_those_in_the_documentation() -> None:
    prices = read_prices()
    costs = [compute_cost(size, 7 * 10**9, prices, 10) for size in (RUN, LAMBDA)]
    assert [round(each.rest, 2) for each in costs] == documented("a model of 7 GB in the bucket")
    assert [round(each.warm) for each in costs] == documented("each of `min_instances`, in addition")
    assert [round(each.thousand, 2) for each in costs] == documented("compute")
    for rate in (value for platform in prices.platforms.values() for value in vars_of(platform) if 0 < value < 0.001):
        assert f"${rate:.10f}".rstrip("0") in DOCS


def vars_of(rates: object) -> list[float]:
    return [getattr(rates, name) for name in ("vcpu_second", "gib_second", "idle_vcpu_second", "idle_gib_second")]


def test_cost_of_an_hour_is_that_of_its_seconds() -> None:
    each = compute_cost(RUN, 0, read_prices(), 10)
    assert each.hour == pytest.approx(3600 * (4 * 0.000024 + 8 * 0.0000025))
    assert each.warm == pytest.approx(MONTH_SECONDS * 12 * 0.0000025)
    assert each.rest == 0


def test_custom_prices_replace_those_they_name(tmp_path: Path) -> None:
    custom = tmp_path / "custom.toml"
    custom.write_text('as_of = "today"\n["Cloud Run"]\nvcpu_second = 1\n')
    prices = read_prices(custom)
    assert prices.as_of == "today"
    assert prices.platforms["Cloud Run"].vcpu_second == 1
    assert prices.platforms["Cloud Run"].gib_second == read_prices().platforms["Cloud Run"].gib_second
    assert prices.platforms["Lambda"] == read_prices().platforms["Lambda"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense", "not a table of prices"),
        ('["Cloud Rum"]\nvcpu_second = 1', "Cloud Rum is none of Cloud Run, Lambda"),
        ('["Lambda"]\ngb_second = 1', "gb_second"),
        ('["Lambda"]\ngib_second = "much"', "much"),
    ],
)
def test_invalid_table_of_prices_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "custom.toml").write_text(text)
    with pytest.raises(SettingsError, match=message):
        read_prices(tmp_path / "custom.toml")


def test_list_prices_have_a_date_and_sources() -> None:
    prices = read_prices()
    assert re.fullmatch(r"20\d\d-\d\d", prices.as_of)
    assert all(url.startswith("https://") for url in prices.check)
    assert json.dumps(prices.check)
