"""Transfer: credentials that are renewed, and stores that ask to wait."""

import itertools
from collections import deque
from dataclasses import replace
from pathlib import Path

import pytest

from function.errors import AccessDenied, SourceError
from function.fetch import fetch
from function.fetch.policy import Policy
from tests.fetch_data import DATA, QUICK
from tests.servers.scripted import ScriptedReply, ScriptedStore, Seen, object_reply

ONE_CONNECTION = replace(QUICK, connections=1, max_connections=1)


class RecordingPolicy(Policy):
    """Policy that keeps the waits that stores asked for, and does not wait."""

    asked: list[float | None]

    def retry_delay(self, attempt: int, error: SourceError) -> float:
        type(self).asked.append(error.evidence.get("retry_after"))
        return 0.0


class BrokenPolicy(Policy):
    """Policy with a bug."""

    def retry_delay(self, attempt: int, error: SourceError) -> float:
        raise ZeroDivisionError("a bug")


def is_probe(seen: Seen) -> bool:
    return seen.headers.get("range") == "bytes=0-0"


def test_signed_url_that_expires_is_renewed_and_a_second_rejection_is_final(tmp_path: Path) -> None:
    signatures = itertools.count()

    def script(seen: Seen) -> ScriptedReply:
        if seen.target == "/m.gguf":
            return ScriptedReply(302, {"location": f"/signed/{next(signatures)}"})
        return object_reply(seen, DATA) if is_probe(seen) else ScriptedReply(403)

    with ScriptedStore(script) as store, pytest.raises(AccessDenied):
        fetch(f"{store.url}/m.gguf", cache=tmp_path, policy=ONE_CONNECTION)
    rejected = [seen.target for seen in store.seen if seen.target != "/m.gguf" and not is_probe(seen)]
    assert rejected == ["/signed/0", "/signed/1"]


def test_credentials_are_renewed_again_after_new_bytes(tmp_path: Path) -> None:
    signatures = itertools.count()
    used = set[str]()

    def script(seen: Seen) -> ScriptedReply:
        if seen.target == "/m.gguf":
            return ScriptedReply(302, {"location": f"/signed/{next(signatures)}"})
        if is_probe(seen) or seen.target not in used:
            used.update([] if is_probe(seen) else [seen.target])
            return object_reply(seen, DATA)
        return ScriptedReply(403)

    with ScriptedStore(script) as store:
        assert fetch(f"{store.url}/m.gguf", cache=tmp_path, policy=ONE_CONNECTION).path.read_bytes() == DATA
    assert len(used) > 2, "each URL gave one range"


def test_wait_that_the_store_asks_for_reaches_the_policy(tmp_path: Path) -> None:
    replies = deque([ScriptedReply(503, {"retry-after": "7"}), ScriptedReply(503)])

    def script(seen: Seen) -> ScriptedReply:
        return replies.popleft() if replies and not is_probe(seen) else object_reply(seen, DATA)

    RecordingPolicy.asked = []
    with ScriptedStore(script) as store:
        policy = RecordingPolicy(connections=1, max_connections=1)
        assert fetch(f"{store.url}/m.gguf", cache=tmp_path, policy=policy).path.read_bytes() == DATA
    assert RecordingPolicy.asked == [7, None]


def test_bug_in_a_worker_ends_the_fetch(tmp_path: Path) -> None:
    with (
        ScriptedStore(lambda seen: object_reply(seen, DATA) if is_probe(seen) else ScriptedReply(503)) as store,
        pytest.raises(SourceError, match="ZeroDivisionError: a bug") as e,
    ):
        fetch(f"{store.url}/m.gguf", cache=tmp_path, policy=BrokenPolicy(connections=2, silence_seconds=5.0))
    assert isinstance(e.value.__cause__, ZeroDivisionError)


def test_range_that_fails_each_time_is_tried_as_often_as_the_policy_allows(tmp_path: Path) -> None:
    RecordingPolicy.asked = []
    with (
        ScriptedStore(lambda seen: object_reply(seen, DATA) if is_probe(seen) else ScriptedReply(503)) as store,
        pytest.raises(SourceError, match="503"),
    ):
        policy = RecordingPolicy(connections=1, max_connections=1, max_attempts=3)
        fetch(f"{store.url}/m.gguf", cache=tmp_path, policy=policy)
    assert len([seen for seen in store.seen if not is_probe(seen)]) == 3
