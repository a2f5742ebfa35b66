"""How a model is loaded and whether there is room, from its header alone."""

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
    """Of weights that can be repacked."""
    path = tmp_path_factory.mktemp("header") / "model.gguf"
    return read_header(write_model(path, SHAPES["tiny-gqa"], quant="Q4_0"))


def chosen(header: Header, limit: int, *, amx: bool = False, **settings: object) -> tuple[str, str]:
    loading = loaded(header, limit, amx=amx, **settings)
    return loading.mode, loading.reason


def loaded(header: Header, limit: int, *, amx: bool = False, **settings: object) -> LoadPlan:
    made = Settings(**settings)  # type: ignore[arg-type]  # any of the settings
    return plan_load(header, made, path=Path("/proc"), size=header.file_size, local=False, amx=amx, limit=limit)


def times(header: Header, factor: int) -> Header:
    """A header of as many times the tensors."""
    kept = {name: getattr(header, name) for name in Header.__slots__ if name not in ("tensors", "file_size")}
    return Header(**kept, tensors=header.tensors * factor, file_size=header.file_size * factor)


def test_what_can_be_repacked_is_if_it_is_small(header: Header, tiny_model: Path) -> None:
    assert chosen(header, 8 * GB)[0] == "repacked"
    assert chosen(read_header(tiny_model), 8 * GB) == ("mapped", "Q8_0 has no layout that prefills faster")


def test_a_large_copy_is_not_waited_for(tmp_path: Path) -> None:
    header = read_header(write_model(tmp_path / "large.gguf", SHAPES["135M"], quant="Q4_0"))
    mode, reason = chosen(times(header, 10), 32 * GB)
    assert mode == "mapped"
    assert "would delay the first token" in reason


def test_amx_is_worth_a_longer_wait(tmp_path: Path) -> None:
    header = read_header(write_model(tmp_path / "large.gguf", SHAPES["135M"], quant="Q4_0"))
    assert chosen(times(header, 40), 32 * GB, amx=True)[0] == "repacked"  # 3 GB
    assert chosen(times(header, 100), 64 * GB, amx=True)[0] == "mapped"


def test_amx_copies_more_types_and_the_memory_counts_them(tiny_model: Path) -> None:
    header = read_header(tiny_model)
    assert header.quantisation == "Q8_0"
    mode, reason = chosen(header, 8 * GB, amx=True)
    assert mode == "repacked"
    assert "AMX" in reason
    needs = loaded(header, 8 * GB, amx=True, load_mode="repacked").fit
    assert needs.repacked > header.file_size / 2
    assert loaded(header, 8 * GB, load_mode="repacked").fit.repacked == 0


def test_f16_is_copied_for_amx_but_gains_nothing(tmp_path: Path) -> None:
    header = read_header(write_model(tmp_path / "f16.gguf", SHAPES["tiny-gqa"], quant="F16"))
    assert chosen(header, 8 * GB, amx=True)[0] == "mapped"
    assert loaded(header, 8 * GB, amx=True, load_mode="repacked").fit.repacked > header.file_size / 2


def test_a_second_copy_needs_room(header: Header) -> None:
    least = loaded(header, 8 * GB).fit
    limit = least.least - least.repacked + 1
    assert chosen(header, limit)[0] == "mapped"
    with pytest.raises(DoesNotFit, match="LOAD_MODE=mapped"):
        chosen(header, limit, load_mode="repacked")


@pytest.mark.parametrize("mode", ["mapped", "repacked"])
def test_a_setting_is_obeyed(header: Header, mode: str) -> None:
    assert chosen(header, 8 * GB, load_mode=mode) == (mode, f"set by LOAD_MODE={mode}")


def test_the_refusal_names_what_would_help(header: Header) -> None:
    needs = loaded(header, GB, n_ctx=2048).fit
    base = needs.least - needs.repacked
    with pytest.raises(DoesNotFit, match=r"Set N_CTX=\d+, or give the container \d+ MiB"):
        chosen(header, base - 1, n_ctx=2048)
    with pytest.raises(DoesNotFit, match=r"Use a smaller model or quantisation, or give the container \d+ MiB"):
        chosen(header, 1000)
