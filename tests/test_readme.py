"""README: its numbers are those of bench/, its costs those of docs/deploy.md, its pictures those that are made."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from function import default_model
from tools.page_pictures import SCREENSHOTS, chunks
from tools.pictures import PICTURES

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BENCH = (ROOT / "bench" / "README.md").read_text()
DEPLOY = (ROOT / "docs" / "deploy.md").read_text()
MAX_ANIMATION_BYTES = 2_000_000
CONTENDERS = ("function", "s5cmd, then llama-server")


def section(text: str, title: str) -> str:
    """Return the text of one section."""
    return text.split(f"\n## {title}\n")[1].split("\n## ")[0]


def row(text: str, name: str) -> list[str]:
    """Return the cells of the first row ``name`` of a table, without the name."""
    line = next(line for line in text.splitlines() if line.startswith(f"| {name} |"))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


NUMBERS = section(README, "Numbers")
COLD_STARTS = section(BENCH, "Cold start")


def measured(model: str, column: int) -> list[str]:
    """Return a column of the table of ``model`` for both contenders."""
    table = COLD_STARTS.split(f"\n{model}")[1].split("\n\n")[1]
    return [row(table, name)[column] for name in CONTENDERS]


@pytest.mark.parametrize("model", ["0.5B Q4_0, 285 MB", "7B Q8_0, 7.16 GB"])
def test_times_to_the_first_token_are_measured(model: str) -> None:
    assert row(NUMBERS, model) == [f"{seconds} s" for seconds in measured(model, 0)]


def test_peak_memory_is_measured() -> None:
    assert row(NUMBERS, "7B Q8_0, peak memory") == [f"{size} MB" for size in measured("7B Q8_0, 7.16 GB", -1)]


def test_rates_are_measured() -> None:
    function, llama = (row(section(BENCH, "Decode"), f"{name} over SSE") for name in ("function", "llama-server"))
    first, deep = ([cells[at].split()[0] for cells in (function, llama)] for at in (0, -1))
    assert "{} tokens/s, llama-server {}".format(*first) in NUMBERS
    assert "1,500 tokens before the reply {} and {}".format(*deep) in NUMBERS
    fetch = section(BENCH, "Fetch")
    rates = [row(fetch, name)[0].split()[0] for name in ("`function fetch s3://`", "s5cmd (verifies nothing)")]
    assert "{} MB/s with every byte verified, s5cmd {}".format(*rates) in NUMBERS


def test_time_of_a_cancellation_is_measured() -> None:
    rows = re.findall(r"(?m)^\| .+ \| (?:prefill|decode) \| [\d.]+ \| ([\d.]+) \| 10/10", section(BENCH, "Cancel"))
    (bound,) = re.findall(rf"within (\d+) ms \(worst of {10 * len(rows)}\)", NUMBERS)
    assert int(bound) - 1 < max(map(float, rows)) <= int(bound)


def monthly_costs() -> Iterator[list[float]]:
    """Yield the costs at rest of each row that every function has: on Cloud Run, on Lambda."""
    table = DEPLOY.split("| at rest, a month |")[1].split("\n\n")[0]
    for line in table.splitlines()[2:]:
        name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        if not name.startswith(("the schedule", "each of")):
            yield [sum(map(float, re.findall(r"\$([\d.]+)", cell))) for cell in cells]


def test_cost_at_rest_is_the_sum_of_its_parts() -> None:
    found = re.search(
        r"7 GB model about \$([\d.]+) a month on Cloud Run, \$([\d.]+) on Lambda", " ".join(README.split())
    )
    assert found
    for claim, parts in zip(found.groups(), zip(*monthly_costs(), strict=True), strict=True):
        assert float(claim) == pytest.approx(sum(parts), rel=0.1)


def test_size_of_the_default_model_is_right() -> None:
    path = default_model.find()
    assert path, default_model.missing()
    size = f"{path.stat().st_size / 1e6:.0f} MB"
    assert set(re.findall(r"\b\d+ MB(?=[,)]| default)", README.split("## Deploy")[0])) == {size}


def test_animation_is_small_and_has_a_still() -> None:
    moving, still = PICTURES / "cold-start-page.png", PICTURES / "cold-start-page-still.png"
    assert moving.stat().st_size < MAX_ANIMATION_BYTES
    found = list(chunks(moving.read_bytes()))
    (control,) = [body for kind, body in found if kind == b"acTL"]
    frames = int.from_bytes(control[:4])
    assert frames == sum(kind == b"fcTL" for kind, _ in found) > 20
    assert b"acTL" not in dict(chunks(still.read_bytes()))
    assert dict(chunks(still.read_bytes()))[b"IHDR"][:8] == dict(found)[b"IHDR"][:8]
    source = '<source media="(prefers-reduced-motion: reduce)" srcset="docs/pictures/cold-start-page-still.png">'
    assert (
        README.index("<picture>") < README.index(source) < README.index('<img src="docs/pictures/cold-start-page.png"')
    )


def test_screenshots_are_shown() -> None:
    for name in SCREENSHOTS:
        assert f'<img src="docs/pictures/{name}.png"' in README


def test_pictures_have_a_text_for_those_who_cannot_see_them() -> None:
    for image in re.findall(r"<img [^>]*>", README):
        assert re.search(r'alt="[^"]{20,}"', image), image
