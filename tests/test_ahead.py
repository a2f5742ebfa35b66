"""The first prompt read while the model arrives, by servers with a thread to spare, and what of it must not be kept."""

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from function.engine.early_prefill import EarlyPrefill, spare
from function.engine.llama.model import Model
from function.engine.llama.placeholder_file import HeaderMismatch, PlaceholderFile
from function.engine.load_options import LoadOptions
from function.engine.types import Job, Sampling
from function.errors import EngineError
from function.fetch import Progress
from function.gguf import read_header
from tests.drip import Drip, children, engines, filling_is_mapped, numbers, standin, worker
from tests.servers.doors import PATIENCE, ServedFunction, serving
from tests.servers.filling import FillingStore, filling_store
from tests.test_cold_start import FIRST, WIDE
from tools.models import write_model
from tools.shapes import Shape

NARROW = Shape("wide", 8, 512, 8, 2, 704, 1024, 1 << 24)
"""As WIDE, and smaller."""
SERVER = {"N_CTX": "512", "N_THREADS": "2"}
"""Two threads, of which a fetch that rests leaves one."""
ASKED = {"prompt": "word " * 60, "max_tokens": 12, "seed": 7}
OTHER = ASKED | {"prompt": "Tell me more"}
Replies = list[tuple[int, Any]]


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("wide") / "wide.gguf", WIDE)


