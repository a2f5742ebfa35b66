"""Metrics of the process, and their table in the documentation."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from function.observability.metrics import KINDS, Metrics

DOCS = (Path(__file__).parent.parent / "docs" / "observability.md").read_text()


def test_value_on_a_bound_is_in_the_bucket_that_ends_there() -> None:
    metrics = Metrics()
    bounds = KINDS["chat_tokens_per_second"].bounds
    for value in (0.5, bounds[0], bounds[0] + 0.1, bounds[-1] + 1):
        metrics.observe("chat_tokens_per_second", value)
    _, histograms = metrics.read()
    counts = histograms["chat_tokens_per_second", ()].counts
    assert counts[:2] == [2, 1]
    assert counts[-1] == 1
    assert sum(counts) == 4


def test_counters_differ_by_label_and_copies_do_not_change() -> None:
    metrics = Metrics()
    metrics.add("chat_requests", outcome="stop")
    counters, _ = metrics.read()
    metrics.add("chat_requests", outcome="stop")
    metrics.add("chat_requests", outcome="busy")
    assert counters == {("chat_requests", (("outcome", "stop"),)): 1}
    assert metrics.read()[0]["chat_requests", (("outcome", "stop"),)] == 2


def test_metrics_lose_nothing_between_threads() -> None:
    metrics = Metrics()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: metrics.observe("chat_tokens_per_second", 7), range(2000)))
    assert metrics.read()[1]["chat_tokens_per_second", ()].total == 14_000


def test_metrics_are_documented_with_their_labels() -> None:
    rows = [line.split("|") for line in DOCS.split("| metric |")[1].split("\n\n")[0].splitlines()[2:]]
    listed = {name.strip(" `").removesuffix("_total"): labels.strip() for _, name, labels, *_ in rows}
    for name, kind in KINDS.items():
        assert listed[name] == ", ".join(f"`{label}`" for label in kind.labels)
