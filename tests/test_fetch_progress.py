"""Progress of a fetch: rates without kept bytes, and the last line."""

from pathlib import Path

import pytest

from function.command.progress_bar import format_summary
from function.errors import SourceError
from function.fetch import Progress, fetch
from tests.fetch_data import DATA, QUICK, SIZE
from tests.servers.faulty import Fault, FaultyStore

TOTAL = 145_000_000


@pytest.fixture
def progress() -> Progress:
    progress = Progress()
    progress.start(TOTAL)
    return progress


def test_fetch_that_has_not_begun_has_taken_no_time() -> None:
    progress = Progress()
    assert (progress.seconds, progress.mean_rate, progress.rate, progress.eta) == (0, 0, 0, None)


def test_kept_bytes_are_no_speed(progress: Progress) -> None:
    progress.keep(100_000_000)
    assert progress.done == progress.kept == 100_000_000
    assert progress.rate == 0
    assert progress.mean_rate == 0
    progress.add(45_000_000)
    assert progress.mean_rate == pytest.approx(45_000_000 / progress.seconds, rel=0.5)


def test_summary_has_size_time_and_mean_rate(progress: Progress) -> None:
    progress.add(TOTAL)
    text = format_summary("m.gguf", progress)
    assert text.startswith("m.gguf 100% of 145 MB in 0.")
    assert text.endswith("B/s")
    assert " 0 B/s" not in text


def test_summary_names_the_kept_bytes(progress: Progress) -> None:
    progress.keep(100_000_000)
    progress.add(45_000_000)
    assert format_summary("m.gguf", progress).endswith(", 100 MB kept from before")
    progress.start(TOTAL, TOTAL)
    assert format_summary("m.gguf", progress) == "m.gguf 100% of 145 MB, nothing to transfer"


def test_resumed_fetch_keeps_its_bytes(tmp_path: Path) -> None:
    with FaultyStore(DATA) as store:
        store.on_request = lambda count: setattr(store, "always", Fault("404") if count >= 4 else None)
        with pytest.raises(SourceError):
            fetch(store.uri("http"), cache=tmp_path, policy=QUICK)
        store.on_request, store.always = lambda count: None, None
        progress = Progress()
        fetch(store.uri("http"), cache=tmp_path, policy=QUICK, progress=progress)
    assert progress.done == SIZE
    assert 0 < progress.kept < SIZE
