"""Weights copied into a faster layout while their file still fills: the same numbers, and no byte too early."""

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
from tests.drip import SEEDED, Drip, children, engines, filling_is_mapped, from_a_file, numbers, standin, until, worker
from tests.servers.doors import PATIENCE, ServedFunction, serving
from tests.servers.filling import FillingStore, filling_store
from tools.models import Quant, write_model
from tools.shapes import SHAPES, Shape

WIDE = Shape("wide", 14, 512, 8, 2, 1408, 8192, 8192)
FIRST = 10 << 20
"""Bytes that hold what is read for the header and some of the weights."""
REPACK = LoadOptions(n_ctx=512, repack=True)
JOB = Job(tuple(range(3, 40)), max_tokens=8, sampling=Sampling(seed=7, ignore_eos=True), logprobs=3)


def is_copied(function: ServedFunction) -> None:
    """Wait until what has arrived of the model is being copied."""
    deadline = time.monotonic() + PATIENCE
    while not filling_is_mapped(function):
        assert time.monotonic() < deadline, function.log.read_text()
        time.sleep(0.02)


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of weights that are copied."""
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
def test_what_is_copied_behind_the_bytes_has_the_same_numbers(shape: Shape, quant: Quant, tmp_path: Path) -> None:
    path = write_model(tmp_path / "model.gguf", shape, quant=quant)
    drip = Drip(path, tmp_path / "part")
    source = standin(path, drip.whole, drip)
    with engines(source, path, REPACK) as (early, late):
        assert numbers(early, JOB)[0] == numbers(late, JOB)[0]


def test_it_is_copied_before_the_last_byte(wide: Path, tmp_path: Path) -> None:
    drip = Drip(wide, tmp_path / "part")
    seen: list[tuple[float, bool]] = []
    source = standin(wide, drip.whole, drip)
    Engine.load(source, REPACK, on_progress=lambda done: seen.append((done, drip.over))).close()
    source.close()
    assert max(done for done, over in seen if not over) > 0.8


def test_a_file_that_is_whole_already_is_copied_at_once(wide: Path) -> None:
    with engines(standin(wide, lambda: wide), wide, REPACK) as (early, late):
        assert numbers(early, JOB)[0] == numbers(late, JOB)[0]


@pytest.mark.parametrize("at", [0, 3_000_000])
def test_a_model_that_does_not_come_is_none(at: int, wide: Path, tmp_path: Path) -> None:
    drip = Drip(wide, tmp_path / "part", fails_at=at)

    def never() -> Path:
        raise ChecksumMismatch("The bytes are wrong.")

    with pytest.raises(ChecksumMismatch):
        Engine.load(standin(wide, never, drip), REPACK)


def test_nor_is_one_whose_bytes_turn_out_wrong(wide: Path, tmp_path: Path) -> None:
    drip = Drip(wide, tmp_path / "part")

    def wrong() -> Path:
        drip.whole()
        raise ChecksumMismatch("The bytes are wrong.")

    with pytest.raises(ChecksumMismatch):
        Engine.load(standin(wide, wrong, drip), REPACK)


def test_what_was_copied_of_another_file_is_thrown_away(wide: Path, tmp_path: Path) -> None:
    drip = Drip(wide, tmp_path / "part")
    shutil.copy(wide, tmp_path / "again")

    def again() -> Path:
        drip.whole()
        return tmp_path / "again"

    with pytest.raises(HeaderMismatch, match="replaced"):
        Engine.load(standin(wide, again, drip), REPACK)


def test_it_can_be_cancelled_while_it_waits(wide: Path, tmp_path: Path) -> None:
    cancel = threading.Event()
    drip = Drip(wide, tmp_path / "part")

    def half(done: float) -> None:
        if done > 0.5:
            cancel.set()

    with pytest.raises(Stopping):
        Engine.load(standin(wide, drip.whole, drip), REPACK, on_progress=half, cancel=cancel)


def test_what_is_not_told_is_not_trusted(wide: Path) -> None:
    for line, said in (
        ("load_tensors:   CPU_NOVEL model buffer size =   1.00 MiB", "CPU_NOVEL"),
        ("load_tensors:  CPU_REPACK model buffer size =   1.00 MiB", "which weights"),
        ("load_tensors:         AMX model buffer size =   1.00 MiB", "which weights"),
    ):
        behind = StreamedRepack(standin(wide, lambda: wide), lambda: False)
        behind.on_log_line(line)
        with pytest.raises(HeaderMismatch, match=said):
            behind.raise_error()
    behind = StreamedRepack(standin(wide, lambda: wide), lambda: False)
    behind.on_log_line("load_tensors:  CPU_Mapped model buffer size =   1.00 MiB")
    behind.raise_error()


def test_amx_does_not_tell_of_f16(wide: Path, tmp_path: Path) -> None:
    f16 = read_header(write_model(tmp_path / "f16.gguf", SHAPES["tiny-gqa"], quant="F16"))
    assert can_stream_repack(read_header(wide), amx=True)
    assert can_stream_repack(f16, amx=False)
    assert not can_stream_repack(f16, amx=True)


def repacked(
    store: FillingStore, folder: Path, door: str = "gunicorn", **settings: str
) -> AbstractContextManager[ServedFunction]:
    """A server that copies what the store has."""
    return serving(folder, door, MODEL_URI=store.url, N_CTX="512", LOAD_MODE="repacked", **settings)


@pytest.mark.parametrize("door", ["gunicorn", "functions-framework"])
def test_a_model_is_copied_beside_its_fetch(door: str, wide: Path, tmp_path: Path) -> None:
    expected = from_a_file(wide, tmp_path / "local", LOAD_MODE="repacked")
    with filling_store(wide, FIRST) as store, repacked(store, tmp_path, door) as function:
        function.get("/health/live")
        until(function, "load mode repacked")
        assert function.get("/health/ready")[1]["state"] == "fetching"
        store.gate.set()
        assert function.ask("/chat", SEEDED) == expected


@pytest.mark.parametrize("mode", ["directory", "memory"])
def test_an_object_that_is_exchanged_meanwhile_is_copied_anew(
    mode: str, wide: Path, other: Path, tmp_path: Path
) -> None:
    expected = from_a_file(other, tmp_path / "local", LOAD_MODE="repacked")
    with filling_store(wide, FIRST) as store, repacked(store, tmp_path, MODEL_CACHE=mode) as function:
        is_copied(function)
        store.exchange(other)
        assert function.ask("/chat", SEEDED) == expected
        assert function.get("/v1/models")[1]["data"][0]["id"] == "the other"


@pytest.mark.parametrize("mode", ["directory", "memory"])
def test_a_fetch_that_dies_meanwhile_goes_on(mode: str, wide: Path, tmp_path: Path) -> None:
    expected = from_a_file(wide, tmp_path / "local", LOAD_MODE="repacked")
    with filling_store(wide, FIRST) as store, repacked(store, tmp_path, MODEL_CACHE=mode) as function:
        is_copied(function)
        process = worker(function)
        (fetching,) = children(process)
        os.kill(fetching, signal.SIGKILL)
        until(function, "died; going on in this one")
        store.gate.set()
        assert function.ask("/chat", SEEDED) == expected
        assert children(function.process.pid) == [process]


def test_it_stops_when_told_to(wide: Path, tmp_path: Path) -> None:
    with filling_store(wide, FIRST) as store, repacked(store, tmp_path) as function:
        until(function, "load mode repacked")
        function.process.terminate()
        assert function.process.wait(PATIENCE) == 0
        assert "Traceback" not in function.log.read_text()
