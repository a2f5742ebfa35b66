"""Random stores with random troubles: right bytes or a clear error in bounded time, and a cache that stays right."""

import hashlib
import random
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from function.errors import FunctionError
from function.fetch import Fetched, fetch
from tests.fetch_data import IMPATIENT
from tests.servers.erratic import CHANGES, NUISANCES, ErraticStore, Traits

LIMIT_SECONDS = 60.0
SHORT_DEADLINES = replace(IMPATIENT, stall_seconds=1.0, describe_seconds=20.0, silence_seconds=20.0)


def fetch_within_limit(store: ErraticStore, cache: Path, sha256: str | None) -> Fetched:
    """Fetch the object; fail if it takes too long."""
    cancel = threading.Event()
    guard = threading.Timer(LIMIT_SECONDS, cancel.set)
    guard.start()
    try:
        return fetch(store.uri, cache=cache, sha256=sha256, cancel=cancel, policy=SHORT_DEADLINES, stores=store.stores)
    finally:
        guard.cancel()
        assert not cancel.is_set(), "no end within the limit"


def try_a_store(seed: int, cache: Path, *, silent: bool) -> str:
    """Fetch three times from one random store, then from the same store in good health; return the outcomes."""
    draw = random.Random(seed)
    traits = Traits.draw(draw)
    size = draw.choice([1, 1000, 16 << 10, 100_000, 300_000])
    versions = [draw.randbytes(size) for _ in range(3)]
    sha256 = hashlib.sha256(versions[0]).hexdigest() if draw.random() < 0.3 else None
    trouble = NUISANCES if sha256 else NUISANCES + CHANGES
    if sha256 or (traits.checksums and traits.protocol != "http"):
        trouble += ("flip",)
    outcomes = []
    rate = draw.choice([0.05, 0.2, 0.5])
    with ErraticStore(versions, traits, draw, silent=silent, rate=rate, trouble=trouble) as store:
        for _ in range(3):
            try:
                fetched = fetch_within_limit(store, cache, sha256)
            except FunctionError as e:
                assert len(str(e)) > 20, e
                outcomes.append(e.code)
            else:
                found = fetched.path.read_bytes()
                assert found in versions, f"seed {seed}: a mix, with {traits}"
                assert sha256 in (None, hashlib.sha256(found).hexdigest())
                outcomes.append("right")
                fetched.close()
        expected = store.heal()
        fetched = fetch_within_limit(store, cache, sha256)
        assert fetched.path.read_bytes() == expected, f"seed {seed}: the cache is wrong, with {traits}"
        fetched.close()
    return " ".join(outcomes)


@pytest.mark.parametrize("seed", range(24))
def test_random_store_gives_right_bytes_or_a_clear_error(seed: int, tmp_path: Path) -> None:
    try_a_store(seed, tmp_path, silent=False)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(20))
def test_many_random_stores_give_right_bytes_or_a_clear_error(block: int, tmp_path: Path) -> None:
    outcomes = [try_a_store(1000 + 25 * block + n, tmp_path / str(n), silent=True) for n in range(25)]
    assert any("right" in outcome for outcome in outcomes), outcomes
