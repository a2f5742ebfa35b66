"""Repacked load during a download: the same numbers, and no byte read too early."""

import os
import shutil
import signal
import threading
import time
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from function.engine import Engine, HeaderMismatch, Job, LoadOptions, Sampling, can_stream_repack
from function.engine.llama.streamed_repack import StreamedRepack
from function.errors import ChecksumMismatch, Stopping
from function.gguf import read_header
from function.gguf.memory import REPACKED, copy
from tests.drip import (
    SEEDED,
    Drip,
    children,
    engines,
    fetch_process,
    filling_is_mapped,
    from_a_file,
    numbers,
    placeholder,
    until,
    worker,
)
from tests.servers.doors import WAIT_SECONDS, ServedFunction, serving
from tests.servers.filling import FillingStore, filling_store
from tools.models import Quant, write_model
from tools.shapes import SHAPES, Shape

WIDE = Shape("wide", 14, 512, 8, 2, 1408, 8192, 8192)
FIRST = 10 << 20
"""Bytes that include the header and some of the weights."""
REPACK = LoadOptions(n_ctx=512, repack=True)
JOB = Job(tuple(range(3, 40)), max_tokens=8, sampling=Sampling(seed=7, ignore_eos=True), logprobs=3)


def wait_for_copying(function: ServedFunction) -> None:
    """Wait until the weights that have arrived are being copied."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not filling_is_mapped(function):
        assert time.monotonic() < deadline, function.log.read_text()
        time.sleep(0.02)


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model whose weights are copied."""
    path = write_model(tmp_path_factory.mktemp("wide") / "wide.gguf", WIDE, quant="Q4_0")
    header = read_header(path)
    assert header.data_offset < FIRST < header.file_size - FIRST
    assert copy(header, REPACKED) > header.file_size / 2
    return path


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("other") / "wide.gguf"
    return write_model(path, WIDE, quant="Q4_0", seed=1, name="the other")


@pytest.mark.parametrize("quant", ["Q4_0", "Q8_0"])
@pytest.mark.parametrize("shape", [SHAPES["tiny-gqa"], WIDE], ids=lambda shape: shape.name)
def test_streamed_repack_gives_the_same_numbers(shape: Shape, quant: Quant, tmp_path: Path) -> None:
    path = write_model(tmp_path / "model.gguf", shape, quant=quant)
    drip = Drip(path, tmp_path / "part")
    source = placeholder(path, drip.whole, drip)
    with engines(source, path, REPACK) as (early, late):
        assert numbers(early, JOB)[0] == numbers(late, JOB)[0]


def test_weights_are_copied_before_the_last_byte(wide: Path, tmp_path: Path) -> None:
    drip = Drip(wide, tmp_path / "part")
    seen: list[tuple[float, bool]] = []
    source = placeholder(wide, drip.whole, drip)
    Engine.load(source, REPACK, on_progress=lambda done: seen.append((done, drip.over))).close()
    source.close()
    assert max(done for done, over in seen if not over) > 0.8


def test_complete_file_is_copied_at_once(wide: Path) -> None:
    with engines(placeholder(wide, lambda: wide), wide, REPACK) as (early, late):
        assert numbers(early, JOB)[0] == numbers(late, JOB)[0]


@pytest.mark.parametrize("at", [0, 3_000_000])
def test_failed_download_fails_the_load(at: int, wide: Path, tmp_path: Path) -> None:
    drip = Drip(wide, tmp_path / "part", fails_at=at)

    def never() -> Path:
        raise ChecksumMismatch("The bytes are wrong.")

    with pytest.raises(ChecksumMismatch):
        Engine.load(placeholder(wide, never, drip), REPACK)


def test_wrong_bytes_fail_the_load(wide: Path, tmp_path: Path) -> None:
    drip = Drip(wide, tmp_path / "part")

    def wrong() -> Path:
        drip.whole()
        raise ChecksumMismatch("The bytes are wrong.")

    with pytest.raises(ChecksumMismatch):
        Engine.load(placeholder(wide, wrong, drip), REPACK)


def test_copies_of_a_replaced_file_are_discarded(wide: Path, tmp_path: Path) -> None:
    drip = Drip(wide, tmp_path / "part")
    shutil.copy(wide, tmp_path / "again")

    def again() -> Path:
        drip.whole()
        return tmp_path / "again"

    with pytest.raises(HeaderMismatch, match="replaced"):
        Engine.load(placeholder(wide, again, drip), REPACK)