@pytest.fixture(scope="module")
def twin(wide: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same header, other weights."""
    path = write_model(tmp_path_factory.mktemp("twin") / "wide.gguf", WIDE, seed=1)
    weights, start = path.read_bytes()[read_header(path).data_offset :], read_header(wide).data_offset
    path.write_bytes(wide.read_bytes()[:start] + weights[: wide.stat().st_size - start])
    assert path.stat().st_size == wide.stat().st_size
    return path


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("narrow") / "wide.gguf", NARROW)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Replies]:
    """What a model answers that was there from the beginning."""
    known: dict[Path, Replies] = {}

    def ask(model: Path) -> Replies:
        if model not in known:
            with serving(tmp_path_factory.mktemp("local"), MODEL_URI=str(model), **SERVER) as function:
                known[model] = [function.ask("/chat", ASKED), function.ask("/chat", OTHER)]
                assert known[model][0][0] == 200
        return known[model]

    return ask


@contextmanager
def reading(store: FillingStore, tmp_path: Path, **settings: str) -> Iterator[tuple[ServedFunction, "Future[Any]"]]:
    """A server that reads a prompt as far as the model is there, and the reply to come."""
    settings = SERVER | {"MODEL_URI": store.url} | settings
    with serving(tmp_path, **settings) as function, ThreadPoolExecutor() as pool:
        function.wait("fetching")
        answer = pool.submit(function.ask, "/chat", ASKED)
        deadline = time.monotonic() + PATIENCE
        while not filling_is_mapped(function):
            assert time.monotonic() < deadline, function.log.read_text()
            time.sleep(0.02)
        time.sleep(1)  # in which what is there is computed
        yield function, answer


modes = pytest.mark.parametrize("mode", ["directory", "memory"])


@modes
def test_what_was_read_ahead_is_the_beginning_of_the_reply(
    mode: str, wide: Path, expected: Callable[[Path], Replies], tmp_path: Path
) -> None:
    with filling_store(wide, FIRST) as store, reading(store, tmp_path, MODEL_CACHE=mode) as (function, answer):
        store.gate.set()
        assert [answer.result(), function.ask("/chat", OTHER)] == expected(wide)


@modes
@pytest.mark.parametrize("version", ["twin", "narrow"])
def test_an_object_that_is_replaced_meanwhile(
    version: str, mode: str, wide: Path, expected: Callable[[Path], Replies], tmp_path: Path, request: Any
) -> None:
    later = request.getfixturevalue(version)
    with filling_store(wide, FIRST) as store, reading(store, tmp_path, MODEL_CACHE=mode) as (function, answer):
        process = worker(function)
        store.exchange(later)
        assert [answer.result(), function.ask("/chat", OTHER)] == expected(later)
        assert worker(function) == process


@modes
def test_bytes_that_are_rejected_meanwhile(
    mode: str, wide: Path, expected: Callable[[Path], Replies], tmp_path: Path
) -> None:
    with filling_store(wide, FIRST) as store:
        (down,) = (each for each in read_header(wide).tensors if each.name == "blk.1.ffn_down.weight")
        assert down.offset + 1000 < FIRST
        store.wrong = [down.offset + 1000]
        with reading(store, tmp_path, MODEL_CACHE=mode, **store.s3) as (function, answer):
            assert not store.wrong, "it has been sent"
            store.gate.set()
            assert [answer.result(), function.ask("/chat", OTHER)] == expected(wide)


@modes
def test_a_fetch_whose_process_dies_meanwhile(
    mode: str, wide: Path, expected: Callable[[Path], Replies], tmp_path: Path
) -> None:
    with filling_store(wide, FIRST) as store, reading(store, tmp_path, MODEL_CACHE=mode) as (function, answer):
        process = worker(function)
        (fetching,) = children(process)
        os.kill(fetching, signal.SIGKILL)
        store.gate.set()
        assert [answer.result(), function.ask("/chat", OTHER)] == expected(wide)
        assert worker(function) == process


def test_a_name_that_no_stand_in_can_have_is_served_all_the_same(
    wide: Path, expected: Callable[[Path], Replies], tmp_path: Path
) -> None:
    long = tmp_path / f"{'long' * 62}.gguf"
    shutil.copy(wide, long)
    with filling_store(long, FIRST) as store:
        store.gate.set()
        with serving(tmp_path, MODEL_URI=store.url, MODEL_CACHE="memory", **SERVER) as function:
            assert function.ask("/chat", ASKED) == expected(wide)[0]
            assert "nothing can stand in" in function.log.read_text()


@pytest.mark.filterwarnings("error")
def test_a_stand_in_that_cannot_be_made_leaves_nothing() -> None:
    with pytest.raises(HeaderMismatch):
        PlaceholderFile(b"", 1, Path, name="n" * 300)


def test_the_model_is_served_where_nothing_can_be_read_ahead(wide: Path, tmp_path: Path) -> None:
    class Cramped(Model):
        def context_aside(self, n_ctx: int, n_threads: int, look: Any) -> Any:
            raise EngineError("There is no memory for it.")

    drip = Drip(wide, tmp_path / "part")
    model = Cramped(source := standin(wide, drip.whole, drip), n_ctx=512, n_threads=1, n_gpu_layers=0)
    assert not EarlyPrefill(model, source, lambda: False).read(range(20), 1)
    assert source.complete()
    model.free()
    source.close()


def test_a_stop_is_heard_where_no_byte_is_missing(wide: Path, tmp_path: Path) -> None:
    class There(PlaceholderFile):
        def await_bytes(self, count: int, stop: Callable[[], bool]) -> bool:
            return super().await_bytes(count, lambda: False)

    drip = Drip(wide, tmp_path / "part")
    whole = drip.whole()
    length = read_header(wide).data_offset
    source = There(wide.read_bytes()[:length], wide.stat().st_size, lambda: whole, drip)
    model = Model(source, n_ctx=512, n_threads=1, n_gpu_layers=0)
    assert not EarlyPrefill(model, source, lambda: True).read(range(20), 1)
    model.free()
    source.close()


def test_a_file_that_is_begun_anew_is_waited_for_no_longer(wide: Path, tmp_path: Path) -> None:
    drip = Drip(wide, tmp_path / "part")
    model = Model(source := standin(wide, drip.whole, drip), n_ctx=512, n_threads=1, n_gpu_layers=0)
    assert source.begin()
    again = tmp_path / "again"
    again.write_bytes(wide.read_bytes())
    drip.fill(again, wide.stat().st_size)
    assert not source.await_bytes(wide.stat().st_size, lambda: False)
    model.free()
    source.close()


@pytest.mark.parametrize("cut", [False, True])
def test_the_same_file_with_another_header_is_another(cut: bool, wide: Path, tmp_path: Path) -> None:
    drip = Drip(wide, tmp_path / "part")

    def whole() -> Path:
        path = drip.whole()
        with path.open("r+b") as file:
            if cut:
                file.truncate(wide.stat().st_size - 1)
            else:
                file.write(bytes(8))
        return path

    model = Model(source := standin(wide, whole, drip), n_ctx=512, n_threads=1, n_gpu_layers=0)
    assert source.begin()
    with pytest.raises(HeaderMismatch, match="replaced"):
        source.complete()
    model.free()
    source.close()


class Told(Progress):
    """A fetch whose process tells its CPU for the first time while one waits."""

    def await_prefix(self, wanted: int, timeout: float) -> bool:
        self.cpu = 0.01
        return super().await_prefix(wanted, timeout)


def test_no_more_threads_are_spared_than_there_are() -> None:
    sum(range(10**6))  # this process has spent more than that one
    assert spare(Told(), 2, 1000) == 1
    assert spare(Progress(), 1, 1000) == 0


def test_a_prompt_is_answered_where_the_file_is_replaced_after_it_was_read(
    wide: Path, twin: Path, tmp_path: Path
) -> None:
    drip = Drip(wide, tmp_path / "part")
    job = Job(tuple(range(3, 40)), max_tokens=8, sampling=Sampling(seed=7, ignore_eos=True))

    def replaced() -> Path:
        drip.whole()
        return twin

    source = standin(wide, replaced, drip)
    with engines(source, twin, LoadOptions(n_ctx=512, ahead=3), job=job) as (early, late):
        assert numbers(early, job)[0] == numbers(late, job)[0]
