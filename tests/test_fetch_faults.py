"""Faults of every kind of store: a fetch ends with the right bytes or a clear error, without a wrong file or a hang."""

import hashlib
import threading
from collections import deque
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from function.errors import ChecksumMismatch, FunctionError, SourceError
from function.fetch import Fetched, fetch
from function.fetch.policy import Policy
from tests.fetch_data import DATA, IMPATIENT, QUICK, SIZE
from tests.servers.faulty import BODY_FAULTS, KINDS, WRONG_BYTES, Fault, FaultyStore
from tests.servers.scripted import Certificate, make_certificate

SCHEMES = ("s3", "gs", "http", "hf")
HANG_SECONDS = 60.0  # far beyond any of these fetches


def fetched(
    store: FaultyStore, scheme: str, cache: Path, *, sha256: str | None = None, policy: Policy = QUICK
) -> Fetched:
    """Fetch the object; cancel the fetch if it hangs."""
    cancel = threading.Event()
    guard = threading.Timer(HANG_SECONDS, cancel.set)
    guard.start()
    try:
        return fetch(store.uri(scheme), cache=cache, sha256=sha256, policy=policy, stores=store.stores, cancel=cancel)
    finally:
        guard.cancel()
        assert not cancel.is_set(), "the fetch hung"


def finals(cache: Path) -> list[Path]:
    """Return the files under a final name."""
    return [path for path in cache.rglob("*") if path.is_file() and path.name == "model.gguf"]


def needs_sha256(scheme: str, kinds: list[str]) -> bool:
    """Return True if only a given hash detects wrong bytes: a plain web server states no checksum."""
    return scheme == "http" and any(kind in WRONG_BYTES for kind in kinds)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


def pass_a_fault(kind: str, scheme: str, cache: Path, certificate: Certificate | None, *, native: bool) -> None:
    faults = deque([None, Fault(kind), None, Fault(kind, 0.1)])
    with FaultyStore(DATA, faults=faults, certificate=certificate) as store:
        sha256 = hashlib.sha256(DATA).hexdigest() if needs_sha256(scheme, [kind]) else None
        try:
            policy = replace(IMPATIENT if kind == "stall" else QUICK, native=native)
            result = fetched(store, scheme, cache, sha256=sha256, policy=policy)
        except FunctionError as e:
            assert len(str(e)) > 20
            assert kind in ("302", "403", "404", "412", "expire", *WRONG_BYTES), f"{kind} should have passed: {e}"
            assert finals(cache) == []
        else:
            assert result.path.read_bytes() == store.data
            assert finals(cache) == [result.path]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("kind", KINDS)
def test_transient_fault_ends_in_the_right_bytes_or_a_clear_error(kind: str, scheme: str, tmp_path: Path) -> None:
    pass_a_fault(kind, scheme, tmp_path, None, native=True)


@pytest.mark.parametrize("kind", [*BODY_FAULTS, *WRONG_BYTES, "lie_length", "change"])
@pytest.mark.parametrize("way", ["python", "native over TLS", "python over TLS"])
def test_fault_in_the_body_has_the_same_end_in_every_way(
    way: str, kind: str, certificate: Certificate, tmp_path: Path
) -> None:
    used = certificate if way.endswith("TLS") else None
    pass_a_fault(kind, "s3", tmp_path, used, native=way.startswith("native"))


@pytest.mark.slow
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", ["python", "native over TLS", "python over TLS"])
def test_every_fault_has_the_same_end_in_every_way(
    way: str, kind: str, scheme: str, certificate: Certificate, tmp_path: Path
) -> None:
    used = certificate if way.endswith("TLS") else None
    pass_a_fault(kind, scheme, tmp_path, used, native=way.startswith("native"))


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("throttle", "ignore_range")])
def test_permanent_fault_raises_and_leaves_no_file(kind: str, scheme: str, tmp_path: Path) -> None:
    at = 0.0 if kind in ("reset", "stall", "truncate", "short") else 0.5
    with FaultyStore(DATA, always=Fault(kind, at)) as store:
        sha256 = hashlib.sha256(DATA).hexdigest() if needs_sha256(scheme, [kind]) else None
        with pytest.raises(FunctionError) as caught:
            fetched(store, scheme, tmp_path, sha256=sha256, policy=IMPATIENT if kind == "stall" else QUICK)
        assert store.uri(scheme) in str(caught.value)
        assert finals(tmp_path) == []
        store.always = None
        assert fetched(store, scheme, tmp_path, sha256=sha256).path.read_bytes() == store.data


@pytest.mark.parametrize("scheme", SCHEMES)
def test_store_without_ranges_sends_the_object_in_one_piece(scheme: str, tmp_path: Path) -> None:
    with FaultyStore(DATA, ranges=False) as store:
        assert fetched(store, scheme, tmp_path).path.read_bytes() == DATA


fault = st.builds(Fault, st.sampled_from([kind for kind in KINDS if kind != "stall"]), st.sampled_from([0.0, 0.3, 0.9]))
sequences = st.lists(st.none() | fault, max_size=14)


def run_a_sequence(scheme: str, sequence: list[Fault | None], cache: Path, size: int = SIZE) -> None:
    data = DATA[:size]
    with FaultyStore(data, faults=deque(sequence)) as store:
        kinds = [one.kind for one in sequence if one]
        sha256 = hashlib.sha256(data).hexdigest() if needs_sha256(scheme, kinds) else None
        try:
            result = fetched(store, scheme, cache, sha256=sha256, policy=IMPATIENT if "stall" in kinds else QUICK)
        except FunctionError as e:
            assert store.uri(scheme) in str(e)
            assert finals(cache) == []
            store.faults.clear()
            sha256 = hashlib.sha256(store.data).hexdigest() if sha256 else None
            result = fetched(store, scheme, cache, sha256=sha256)
        assert result.path.read_bytes() == store.data
        assert finals(cache) == [result.path]


