"""Load plans from a header alone: load mode, memory, errors."""

from pathlib import Path

import pytest

from function.errors import DoesNotFit
from function.gguf import Header, read_header
from function.settings import Settings
from function.sizing.load_plan import LoadPlan, plan_load
from tools.models import write_model
from tools.shapes import SHAPES

GB = 10**9


@pytest.fixture(scope="module")
def header(tmp_path_factory: pytest.TempPathFactory) -> Header:
    """Header of a model whose weights can be repacked."""
    path = tmp_path_factory.mktemp("header") / "model.gguf"
    return read_header(write_model(path, SHAPES["tiny-gqa"], quant="Q4_0"))


def choose_mode(header: Header, limit: int, *, amx: bool = False, **settings: object) -> tuple[str, str]:
    made = plan(header, limit, amx=amx, **settings)
    return made.mode, made.reason


def plan(header: Header, limit: int, *, amx: bool = False, **settings: object) -> LoadPlan:
    values = Settings(**settings)  # type: ignore[arg-type]  # any setting
    return plan_load(header, values, path=Path("/proc"), size=header.file_size, local=False, amx=amx, limit=limit)


def multiply(header: Header, factor: int) -> Header:
    """Return a header with ``factor`` times the tensors."""
    kept = {name: getattr(header, name) for name in Header.__slots__ if name not in ("tensors", "file_size")}
    return Header(**kept, tensors=header.tensors * factor, file_size=header.file_size * factor)


def test_small_model_is_repacked_if_its_type_allows(header: Header, tiny_model: Path) -> None:
    assert choose_mode(header, 8 * GB)[0] == "repacked"
    assert choose_mode(read_header(tiny_model), 8 * GB) == ("mapped", "Q8_0 has no layout that prefills faster")


def test_large_model_is_not_repacked(tmp_path: Path) -> None:
    header = read_header(write_model(tmp_path / "large.gguf", SHAPES["135M"], quant="Q4_0"))
    mode, reason = choose_mode(multiply(header, 10), 32 * GB)
    assert mode == "mapped"
    assert "would delay the first token" in reason


def test_amx_allows_a_longer_copy(tmp_path: Path) -> None:
    header = read_header(write_model(tmp_path / "large.gguf", SHAPES["135M"], quant="Q4_0"))
    assert choose_mode(multiply(header, 40), 32 * GB, amx=True)[0] == "repacked"  # 3 GB
    assert choose_mode(multiply(header, 100), 64 * GB, amx=True)[0] == "mapped"


def test_amx_copies_more_types_and_counts_their_memory(tiny_model: Path) -> None:
    header = read_header(tiny_model)
    assert header.quantisation == "Q8_0"
    mode, reason = choose_mode(header, 8 * GB, amx=True)
    assert mode == "repacked"
    assert "AMX" in reason
    needs = plan(header, 8 * GB, amx=True, load_mode="repacked").fit
    assert needs.repacked > header.file_size / 2
    assert plan(header, 8 * GB, load_mode="repacked").fit.repacked == 0


def test_f16_is_copied_for_amx_only_if_set(tmp_path: Path) -> None:
    header = read_header(write_model(tmp_path / "f16.gguf", SHAPES["tiny-gqa"], quant="F16"))
    assert choose_mode(header, 8 * GB, amx=True)[0] == "mapped"
    assert plan(header, 8 * GB, amx=True, load_mode="repacked").fit.repacked > header.file_size / 2


def test_repacking_needs_memory_for_the_copy(header: Header) -> None:
    least = plan(header, 8 * GB).fit
    limit = least.least - least.repacked + 1
    assert choose_mode(header, limit)[0] == "mapped"
    with pytest.raises(DoesNotFit, match="LOAD_MODE=mapped"):
        choose_mode(header, limit, load_mode="repacked")


@pytest.mark.parametrize("mode", ["mapped", "repacked"])
def test_load_mode_setting_is_obeyed(header: Header, mode: str) -> None:
    assert choose_mode(header, 8 * GB, load_mode=mode) == (mode, f"set by LOAD_MODE={mode}")


def test_error_names_a_remedy(header: Header) -> None:
    needs = plan(header, GB, n_ctx=2048).fit
    base = needs.least - needs.repacked
    with pytest.raises(DoesNotFit, match=r"Set N_CTX=\d+, or give the container \d+ MiB"):
        choose_mode(header, base - 1, n_ctx=2048)
    with pytest.raises(DoesNotFit, match=r"Use a smaller model or quantisation, or give the container \d+ MiB"):
        choose_mode(header, 1000)