def test_load_can_be_cancelled_while_waiting(wide: Path, tmp_path: Path) -> None:
    cancel = threading.Event()
    drip = Drip(wide, tmp_path / "part")

    def half(done: float) -> None:
        if done > 0.5:
            cancel.set()

    with pytest.raises(Stopping):
        Engine.load(placeholder(wide, drip.whole, drip), REPACK, on_progress=half, cancel=cancel)


def test_unlogged_copies_are_a_mismatch(wide: Path) -> None:
    for line, message in (
        ("load_tensors:   CPU_NOVEL model buffer size =   1.00 MiB", "CPU_NOVEL"),
        ("load_tensors:  CPU_REPACK model buffer size =   1.00 MiB", "which weights"),
        ("load_tensors:         AMX model buffer size =   1.00 MiB", "which weights"),
    ):
        streamed = StreamedRepack(placeholder(wide, lambda: wide), lambda: False)
        streamed.on_log_line(line)
        with pytest.raises(HeaderMismatch, match=message):
            streamed.raise_error()
    streamed = StreamedRepack(placeholder(wide, lambda: wide), lambda: False)
    streamed.on_log_line("load_tensors:  CPU_Mapped model buffer size =   1.00 MiB")
    streamed.raise_error()


def test_amx_does_not_log_f16(wide: Path, tmp_path: Path) -> None:
    f16 = read_header(write_model(tmp_path / "f16.gguf", SHAPES["tiny-gqa"], quant="F16"))
    assert can_stream_repack(read_header(wide), amx=True)
    assert can_stream_repack(f16, amx=False)
    assert not can_stream_repack(f16, amx=True)


def repacked(
    store: FillingStore, folder: Path, door: str = "gunicorn", **settings: str
) -> AbstractContextManager[ServedFunction]:
    """Start a server that repacks the model in ``store``."""
    return serving(folder, door, MODEL_URI=store.url, N_CTX="512", LOAD_MODE="repacked", **settings)


@pytest.mark.parametrize("door", ["gunicorn", "functions-framework"])
def test_server_repacks_during_the_fetch(door: str, wide: Path, tmp_path: Path) -> None:
    expected = from_a_file(wide, tmp_path / "local", LOAD_MODE="repacked")
    with filling_store(wide, FIRST) as store, repacked(store, tmp_path, door) as function:
        function.get("/health/live")
        until(function, "load mode repacked")
        assert function.get("/health/ready")[1]["state"] == "fetching"
        store.gate.set()
        assert function.ask("/chat", SEEDED) == expected


@pytest.mark.parametrize("mode", ["directory", "memory"])
def test_object_replaced_during_the_fetch_is_repacked_again(mode: str, wide: Path, other: Path, tmp_path: Path) -> None:
    expected = from_a_file(other, tmp_path / "local", LOAD_MODE="repacked")
    with filling_store(wide, FIRST) as store, repacked(store, tmp_path, MODEL_CACHE=mode) as function:
        wait_for_copying(function)
        store.exchange(other)
        assert function.ask("/chat", SEEDED) == expected
        assert function.get("/v1/models")[1]["data"][0]["id"] == "the other"


@pytest.mark.parametrize("mode", ["directory", "memory"])
def test_fetch_process_that_dies_is_replaced(mode: str, wide: Path, tmp_path: Path) -> None:
    expected = from_a_file(wide, tmp_path / "local", LOAD_MODE="repacked")
    with filling_store(wide, FIRST) as store, repacked(store, tmp_path, MODEL_CACHE=mode) as function:
        wait_for_copying(function)
        process = worker(function)
        fetching = fetch_process(process)
        os.kill(fetching, signal.SIGKILL)
        until(function, "died: continuing in a thread")
        store.gate.set()
        assert function.ask("/chat", SEEDED) == expected
        assert children(function.process.pid) == [process]


def test_server_stops_during_the_fetch(wide: Path, tmp_path: Path) -> None:
    with filling_store(wide, FIRST) as store, repacked(store, tmp_path) as function:
        until(function, "load mode repacked")
        function.process.terminate()
        assert function.process.wait(WAIT_SECONDS) == 0
        assert "Traceback" not in function.log.read_text()
