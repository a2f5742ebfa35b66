import pytest

from function.engine.llama import library
from function.lifecycle.provenance import build, cpu_level, describe


@pytest.mark.parametrize(
    ("info", "level"),
    [
        ("CPU : SSE3 = 1 | AVX = 1 | AVX2 = 1 | REPACK = 1 | ", "AVX2"),
        ("CPU : AVX2 = 1 | AVX512 = 1 | AVX512_VNNI = 1 | ", "AVX512_VNNI"),
        ("CPU : AVX2 = 1 | AVX512 = 0 | ", "AVX2"),
        ("CPU : NEON = 1 | DOTPROD = 1 | ", "DOTPROD"),
        ("CUDA : ARCHS = 890 | CPU : SSE3 = 1 | AVX2 = 1 | ", "AVX2"),
        ("CPU : SSE3 = 1 | AVX2 = 1 | LEVEL = avx512 | ", "avx512"),
        ("", "baseline"),
    ],
)
def test_cpu_level_is_the_fastest_in_use(info: str, level: str) -> None:
    assert cpu_level(info) == level


def test_cpu_level_of_this_build_is_known() -> None:
    assert cpu_level(library.read_system_info()) != "baseline"
    assert build() == "llama-cpp-python 0.3.36"


def test_provenance_without_a_model_has_a_fingerprint() -> None:
    made = describe("none yet", [], None)
    assert (made.version, made.digest) == (None, None)
    assert made.fingerprint.startswith("b0.3.")