@pytest.mark.parametrize("scheme", SCHEMES)
@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(sequence=sequences, size=st.sampled_from([SIZE, 16 << 10, 1]))
def test_sequence_of_faults_ends_in_the_right_bytes_or_a_clear_error(
    scheme: str, sequence: list[Fault | None], size: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    run_a_sequence(scheme, sequence, tmp_path_factory.mktemp("cache"), size)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("scheme", SCHEMES)
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    sequence=st.lists(st.none() | fault | st.just(Fault("stall")), max_size=40),
    size=st.integers(1, SIZE),
)
def test_long_sequence_of_faults_ends_in_the_right_bytes_or_a_clear_error(
    scheme: str, sequence: list[Fault | None], size: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    run_a_sequence(scheme, sequence, tmp_path_factory.mktemp("cache"), size)


@pytest.mark.parametrize("kind", ["reset", "truncate", "500", "503", "lie_range", "short"])
def test_only_missing_bytes_are_requested_again(kind: str, tmp_path: Path) -> None:
    faults = [Fault(kind, 0.6) if n % 3 == 1 else None for n in range(9)]
    with FaultyStore(DATA, faults=deque(faults)) as store:
        assert fetched(store, "s3", tmp_path).path.read_bytes() == DATA
        whole = [one for one in store.served if one.fault is None]
        again = store.sent_bytes() - SIZE
        assert sum(one.sent for one in whole) <= SIZE + QUICK.max_request_bytes
        assert again <= 3 * QUICK.max_request_bytes


def test_rejected_credentials_error_names_the_missing_permission(tmp_path: Path) -> None:
    with FaultyStore(DATA, always=Fault("403")) as store, pytest.raises(SourceError, match="s3:GetObject"):
        fetched(store, "s3", tmp_path)


def test_persistent_wrong_bytes_error_names_both_checksums(tmp_path: Path) -> None:
    with FaultyStore(DATA, always=Fault("corrupt")) as store, pytest.raises(ChecksumMismatch, match="crc64nvme"):
        fetched(store, "s3", tmp_path)


def test_redirect_loop_is_rejected(tmp_path: Path) -> None:
    with FaultyStore(DATA) as store, pytest.raises(SourceError, match="redirects"):
        fetch(f"{store.url}/circle", cache=tmp_path, policy=QUICK)


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_overloaded_store_is_asked_again_for_the_description(scheme: str, tmp_path: Path) -> None:
    with FaultyStore(DATA, describe_faults=deque(["503", "429", "500"])) as store:
        assert fetched(store, scheme, tmp_path).path.read_bytes() == DATA


@pytest.mark.parametrize("at", [0.1, 0.5, 0.9])
def test_object_without_validators_is_never_a_mix_of_two_versions(at: float, tmp_path: Path) -> None:
    faults = deque([Fault("reset", at), Fault("change"), None])
    with FaultyStore(DATA, validators=False, faults=faults) as store:
        assert fetched(store, "http", tmp_path).path.read_bytes() == store.data != DATA
        assert {served.start for served in store.served} == {0}, "in one piece"


def test_object_without_validators_resumes_where_its_bytes_are_the_same(tmp_path: Path) -> None:
    with FaultyStore(DATA, validators=False, faults=deque([Fault("reset", 0.5)] * 3)) as store:
        assert fetched(store, "http", tmp_path).path.read_bytes() == DATA
        assert len(store.served) == 4, "the fetch did not start over"


def test_object_without_validators_is_used_again_only_if_a_hash_identifies_it(tmp_path: Path) -> None:
    sha256 = hashlib.sha256(DATA).hexdigest()
    with FaultyStore(DATA, validators=False) as store:
        assert [fetched(store, "http", tmp_path, sha256=sha256).cached for _ in range(2)] == [False, True]
        assert len({served.start for served in store.served}) > 1, "in parallel"
        fetched(store, "http", tmp_path)
        store.change()
        assert fetched(store, "http", tmp_path).path.read_bytes() == store.data != DATA


def test_bytes_that_differ_from_the_expected_hash_are_fetched_again_once(tmp_path: Path) -> None:
    sha256 = hashlib.sha256(DATA).hexdigest()
    with FaultyStore(DATA, faults=deque([Fault("corrupt")])) as store:
        assert fetched(store, "http", tmp_path / "once", sha256=sha256).path.read_bytes() == DATA
        store.served.clear()
        with pytest.raises(ChecksumMismatch, match="Correct MODEL_SHA256") as e:
            fetched(store, "http", tmp_path / "twice", sha256="0" * 64)
        assert e.value.permanent
        assert sum(served.sent for served in store.served) == 2 * SIZE
        assert finals(tmp_path / "twice") == []


def test_unverified_file_in_the_cache_that_differs_from_the_expected_hash_is_replaced(tmp_path: Path) -> None:
    with FaultyStore(DATA, faults=deque([Fault("corrupt")])) as store:
        damaged = fetched(store, "http", tmp_path)
        assert damaged.path.read_bytes() != DATA, "this store offers no checksum"
        damaged.close()
        again = fetched(store, "http", tmp_path, sha256=hashlib.sha256(DATA).hexdigest())
        assert (again.path.read_bytes() == DATA, again.cached) == (True, False)
