"""What sizes cost, held against the tables of docs/deploy.md."""

import json
import re
from pathlib import Path

import pytest

from function.errors import SettingsError
from function.sizing.deployment import InstanceSize
from function.sizing.prices import MONTH_SECONDS, compute_cost, read_prices

DOCS = (Path(__file__).parent.parent / "docs" / "deploy.md").read_text()
RUN, LAMBDA = InstanceSize("Cloud Run", 4, 8192, None), InstanceSize("Lambda", 4.6, 8192, None)


def told(row: str) -> list[float]:
    """The dollars in one row of the document's tables."""
    (line,) = (line for line in DOCS.splitlines() if line.startswith(f"| {row}"))
    return [float(number) for number in re.findall(r"\$([\d.]+)", line)]


def test_the_documentation_has_these_prices() -> None:
    prices = read_prices()
    costs = [compute_cost(size, 7 * 10**9, prices, 10) for size in (RUN, LAMBDA)]
    assert [round(each.rest, 2) for each in costs] == told("a model of 7 GB in the bucket")
    assert [round(each.warm) for each in costs] == told("each of `min_instances`, in addition")
    assert [round(each.thousand, 2) for each in costs] == told("compute")
    for rate in (value for platform in prices.platforms.values() for value in vars_of(platform) if 0 < value < 0.001):
        assert f"${rate:.10f}".rstrip("0") in DOCS


def vars_of(rates: object) -> list[float]:
    return [getattr(rates, name) for name in ("vcpu_second", "gib_second", "idle_vcpu_second", "idle_gib_second")]


def test_an_hour_of_answering_is_its_seconds() -> None:
    each = compute_cost(RUN, 0, read_prices(), 10)
    assert each.hour == pytest.approx(3600 * (4 * 0.000024 + 8 * 0.0000025))
    assert each.warm == pytest.approx(MONTH_SECONDS * 12 * 0.0000025)
    assert each.rest == 0


def test_own_prices_replace_what_they_name(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('as_of = "today"\n["Cloud Run"]\nvcpu_second = 1\n')
    prices = read_prices(own)
    assert prices.as_of == "today"
    assert prices.platforms["Cloud Run"].vcpu_second == 1
    assert prices.platforms["Cloud Run"].gib_second == read_prices().platforms["Cloud Run"].gib_second
    assert prices.platforms["Lambda"] == read_prices().platforms["Lambda"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nonsense", "not a table of prices"),
        ('["Cloud Rum"]\nvcpu_second = 1', "Cloud Rum is none of Cloud Run, Lambda"),
        ('["Lambda"]\ngb_second = 1', "gb_second"),
        ('["Lambda"]\ngib_second = "much"', "much"),
    ],
)
def test_a_table_that_cannot_be_read_is_an_error(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "own.toml").write_text(text)
    with pytest.raises(SettingsError, match=said):
        read_prices(tmp_path / "own.toml")


def test_there_is_a_default_that_says_when_it_was_looked_up() -> None:
    prices = read_prices()
    assert re.fullmatch(r"20\d\d-\d\d", prices.as_of)
    assert all(url.startswith("https://") for url in prices.check)
    assert json.dumps(prices.check)
