"""Headers that are damaged on the way: the model is fetched again, and nothing damaged stays in the cache."""

from collections import deque
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from function.lifecycle.early_header import equals_store
from function.lifecycle.service import Service
from function.lifecycle.status import Status
from function.settings import Settings
from tests.servers.doors import WAIT_SECONDS
from tests.servers.faulty import Fault, FaultyStore


@pytest.fixture
def store(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyStore]:
    """Store of the model, named by the SDKs' own variables."""
    with FaultyStore(tiny_model.read_bytes()) as store:
        for name, value in asdict(store.stores).items():
            if value:
                monkeypatch.setenv(name.upper(), value)
        yield store


def start(uri: str, cache: Path, **settings: str) -> Status:
    """Start a service with the model at ``uri``; return its status at the end."""
    service = Service(Settings(model_uri=uri, model_cache_dir=cache, **settings))  # type: ignore[arg-type]
    try:
        service.start()
        return service.await_ready(WAIT_SECONDS)
    finally:
        service.close()


@pytest.mark.parametrize("kind", ["directory", "memory"])
@pytest.mark.parametrize("scheme", ["s3", "gs", "http"])
def test_header_that_arrives_damaged_is_fetched_again(
    scheme: str, kind: str, store: FaultyStore, tmp_path: Path
) -> None:
    store.faults = deque([Fault("corrupt", 0.0)])
    status = start(store.uri(scheme), tmp_path, model_cache=kind)
    assert (status.state, status.error) == ("ready", None)
    assert sum(served.fault == "corrupt" for served in store.served) == 1
    assert start(store.uri(scheme), tmp_path, model_cache=kind).state == "ready"


@pytest.mark.parametrize("scheme", ["s3", "http"])
def test_header_that_is_damaged_in_the_store_is_final(scheme: str, store: FaultyStore, tmp_path: Path) -> None:
    store.data = b"FUGG" + store.data[4:]
    error = start(store.uri(scheme), tmp_path).error
    assert error is not None
    assert (error.code, error.permanent) == ("not_gguf", True)


def test_first_bytes_are_compared_with_the_store(store: FaultyStore, tmp_path: Path) -> None:
    file, uri = tmp_path / "model.gguf.part", store.uri("s3")
    file.write_bytes(store.data[:5000] + b"damaged")
    assert equals_store(uri, file, 5000)
    assert not equals_store(uri, file, 5001)
    file.write_bytes(store.data + b"more")
    assert not equals_store(uri, file, len(store.data) + 4)
