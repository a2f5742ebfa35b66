"""Cold starts: loads that overlap with the fetch, and fetches that fail."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from function.engine import Engine, HeaderMismatch, Job, LoadOptions, Sampling, TextPiece
from function.errors import ChecksumMismatch
from function.gguf import read_header
from function.lifecycle.service import Service
from function.settings import Settings
from tests.drip import (
    FIRST,
    MAPPED,
    SEEDED,
    WIDE,
    Drip,
    engines,
    fetch_process,
    from_a_file,
    numbers,
    placeholder,
    until,
    worker,
)
from tests.servers.doors import WAIT_SECONDS, serving
from tests.servers.filling import filling_store
from tools.models import write_model
from tools.shapes import SHAPES


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = write_model(tmp_path_factory.mktemp("wide") / "wide.gguf", WIDE)
    assert read_header(path).data_offset < FIRST < path.stat().st_size - FIRST
    return path


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("other") / "wide.gguf", WIDE, seed=1, name="the other")


def reply(engine: Engine) -> str:
    prompt = engine.tokenize_chat([{"role": "user", "content": "Tell me more"}])
    generation = engine.submit(Job(prompt, max_tokens=12, sampling=Sampling(seed=7)))
    return "".join(event.text for event in generation if isinstance(event, TextPiece))


def test_engine_is_set_up_before_the_weights_are_fetched(wide: Path, tmp_path: Path) -> None:
    held: list[int] = []

    def complete() -> Path:
        held.append(early_source.memory_bytes)
        return wide

    options = LoadOptions(n_ctx=512)
    early_source = placeholder(wide, complete)
    early, late = Engine.load(early_source, options), Engine.load(wide, options)
    early_source.close()
    try:
        assert reply(early) == reply(late)
        header = read_header(wide).data_offset
        assert held[0] < header + (64 << 10), "the placeholder of the weights takes no memory"
    finally:
        early.close()
        late.close()


def test_weights_are_mapped_once(wide: Path) -> None:
    source = placeholder(wide, lambda: wide)
    engine = Engine.load(source, LoadOptions(n_ctx=512))
    source.close()
    mappings = Path("/proc/self/maps").read_text()
    engine.close()
    assert str(wide) in mappings
    assert "memfd:model" not in mappings
    assert str(wide) not in Path("/proc/self/maps").read_text()


def test_failed_fetch_fails_the_load(wide: Path) -> None:
    def never() -> Path:
        raise ChecksumMismatch("The bytes are wrong.")

    with pytest.raises(ChecksumMismatch):
        Engine.load(placeholder(wide, never), LoadOptions(n_ctx=512))


def test_file_of_another_model_does_not_replace_the_placeholder(wide: Path, other: Path) -> None:
    with pytest.raises(HeaderMismatch, match="replaced"):
        Engine.load(placeholder(wide, lambda: other), LoadOptions(n_ctx=512))


@pytest.mark.parametrize("tokens", [1, 20, 64, 65, 150])
@pytest.mark.parametrize("shape", ["tiny-gqa", "wide"])
def test_placeholder_load_gives_the_same_numbers(shape: str, tokens: int, wide: Path, tmp_path: Path) -> None:
    path = wide if shape == "wide" else write_model(tmp_path / "model.gguf", SHAPES[shape])
    drip = Drip(path, tmp_path / "part")
    prompt = tuple((number * 37 + 11) % 1000 for number in range(tokens))
    job = Job(prompt, max_tokens=8, sampling=Sampling(seed=7, ignore_eos=True), logprobs=3)
    source = placeholder(path, drip.whole, drip)
    with engines(source, path, LoadOptions(n_ctx=512, n_threads=2), LoadOptions(n_ctx=512)) as (
        early,
        late,
    ):
        first, end = numbers(early, job)
        assert end.usage.cached_tokens == 0
        assert first == numbers(late, job)[0]
        assert first == numbers(early, job)[0], "and again, from the prefix cache"


def test_waiting_request_is_validated_during_the_fetch(wide: Path, tmp_path: Path) -> None:
    expected = from_a_file(wide, tmp_path / "local")
    with filling_store(wide, FIRST) as store, serving(tmp_path, MODEL_URI=store.url, **MAPPED) as function:
        until(function, "load mode mapped")
        status, body = function.ask("/chat", {"prompt": "far too long " * 1000})
        assert status == 400
        assert "N_CTX" in str(body)
        assert not store.gate.is_set()
        with ThreadPoolExecutor() as pool:
            answer = pool.submit(function.ask, "/chat", SEEDED)
            store.gate.set()
            assert answer.result() == expected


@pytest.mark.parametrize("door", ["gunicorn", "functions-framework", "flask"])
def test_model_is_loaded_during_its_fetch(door: str, wide: Path, tmp_path: Path) -> None:
    expected = from_a_file(wide, tmp_path / "local")
    with filling_store(wide, FIRST) as store, serving(tmp_path, door, MODEL_URI=store.url, **MAPPED) as function:
        function.get("/health/live")
        until(function, "load mode mapped")
        assert function.get("/health/ready")[1]["state"] == "fetching"
        store.gate.set()
        assert function.ask("/chat", SEEDED) == expected


@pytest.mark.parametrize("held_from", [1, FIRST], ids=["before the header", "after it"])
def test_fetch_continues_in_the_server_after_its_process_dies(held_from: int, wide: Path, tmp_path: Path) -> None:
    with filling_store(wide, held_from) as store, serving(tmp_path, MODEL_URI=store.url, **MAPPED) as function:
        function.wait("fetching")
        if held_from == FIRST:
            until(function, "load mode mapped")
        process = worker(function)
        fetching = fetch_process(process)
        os.kill(fetching, signal.SIGKILL)
        until(function, "died: continuing in a thread")
        store.gate.set()
        assert function.ask("/chat", SEEDED)[0] == 200


def test_fetch_process_ends_with_its_server(wide: Path, tmp_path: Path) -> None:
    with filling_store(wide, FIRST) as store, serving(tmp_path, MODEL_URI=store.url, **MAPPED) as function:
        until(function, "load mode mapped")
        process = worker(function)
        fetching = fetch_process(process)
        os.kill(process, signal.SIGKILL)
        deadline = time.monotonic() + WAIT_SECONDS
        while Path(f"/proc/{fetching}").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        store.gate.set()
        assert function.ask("/chat", SEEDED)[0] == 200


def test_object_replaced_after_the_load_is_loaded_again(wide: Path, other: Path, tmp_path: Path) -> None:
    with filling_store(wide, FIRST) as store, serving(tmp_path, MODEL_URI=store.url, **MAPPED) as function:
        until(function, "load mode mapped")
        store.exchange(other)
        assert function.ask("/chat", SEEDED)[0] == 200
        assert function.get("/v1/models")[1]["data"][0]["id"] == "the other"


def test_model_that_does_not_fit_is_rejected_before_it_is_fetched(wide: Path, tmp_path: Path) -> None:
    with filling_store(wide, FIRST) as store:
        service = Service(Settings(model_uri=store.url, model_cache_dir=tmp_path, n_ctx=1 << 24))
        service.start()
        error = service.await_ready(WAIT_SECONDS).error
        assert not store.gate.is_set()
        service.close()
    assert error is not None
    assert (error.code, error.permanent) == ("model_does_not_fit", True)
    assert "KV cache of 16777216 tokens" in str(error)
    assert "N_CTX=" in str(error)
