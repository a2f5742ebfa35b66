"""Placeholder files: the system's limits, and files that must not take a placeholder's place."""

import shutil
from pathlib import Path

import pytest

from function.engine import HeaderMismatch, PlaceholderFile
from function.engine.llama.model import Model
from tests.drip import FIRST, MAPPED, SEEDED, WIDE, Drip, from_a_file, placeholder
from tests.servers.doors import serving
from tests.servers.filling import filling_store
from tools.models import write_model


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("wide") / "wide.gguf", WIDE)


def test_too_long_file_name_loads_without_placeholder(wide: Path, tmp_path: Path) -> None:
    expected = from_a_file(wide, tmp_path / "local")
    long = tmp_path / f"{'long' * 62}.gguf"
    shutil.copy(wide, long)
    with filling_store(long, FIRST) as store:
        store.gate.set()
        with serving(tmp_path, MODEL_URI=store.url, MODEL_CACHE="memory", **MAPPED) as function:
            assert function.ask("/chat", SEEDED) == expected
            assert "no placeholder file can be created" in function.log.read_text()


@pytest.mark.filterwarnings("error")
def test_failed_creation_leaves_no_descriptor() -> None:
    with pytest.raises(HeaderMismatch):
        PlaceholderFile(b"", 1, Path, name="n" * 300)


def test_restarted_file_ends_the_wait(wide: Path, tmp_path: Path) -> None:
    drip = Drip(wide, tmp_path / "part")
    model = Model(source := placeholder(wide, drip.whole, drip), n_ctx=512, n_threads=1, n_gpu_layers=0)
    assert source.map_partial_file()
    again = tmp_path / "again"
    again.write_bytes(wide.read_bytes())
    drip.fill(again, wide.stat().st_size)
    assert not source.wait_for_bytes(wide.stat().st_size, lambda: False)
    model.free()
    source.close()


@pytest.mark.parametrize("cut", [False, True])
def test_changed_header_or_length_is_a_mismatch(cut: bool, wide: Path, tmp_path: Path) -> None:
    drip = Drip(wide, tmp_path / "part")

    def whole() -> Path:
        path = drip.whole()
        with path.open("r+b") as file:
            if cut:
                file.truncate(wide.stat().st_size - 1)
            else:
                file.write(bytes(8))
        return path

    model = Model(source := placeholder(wide, whole, drip), n_ctx=512, n_threads=1, n_gpu_layers=0)
    assert source.map_partial_file()
    with pytest.raises(HeaderMismatch, match="replaced"):
        source.map_complete_file()
    model.free()
    source.close()
